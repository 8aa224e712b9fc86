-- hold --
-- Before the snapshot: else a rebuild could replace the tables in between, and the old moment see none of their rows.
lock table {schema}.observed, {schema}.sends in access share mode

-- as of --
select min(position) from {schema}.projection_checkpoints where name = any ($1::text[])

-- report --
-- $1 first and $2 exclusive last day, $3 IANA zone, $4 line or null, $5 names to group by.
with
  decided as (
    select (d.decided_at at time zone $3::text)::date as day, d.line, d.reason, d.caller, d.face, d.type,
      s.kind, s.category, s.template, s.market, s.stream
    from {schema}.observed d
    left join {schema}.sends s using (send_id)
    where d.verdict = 'refused'
      and d.decided_at >= $1::date::timestamp at time zone $3
      and d.decided_at < $2::date::timestamp at time zone $3
      and ($4::text is null or d.line = $4)
  )
select
  case when 'day' = any ($5::text[]) then d.day end as day,
  case when 'month' = any ($5) then date_trunc('month', d.day)::date end as month,
  case when 'line' = any ($5) then d.line end as line,
  d.reason,
  case when 'caller' = any ($5) then d.caller end as caller,
  case when 'face' = any ($5) then d.face end as face,
  case when 'kind' = any ($5) then d.kind end as kind,
  case when 'type' = any ($5) then d.type end as type,
  case when 'category' = any ($5) then d.category end as category,
  case when 'template' = any ($5) then d.template end as template,
  case when 'market' = any ($5) then d.market end as market,
  count(*) as refused,
  count(distinct d.stream) as conversations
from decided d
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
order by refused desc, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11

-- totals --
select count(*) as decided,
  count(*) filter (where d.verdict = 'refused') as refused,
  count(distinct s.stream) filter (where d.verdict = 'refused') as conversations
from {schema}.observed d
left join {schema}.sends s using (send_id)
where d.decided_at >= $1::date::timestamp at time zone $3::text
  and d.decided_at < $2::date::timestamp at time zone $3
  and ($4::text is null or d.line = $4)
