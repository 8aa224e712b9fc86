-- hold --
-- Before the snapshot: else a rebuild could replace the tables in between, and the old moment see none of their rows.
lock table {schema}.windows, {schema}.messages in access share mode

-- as of --
select position from {schema}.projection_checkpoints where name = $1

-- open --
-- $1 openers before this Unix second opened nothing that is open, $2 line or null: every stream of each
-- conversation of which one stream may be open, since another one may close it again.
with
  opened as (
    select distinct c.line, coalesce(p.root_id, c.conversation_id) as whose
    from {schema}.windows w
    join {schema}.conversations c on c.conversation_id = w.stream
    left join {schema}.people p on p.person_id = c.person_id
    where w.opened_at > $1 and ($2::text is null or c.line = $2)
  ),
  streams as (
    select o.line, o.whose, p.made, coalesce(c.conversation_id, o.whose) as stream
    from opened o
    left join {schema}.people p on p.root_id = o.whose
    left join {schema}.conversations c on c.person_id = p.person_id and c.line = o.line
    where p.person_id is null or c.conversation_id is not null
  )
select s.line, s.whose, w.stream,
  w.opened_at, w.opened_by, w.confirmed_at, w.refused_at, w.refused_by, w.changed_at, w.free_entry_until
from streams s
join {schema}.windows w on w.stream = s.stream
order by s.line, s.whose, s.made, w.stream

-- openers --
-- $1 message keys: where the log holds each.
select message_key, min(position) as position from {schema}.messages where message_key = any ($1::uuid[]) group by 1
