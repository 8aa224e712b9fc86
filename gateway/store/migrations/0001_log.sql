-- The log: the table of the eventsourcing library, filled by the functions below and by nothing else.
create table {schema}.stored_events (
  originator_id uuid not null,
  originator_version bigint not null,
  topic text not null,
  state bytea not null,
  notification_id bigint not null,
  primary key (originator_id, originator_version)
);
create unique index stored_events_notification_id_idx on {schema}.stored_events (notification_id);
-- States are ciphertext for the greater part: compressing them is wasted.
alter table {schema}.stored_events alter column state set storage external;

create table {schema}.event_keys (
  key uuid primary key,
  notification_id bigint not null,
  token bigint not null
);

-- One row. Appends lock it and never update it: an updated row could not be pruned under an old snapshot.
create table {schema}.log_head (
  one boolean primary key default true check (one),
  log_id uuid not null,
  floor bigint not null default 0,
  epoch bigint not null default 0
);
insert into {schema}.log_head (log_id) values (gen_random_uuid());

create function {schema}.refuse_change_1() returns trigger language plpgsql as $$
begin
  raise 'the log is append-only: % on % is refused', lower(tg_op), tg_table_name
    using errcode = 'insufficient_privilege';
end $$;

create trigger append_only before update or delete or truncate on {schema}.stored_events
  for each statement execute function {schema}.refuse_change_1();
-- "always": session_replication_role = replica does not switch it off.
alter table {schema}.stored_events enable always trigger append_only;

-- Appends the items that can be appended, and says of each what became of it, in input order:
--   appended   stored now, or before by the same token: position and version
--   duplicate  key known: position and version of the first
--   conflict   the stream's version is not the expected one: that version
-- At another epoch nothing is judged or stored, and `outcomes` is null.
create function {schema}.append_events_1(
  seen_epoch bigint, ids uuid[], expected bigint[], topics text[], states bytea[], keys uuid[], tokens bigint[],
  out current_epoch bigint, out outcomes text[], out versions bigint[], out positions bigint[]
) language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
declare
  head bigint;
  fresh bigint;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise 'append_events needs read committed' using errcode = 'invalid_transaction_state';
  end if;
  if cardinality(keys) <> any (array[
       cardinality(ids), cardinality(expected), cardinality(topics), cardinality(states), cardinality(tokens)])
     or cardinality(keys) <> (select count(distinct k) from unnest(keys) k) then
    raise 'one distinct key an item, and arrays of one length' using errcode = 'invalid_parameter_value';
  end if;
  if exists (select from unnest(ids, expected) as t (id, e) where cardinality(array_remove(expected, null)) > 0
             group by t.id having count(*) > 1 and count(t.e) > 0) then
    raise 'an item with an expected version is alone in its stream' using errcode = 'invalid_parameter_value';
  end if;

  -- A statement of its own: the next one sees everything that this lock waited for.
  select l.epoch, l.floor into strict current_epoch, head from {schema}.log_head l for update;
  if current_epoch <> seen_epoch then
    return;
  end if;
  select greatest(head, max(s.notification_id)) into head from {schema}.stored_events s;

  -- `fresh_nth` counts the items to be stored; `seen` is the position of an item whose key is known.
  select array_agg(j.outcome order by j.ord),
         array_agg(j.version order by j.ord),
         array_agg(coalesce(j.seen, head + j.fresh_nth) order by j.ord),
         count(*) filter (where j.is_fresh)
    into outcomes, versions, positions, fresh
  from (
    select i.ord, i.outcome, i.seen, i.is_fresh,
           case when i.is_fresh then count(*) filter (where i.is_fresh) over (order by i.ord) end as fresh_nth,
           case when i.is_fresh then i.last + row_number() over (partition by i.id, i.is_fresh order by i.ord)
                when i.seen is null then i.last
                else (select s.originator_version from {schema}.stored_events s where s.notification_id = i.seen)
           end as version
    from (
      select t.ord, t.id, h.last, k.notification_id as seen,
             k.key is null and (t.expected is null or t.expected = h.last) as is_fresh,
             case when k.token = t.token then 'appended'
                  when k.key is not null then 'duplicate'
                  when t.expected <> h.last then 'conflict'
                  else 'appended' end as outcome
      from unnest(ids, expected, keys, tokens) with ordinality as t (id, expected, key, token, ord)
      left join lateral (
        select e.key, e.notification_id, e.token from {schema}.event_keys e where e.key = t.key limit 1
      ) k on true
      cross join lateral (
        select coalesce(max(s.originator_version), 0) as last
        from {schema}.stored_events s where s.originator_id = t.id
      ) h
    ) i
  ) j;
  if fresh = 0 then
    return;
  end if;
  insert into {schema}.stored_events (originator_id, originator_version, topic, state, notification_id)
  select t.id, t.version, t.topic, t.state, t.position
  from unnest(ids, versions, topics, states, positions, outcomes)
    as t (id, version, topic, state, position, outcome)
  where t.outcome = 'appended' and t.position > head;
  insert into {schema}.event_keys (key, notification_id, token)
  select t.key, t.position, t.token
  from unnest(keys, positions, tokens, outcomes) as t (key, position, token, outcome)
  where t.outcome = 'appended' and t.position > head;
end $$;

-- Appends all items or, raising unique_violation, none: each with the version given, or with its stream's
-- next one where that is null. What else happens in the transaction happens with it, or not at all.
create function {schema}.append_together_1(
  ids uuid[], explicit bigint[], topics text[], states bytea[], keys uuid[], tokens bigint[],
  out versions bigint[], out positions bigint[]
) language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
  head bigint;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise 'append_together needs read committed' using errcode = 'invalid_transaction_state';
  end if;
  if cardinality(keys) <> any (array[
       cardinality(ids), cardinality(explicit), cardinality(topics), cardinality(states), cardinality(tokens)]) then
    raise 'arrays of one length' using errcode = 'invalid_parameter_value';
  end if;
  select l.floor into strict head from {schema}.log_head l for update;
  select greatest(head, max(s.notification_id)) into head from {schema}.stored_events s;
  select array_agg(i.version order by i.ord), array_agg(head + i.ord order by i.ord) into versions, positions
  from (
    select t.ord, coalesce(t.version, h.last + count(*) filter (where t.version is null)
                             over (partition by t.id order by t.ord)) as version
    from unnest(ids, explicit) with ordinality as t (id, version, ord)
    cross join lateral (
      select coalesce(max(s.originator_version), 0) as last
      from {schema}.stored_events s where s.originator_id = t.id
    ) h
  ) i;
  insert into {schema}.stored_events (originator_id, originator_version, topic, state, notification_id)
  select t.id, t.version, t.topic, t.state, t.position
  from unnest(ids, versions, topics, states, positions) as t (id, version, topic, state, position);
  insert into {schema}.event_keys (key, notification_id, token)
  select t.key, t.position, t.token from unnest(keys, positions, tokens) as t (key, position, token);
end $$;

-- Holds the log and makes every draft that was sealed before stale; for erasing and linking people.
create function {schema}.next_epoch_1() returns bigint language sql volatile security definer
  set search_path = pg_catalog, pg_temp
begin atomic
  update {schema}.log_head set epoch = epoch + 1 returning epoch;
end;
