-- ddl --
create table if not exists {schema}.observed_v1 (
  send_id uuid primary key,
  position bigint not null,
  decided_at timestamptz not null,
  line text collate "C",
  caller text collate "C" not null,
  face text collate "C" not null,
  type text collate "C" not null,
  verdict text collate "C" not null,
  reason text collate "C"
);
create index if not exists observed_v1_decided on {schema}.observed_v1 (decided_at);
create or replace view {schema}.observed as
  select send_id, position, decided_at, line, caller, face, type, verdict, reason from {schema}.observed_v1;

-- load send --
select send_id, position, decided_at, line, caller, face, type, verdict, reason
from {schema}.observed_v1
where send_id = any ($1::uuid[])

-- save send --
insert into {schema}.observed_v1
select r.* from unnest($1::{schema}.observed_v1[]) as r
on conflict (send_id) do update set (
  position, decided_at, line, caller, face, type, verdict, reason
) = row (
  excluded.position, excluded.decided_at, excluded.line, excluded.caller, excluded.face, excluded.type,
  excluded.verdict, excluded.reason
)

-- hold --
-- Before the snapshot: else a rebuild could replace the tables in between, and the old moment see none of their rows.
lock table {schema}.observed, {schema}.sends, {schema}.messages in access share mode

-- as of --
select min(position) from {schema}.projection_checkpoints where name = any ($1::text[])

-- found --
-- $1 first and $2 exclusive last day, $3 IANA zone, $4 line or null, $5 and $6 reasons and the codes
-- that prove them right. A delivery outranks a failure, and a failure what was only sent (domain/status.py).
with
  judged as (
    select d.*,
      case
        when m.delivered then 'passed'
        when m.failed then 'failed'
        when m.reached then 'passed'
        when s.state = 'failed' then 'failed'
      end as outcome,
      coalesce(m.code, case when s.state = 'failed' then s.outcome_code end) as code,
      array(select f.code from unnest($5::text[], $6::integer[]) as f (reason, code) where f.reason = d.reason)
        as foretold
    from {schema}.observed d
    left join {schema}.sends s using (send_id)
    left join lateral (
      select bool_or(p.delivered_at is not null) as delivered, bool_or(p.failed_at is not null) as failed,
        bool_or(p.reached is not null) as reached, max(p.failed_code) as code
      from {schema}.messages p
      where p.message_key in (select k.message_key from {schema}.messages k where k.send_id = d.send_id)
    ) m on true
    where d.decided_at >= $1::date::timestamp at time zone $3::text
      and d.decided_at < $2::date::timestamp at time zone $3
      and ($4::text is null or d.line = $4)
  ),
  found as (
    select j.*,
      case
        when j.verdict = 'refused' then 'refused'
        when j.verdict = 'observed' and j.outcome is null then 'undecided'
        when j.verdict = 'observed' and j.outcome = 'passed' then 'wrong'
        when j.verdict = 'observed' and j.code = any (j.foretold) then 'right'
        when j.verdict = 'observed' then 'failed'
        when j.outcome = 'failed' and j.code in (131047, 470) then 'missed'
        else 'allowed'
      end as found
    from judged j
  )

-- report --
select line, reason, caller, face, type,
  count(*) as sends,
  count(*) filter (where verdict = 'observed') as observed,
  count(*) filter (where found = 'right') as "right",
  count(*) filter (where found = 'wrong') as wrong,
  count(*) filter (where found = 'undecided') as undecided,
  count(*) filter (where found = 'failed') as failed,
  count(*) filter (where found = 'missed') as missed,
  count(*) filter (where found = 'allowed') as allowed,
  count(*) filter (where found = 'refused') as refused
from found
group by line, reason, caller, face, type
order by line, reason, caller, face, type

-- sends --
-- $7 what was found, $8 after, $9 limit.
select send_id, position, decided_at, line, caller, face, type, reason, found,
  case when outcome = 'failed' then code end as code
from found
where found = any ($7::text[]) and position > $8
order by position
limit $9
