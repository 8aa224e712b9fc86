-- hold --
-- Before the snapshot: else a rebuild could replace the tables in between, and the old moment see none of their rows.
lock table {schema}.observed, {schema}.sends, {schema}.messages in access share mode

-- roomy --
-- A month of sends is joined and grouped in memory rather than on the disk.
set local work_mem = '64MB'

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
  -- All rows of a message belong to the send that one of them names.
  parts as (
    select d.send_id, p.sent_at, p.delivered_at, p.read_at, p.failed_at, p.failed_code, p.reached, p.accepted
    from decided d
    join {schema}.messages p on p.send_id = d.send_id
    union all
    select d.send_id, p.sent_at, p.delivered_at, p.read_at, p.failed_at, p.failed_code, p.reached, p.accepted
    from decided d
    join {schema}.messages k on k.send_id = d.send_id
    join {schema}.messages p on p.message_key = k.message_key and p.send_id is null and p.direction = 'outbound'
  ),
  became as (
    select p.send_id, min(p.sent_at) as sent_at, min(p.delivered_at) as delivered_at, min(p.read_at) as read_at,
      bool_or(p.reached is not null) as reached, bool_or(p.accepted) as accepted,
      -- The first failure; of several at one time the one with the largest code.
      min(array[p.failed_at, -coalesce(p.failed_code, -1)]) filter (where p.failed_at is not null) as failed
    from parts p
    group by p.send_id
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
-- $5 names to group by. Sends that are alike in what is counted, once; and how many took so many seconds, twice.
, grouped as (
    select
      case when 'day' = any ($5::text[]) then t.day end as day,
      case when 'month' = any ($5) then date_trunc('month', t.day)::date end as month,
      case when 'line' = any ($5) then t.line end as line,
      case when 'caller' = any ($5) then t.caller end as caller,
      case when 'face' = any ($5) then t.face end as face,
      case when 'kind' = any ($5) then t.kind end as kind,
      case when 'type' = any ($5) then t.type end as type,
      case when 'category' = any ($5) then t.category end as category,
      case when 'template' = any ($5) then t.template end as template,
      case when 'market' = any ($5) then t.market end as market,
      t.state, t.accepted, t.reached, t.read_at is not null as read, t.failed_later,
      case when t.state = 'failed' then t.line end as failed_line,
      case when t.state = 'failed' then t.code end as code,
      case when t.sent_at < t.dispatched_at then 0 else t.sent_at - t.dispatched_at end as dispatch_to_sent,
      case when t.delivered_at < t.sent_at then 0 else t.delivered_at - t.sent_at end as sent_to_delivered
    from told t
  )
select day, month, line, caller, face, kind, type, category, template, market,
  state, accepted, reached, read, failed_later, failed_line, code, dispatch_to_sent, sent_to_delivered,
  count(*) as sends
from grouped
group by day, month, line, caller, face, kind, type, category, template, market, grouping sets (
  (state, accepted, reached, read, failed_later, failed_line, code), (dispatch_to_sent), (sent_to_delivered))
