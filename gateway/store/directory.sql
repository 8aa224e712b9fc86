-- begin --
insert into {schema}.directory (pepper, master_id) values ($1, $2) on conflict do nothing

-- pepper --
select pepper, master_id from {schema}.directory

-- lock --
select from {schema}.directory for update

-- state --
select l.epoch, (select coalesce(max(made), 0) from {schema}.people) as newest from {schema}.log_head l

-- known --
select k.key, k.notification_id, s.originator_version
from {schema}.event_keys k
join {schema}.stored_events s on s.notification_id = k.notification_id
where k.key = any ($1::uuid[])

-- holders --
select a.alias, r.person_id, r.made, exists (
    select from {schema}.people m join {schema}.person_aliases b on b.person_id = m.person_id
    where m.root_id = r.person_id and b.kind = 'bsuid'
  ) as has_bsuid
from {schema}.person_aliases a
join {schema}.people p on p.person_id = a.person_id
join {schema}.people r on r.person_id = p.root_id
where a.alias = any ($1::uuid[])

-- make people --
insert into {schema}.people (person_id, root_id, kind, made)
select t.person_id, t.person_id, t.kind, t.made
from unnest($1::uuid[], $2::text[], $3::bigint[]) as t (person_id, kind, made)

-- claim --
insert into {schema}.person_aliases (alias, kind, person_id)
select t.alias, t.kind, t.person_id from unnest($1::uuid[], $2::text[], $3::uuid[]) as t (alias, kind, person_id)
on conflict (alias) do update set person_id = excluded.person_id

-- link --
update {schema}.people set root_id = $1 where root_id = $2

-- keys --
select k.person_id, k.month, k.wrapped, k.master_id
from {schema}.person_keys k
join unnest($1::uuid[], $2::integer[]) as t (person_id, month) using (person_id, month)

-- make keys --
insert into {schema}.person_keys (person_id, month, wrapped, master_id, expires_at)
select t.person_id, t.month, t.wrapped, t.master_id, t.expires_at
from unnest($1::uuid[], $2::integer[], $3::bytea[], $4::text[], $5::timestamptz[])
  as t (person_id, month, wrapped, master_id, expires_at)

-- drop expired keys --
-- $1 now, $2 the oldest month whose content is kept, or null to keep all. Lines and accounts are no persons.
delete from {schema}.person_keys k
using {schema}.people p
where p.person_id = k.person_id
  and (k.expires_at < $1 or k.month < $2::integer and p.kind in ('person', 'group'))

-- make conversations --
insert into {schema}.conversations (conversation_id, line, person_id, group_key)
select t.conversation_id, t.line, t.person_id, t.group_key
from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[]) as t (conversation_id, line, person_id, group_key)
on conflict do nothing

-- conversations of root --
select c.conversation_id, c.line
from {schema}.conversations c
join {schema}.people p on p.person_id = c.person_id
where p.root_id = $1

-- of alias --
select c.conversation_id
from {schema}.person_aliases a
join {schema}.people h on h.person_id = a.person_id
join {schema}.people p on p.root_id = h.root_id
join {schema}.conversations c on c.person_id = p.person_id and c.line = $2
where a.alias = $1
order by p.made

-- of conversation --
select c.conversation_id
from {schema}.conversations o
join {schema}.people h on h.person_id = o.person_id
join {schema}.people p on p.root_id = h.root_id
join {schema}.conversations c on c.person_id = p.person_id and c.line = o.line
where o.conversation_id = $1 and o.line = $2
union all
select g.conversation_id from {schema}.conversations g
where g.conversation_id = $1 and g.line = $2 and g.group_key is not null

-- everywhere of alias --
select c.conversation_id, c.line
from {schema}.person_aliases a
join {schema}.people h on h.person_id = a.person_id
join {schema}.people p on p.root_id = h.root_id
join {schema}.conversations c on c.person_id = p.person_id
where a.alias = $1
order by p.made, c.line

-- everywhere of conversation --
select c.conversation_id, c.line
from {schema}.conversations o
join {schema}.people h on h.person_id = o.person_id
join {schema}.people p on p.root_id = h.root_id
join {schema}.conversations c on c.person_id = p.person_id
where o.conversation_id = $1
order by p.made, c.line
