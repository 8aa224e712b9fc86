-- ddl --
create table if not exists {schema}.sends_v2 (
  send_id uuid primary key,
  position bigint,
  stream uuid,
  requested_at timestamptz,
  line text collate "C",
  group_key uuid,
  caller text collate "C",
  face text collate "C",
  kind text collate "C",
  type text collate "C",
  category text collate "C",
  template text collate "C",
  language text collate "C",
  market text collate "C",
  dispatched integer,
  requested boolean not null,
  refused boolean not null,
  accepted boolean not null,
  attempt integer not null,
  outcome text collate "C",
  outcome_at bigint,
  outcome_code bigint,
  state text collate "C" not null
);
create index if not exists sends_v2_position on {schema}.sends_v2 (position);
create index if not exists sends_v2_line on {schema}.sends_v2 (line, position);
create index if not exists sends_v2_state on {schema}.sends_v2 (state, position);

-- Sends on their way, and those whose outcome nobody recorded.
create index if not exists sends_v2_open on {schema}.sends_v2 (send_id) where dispatched > attempt;

create table if not exists {schema}.send_references_v1 (
  reference uuid not null,
  send_id uuid not null,
  primary key (reference, send_id)
);

create table if not exists {schema}.messages_v1 (
  message_key uuid not null,
  participant uuid not null,
  position bigint not null,
  stream uuid not null,
  at bigint,
  line text collate "C",
  direction text collate "C" not null,
  send_id uuid,
  group_key uuid,
  type text collate "C",
  subtype text collate "C",
  market text collate "C",
  accepted boolean not null,
  reached text collate "C",
  sent_at bigint,
  delivered_at bigint,
  read_at bigint,
  failed_at bigint,
  failed_code bigint,
  pricing_model text collate "C",
  pricing_type text collate "C",
  pricing_category text collate "C",
  pricing_subtype text collate "C",
  pricing_billable boolean,
  pricing_status text collate "C",
  pricing_at bigint,
  state text collate "C",
  primary key (message_key, participant)
);
create index if not exists messages_v1_position on {schema}.messages_v1 (position) where send_id is null;
create index if not exists messages_v1_line on {schema}.messages_v1 (line, position) where send_id is null;
create index if not exists messages_v1_send on {schema}.messages_v1 (send_id) where send_id is not null;
create index if not exists messages_v1_undelivered on {schema}.messages_v1 (position)
  where send_id is not null and state in ('accepted', 'sent');

create or replace view {schema}.sends as
  select send_id, position, stream, requested_at, line, group_key, caller, face, kind, type, category,
    template, language, market, requested, refused, accepted, attempt, outcome, outcome_at, outcome_code, state,
    dispatched
  from {schema}.sends_v2;
create or replace view {schema}.send_references as
  select reference, send_id from {schema}.send_references_v1;
create or replace view {schema}.messages as
  select message_key, participant, position, stream, at, line, direction, send_id, group_key, type, subtype,
    market, accepted, reached, sent_at, delivered_at, read_at, failed_at, failed_code,
    pricing_model, pricing_type, pricing_category, pricing_subtype, pricing_billable,
    pricing_status, pricing_at, state
  from {schema}.messages_v1;

-- load send --
select send_id, position, stream, requested_at, line, group_key, caller, face, kind, type, category,
  template, language, market, dispatched, requested, refused, accepted, attempt, outcome, outcome_at,
  outcome_code
from {schema}.sends_v2
where send_id = any ($1::uuid[])

-- save send --
insert into {schema}.sends_v2
select r.* from unnest($1::{schema}.sends_v2[]) as r
on conflict (send_id) do update set (
  position, stream, requested_at, line, group_key, caller, face, kind, type, category,
  template, language, market, dispatched, requested, refused, accepted, attempt, outcome, outcome_at,
  outcome_code, state
) = row (
  excluded.position, excluded.stream, excluded.requested_at, excluded.line, excluded.group_key,
  excluded.caller, excluded.face, excluded.kind, excluded.type, excluded.category,
  excluded.template, excluded.language, excluded.market, excluded.dispatched, excluded.requested,
  excluded.refused, excluded.accepted, excluded.attempt, excluded.outcome, excluded.outcome_at, excluded.outcome_code,
  excluded.state
)

-- load reference --
select r.reference, r.send_id
from {schema}.send_references_v1 r
join unnest($1::uuid[], $2::uuid[]) as k (reference, send_id) using (reference, send_id)

-- save reference --
insert into {schema}.send_references_v1
select r.* from unnest($1::{schema}.send_references_v1[]) as r
on conflict do nothing

-- load message --
select m.message_key, m.participant, m.position, m.stream, m.at, m.line, m.direction, m.send_id, m.group_key,
  m.type, m.subtype, m.market, m.accepted, m.reached, m.sent_at, m.delivered_at, m.read_at,
  m.failed_at, m.failed_code, m.pricing_model, m.pricing_type, m.pricing_category, m.pricing_subtype,
  m.pricing_billable, m.pricing_status, m.pricing_at
