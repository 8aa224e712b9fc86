-- hold --
-- Before the snapshot: else a rebuild could replace the tables in between, and the old moment see none of their rows.
lock table {schema}.observed, {schema}.sends, {schema}.messages in access share mode

-- as of --
select min(position) from {schema}.projection_checkpoints where name = any ($1::text[])

-- told --
-- $1 first and $2 exclusive last day, $3 IANA zone, $4 line or null. Each send that was let pass, with all that
-- became of it: a delivery outranks a failure, and a failure what was only sent (domain/status.py).
with
  decided as (
    select d.send_id, d.decided_at, d.line, d.caller, d.face, d.type
    from {schema}.observed d
    where d.verdict <> 'refused'
      and d.decided_at >= $1::date::timestamp at time zone $3::text
      and d.decided_at < $2::date::timestamp at time zone $3
      and ($4::text is null or d.line = $4)
  ),
  keys as (
    select distinct d.send_id, k.message_key from decided d join {schema}.messages k on k.send_id = d.send_id
  ),
  became as (
    select k.send_id, min(p.sent_at) as sent_at, min(p.delivered_at) as delivered_at, min(p.read_at) as read_at,
      bool_or(p.reached is not null) as reached, bool_or(p.accepted) as accepted,
      -- The first failure; of several at one time the one with the largest code.
      min(array[p.failed_at, -coalesce(p.failed_code, -1)]) filter (where p.failed_at is not null) as failed
    from keys k
    join {schema}.messages p on p.message_key = k.message_key
    group by k.send_id
  ),
  told as (
    select (d.decided_at at time zone $3)::date as day, d.line, d.caller, d.face, d.type,
      s.kind, s.category, s.template, s.market,
      m.sent_at, m.delivered_at, m.read_at, coalesce(m.reached, false) as reached,
      coalesce(m.accepted, false) or coalesce(s.accepted, false) as accepted,
      m.failed is not null as failed_later,
      case when s.outcome = 'accepted' then s.outcome_at end as dispatched_at,
      case when m.failed is not null then nullif(-m.failed[2], -1) else s.outcome_code end as code,
      case
        when m.delivered_at is not null then 'delivered'
        when m.failed is not null then 'failed'
        when m.reached then 'sent'
        when m.accepted or s.accepted then 'accepted'
        else coalesce(s.state, 'requested')
      end as state
    from decided d
    left join {schema}.sends s on s.send_id = d.send_id
    left join became m on m.send_id = d.send_id
  )

-- report --
-- $5 names to group by. The last row is the sum of all, however they are grouped.
, grouped as (
    select t.*,
      case when 'day' = any ($5::text[]) then t.day end as by_day,
      case when 'month' = any ($5) then date_trunc('month', t.day)::date end as by_month,
      case when 'line' = any ($5) then t.line end as by_line,
      case when 'caller' = any ($5) then t.caller end as by_caller,
      case when 'face' = any ($5) then t.face end as by_face,
      case when 'kind' = any ($5) then t.kind end as by_kind,
      case when 'type' = any ($5) then t.type end as by_type,
      case when 'category' = any ($5) then t.category end as by_category,
      case when 'template' = any ($5) then t.template end as by_template,
      case when 'market' = any ($5) then t.market end as by_market
    from told t
  )
select by_day as day, by_month as month, by_line as line, by_caller as caller, by_face as face, by_kind as kind,
  by_type as type, by_category as category, by_template as template, by_market as market,
  count(*) as sends,
  count(*) filter (where accepted) as accepted,
  count(*) filter (where reached) as sent,
  count(*) filter (where state = 'delivered') as delivered,
  count(*) filter (where read_at is not null) as read,
  count(*) filter (where state = 'failed') as failed,
  count(*) filter (where state = 'unknown') as unknown,
  count(*) filter (where state in ('accepted', 'sent')) as undelivered,
  count(*) filter (where failed_later and delivered_at is not null) as contradicted,
  percentile_disc(array[0.5, 0.9, 0.99]) within group (order by greatest(sent_at - dispatched_at, 0))
    filter (where dispatched_at is not null and sent_at is not null) as dispatch_to_sent,
  percentile_disc(array[0.5, 0.9, 0.99]) within group (order by greatest(delivered_at - sent_at, 0))
    filter (where sent_at is not null and delivered_at is not null) as sent_to_delivered
from grouped
group by grouping sets ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10), ())
order by grouping(by_day), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10

-- failures --
select line, code, count(*) as failed, count(*) filter (where not failed_later) as at_once
from told
where state = 'failed'
group by line, code
order by failed desc, line, code