from {schema}.messages_v1 m
join unnest($1::uuid[], $2::uuid[]) as k (message_key, participant) using (message_key, participant)

-- save message --
insert into {schema}.messages_v1
select r.* from unnest($1::{schema}.messages_v1[]) as r
on conflict (message_key, participant) do update set (
  position, stream, at, line, direction, send_id, group_key, type, subtype, market, accepted, reached,
  sent_at, delivered_at, read_at, failed_at, failed_code, pricing_model, pricing_type, pricing_category,
  pricing_subtype, pricing_billable, pricing_status, pricing_at, state
) = row (
  excluded.position, excluded.stream, excluded.at, excluded.line, excluded.direction, excluded.send_id,
  excluded.group_key, excluded.type, excluded.subtype, excluded.market, excluded.accepted,
  excluded.reached, excluded.sent_at, excluded.delivered_at, excluded.read_at, excluded.failed_at,
  excluded.failed_code, excluded.pricing_model, excluded.pricing_type, excluded.pricing_category,
  excluded.pricing_subtype, excluded.pricing_billable, excluded.pricing_status, excluded.pricing_at,
  excluded.state
)

-- sends --
select send_id, position, stream, requested_at, line, group_key, caller, face, kind, type, category,
  template, language, market, dispatched, requested, refused, accepted, attempt, outcome, outcome_at,
  outcome_code
from {schema}.sends
where send_id = any ($1::uuid[])

-- messages --
-- All rows of the given messages, and of all that their sends and the given sends became.
select message_key, participant, position, stream, at, line, direction, send_id, group_key,
  type, subtype, market, accepted, reached, sent_at, delivered_at, read_at,
  failed_at, failed_code, pricing_model, pricing_type, pricing_category, pricing_subtype,
  pricing_billable, pricing_status, pricing_at
from {schema}.messages
where message_key = any (array(
  select unnest($2::uuid[])
  union all
  select k.message_key from {schema}.messages k
  where k.send_id = any (array(
    select unnest($1::uuid[])
    union all
    select m.send_id from {schema}.messages m where m.message_key = any ($2) and m.send_id is not null
  ))
))

-- position --
select position from {schema}.projection_checkpoints where name = $1

-- of references --
-- $1 references: the sends that were given one of them.
select send_id from {schema}.send_references where reference = any ($1::uuid[])

-- search --
-- $1 after, $2 limit, $3 send_ids or null for all messages, $4 state, $5 line, $6 and $7 first and exclusive
-- last Unix second. Arrays of subqueries are looked up by index, row by row, only as far as the limit needs.
-- A state found here may be outranked by another row of the same message: the caller looks at the whole.
select f.position, f.send_id, f.message_key
from (
  (
    select s.position, s.send_id, null::uuid as message_key
    from {schema}.sends s
    where s.position > $1
      and ($3::uuid[] is null or s.send_id = any ($3))
      and ($4::text is null or s.state = $4
        or $4 <> all (array['requested', 'refused', 'unknown']) and $4 = any (array(
          select m.state from {schema}.messages k join {schema}.messages m using (message_key)
          where k.send_id = s.send_id)))
      and ($5::text is null or s.line = $5)
      and ($6::bigint is null or s.requested_at >= to_timestamp($6))
      and ($7::bigint is null or s.requested_at < to_timestamp($7))
    order by s.position
    limit $2
  )
  union all
  (
    select a.position, null, a.message_key
    from {schema}.messages a
    where a.position > $1
      and $3::uuid[] is null
      and a.send_id is null
      and not (true = any (array(
        select m.send_id is not null or m.position < a.position
        from {schema}.messages m where m.message_key = a.message_key)))
      and ($4::text is null or $4 = any (array(
        select m.state from {schema}.messages m where m.message_key = a.message_key)))
      and ($5::text is null or a.line = $5)
      and ($6::bigint is null or a.at >= $6)
      and ($7::bigint is null or a.at < $7)
    order by a.position
    limit $2
  )
) f
order by f.position
limit $2

-- open --
-- $1 send_ids to leave out, $2 limit: sends whose newest dispatch has no outcome yet.
select send_id, dispatched from {schema}.sends where dispatched > attempt and send_id <> all ($1::uuid[]) limit $2

-- reported --
-- $1 positions to leave out, $2 limit: sends that count as unknown although WhatsApp has reported a status.
select s.send_id, s.attempt, m.position
from {schema}.sends s
join {schema}.messages m on m.send_id = s.send_id
where s.state = 'unknown' and m.position <> all ($1::bigint[])
order by m.position desc
limit $2

-- undelivered --
-- $1 after, $2 until when it was asked for, $3 limit: accepted messages to persons that WhatsApp has reported
-- neither delivered nor failed.
select m.position, m.send_id, m.reached, s.requested_at
from {schema}.messages m
join {schema}.sends s on s.send_id = m.send_id
where m.send_id is not null and m.state in ('accepted', 'sent') and m.group_key is null
  and m.position > $1 and s.requested_at < $2
order by m.position
limit $3
