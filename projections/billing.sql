-- hold --
-- Before the snapshot: else a rebuild could replace the tables in between, and the old moment see none of their rows.
lock table {schema}.counts_deliveries_v2, {schema}.counts_sends_v2 in access share mode

-- as of --
select position from {schema}.projection_checkpoints where name = $1

-- unread --
select count(*) from {schema}.dead_letters where projection = $1 and position <= $2

-- units --
-- What was delivered from $1 to before $2, in order: of all, or of the messages $3, or what may be a service message
-- of line $4. A group's message as a whole stands only where none of its participants is named.
select d.message_key, d.participant, d.delivered_at as at, coalesce(s.line, d.line) as line,
  case when d.market is null or (d.market like 'bsuid:%' and s.market not like 'bsuid:%')
    then coalesce(s.market, d.market) else d.market end as prefix,
  coalesce(s.send_id, d.send_id) as send_id, s.kind, coalesce(s.type, d.type, w.type) as type, s.category,
  s.template, s.caller,
  coalesce(s.accepted_at, s.unknown_at, d.delivered_at) < s.window_until as window_open,
  coalesce(d.in_free_entry, false) as in_free_entry,
  d.position, d.pricing_status, d.pricing_model, d.pricing_type, d.pricing_category, d.pricing_subtype,
  d.pricing_billable
from {schema}.counts_deliveries_v2 d
left join {schema}.counts_deliveries_v2 w
  on w.message_key = d.message_key and w.participant = '00000000-0000-0000-0000-000000000000'
left join {schema}.counts_sends_v2 s on s.send_id = coalesce(d.send_id, w.send_id, (
  select k.send_id from {schema}.counts_deliveries_v2 k
  where w.send_id is null and k.message_key = d.message_key and k.send_id is not null
  order by k.participant limit 1))
where d.delivered_at >= $1 and d.delivered_at < $2
  and ($3::uuid[] is null or d.message_key = any ($3))
  and ($4::text is null or (coalesce(s.line, d.line) = $4 and (
    s.kind = 'free_form' or 'service' = s.category
    or lower(d.pricing_category) in ('service', 'group_service', 'user_initiated'))))
  and (d.participant <> '00000000-0000-0000-0000-000000000000' or not exists (
    select from {schema}.counts_deliveries_v2 k
    where k.message_key = d.message_key and k.participant <> '00000000-0000-0000-0000-000000000000'
      and k.delivered_at is not null))
order by d.delivered_at, d.message_key, d.participant

-- accrued --
-- What WhatsApp took from $1 to before $2, counted by all that tells where it belongs; $3 is the IANA zone of days.
with taken as (
  select s.*, coalesce(s.accepted_at, s.unknown_at) as at
  from {schema}.counts_sends_v2 s
  where s.accepted and coalesce(s.accepted_at, s.unknown_at) >= $1 and coalesce(s.accepted_at, s.unknown_at) < $2
)
select min(t.at) as at, coalesce(t.line, p.line) as line,
  case when p.market is null or (p.market like 'bsuid:%' and t.market not like 'bsuid:%')
    then coalesce(t.market, p.market) else p.market end as prefix,
  t.kind, coalesce(t.type, p.type) as type, t.category, t.template, t.caller, p.pricing_category,
  count(*) as messages
from taken t
left join lateral (
  select d.line, d.market, d.type, d.pricing_category
  from {schema}.counts_deliveries_v2 d
  where d.send_id = t.send_id
  order by d.pricing_category is null, d.message_key, d.participant
  limit 1
) p on true
group by (to_timestamp(t.at) at time zone $3)::date, 2, 3, 4, 5, 6, 7, 8, 9
order by 1, 2, 3, 4, 5, 6, 7, 8, 9

-- taken --
-- Each send that WhatsApp took from $1 to before $2, told as above.
select coalesce(t.accepted_at, t.unknown_at) as at, coalesce(t.line, p.line) as line,
  case when p.market is null or (p.market like 'bsuid:%' and t.market not like 'bsuid:%')
    then coalesce(t.market, p.market) else p.market end as prefix,
  t.kind, coalesce(t.type, p.type) as type, t.category, t.template, t.caller, p.pricing_category,
  t.send_id, p.message_key
from {schema}.counts_sends_v2 t
left join lateral (
  select d.line, d.market, d.type, d.pricing_category, d.message_key
  from {schema}.counts_deliveries_v2 d
  where d.send_id = t.send_id
  order by d.pricing_category is null, d.message_key, d.participant
  limit 1
) p on true
where t.accepted and coalesce(t.accepted_at, t.unknown_at) >= $1 and coalesce(t.accepted_at, t.unknown_at) < $2
order by 1, t.send_id

-- undelivered --
-- Sends that WhatsApp took from $1 to before $2, not known to have been delivered or to have failed; of reactions it
-- reports no delivery.
select s.send_id, coalesce(s.accepted_at, s.unknown_at) as at, s.line, s.market as prefix, s.kind, s.type, s.category,
  s.template, s.caller
from {schema}.counts_sends_v2 s
where s.accepted and coalesce(s.accepted_at, s.unknown_at) >= $1 and coalesce(s.accepted_at, s.unknown_at) < $2
  and s.type is distinct from 'reaction'
  and not exists (select from {schema}.counts_deliveries_v2 k join {schema}.counts_deliveries_v2 d using (message_key)
    where k.send_id = s.send_id and d.delivered_at is not null)
  and not exists (select from {schema}.messages m where m.send_id = s.send_id and m.failed_at is not null)
order by 2, 1

-- delivered --
select min(delivered_at) as first, max(delivered_at) as last
from {schema}.counts_deliveries_v2
where message_key = any ($1::uuid[]) and delivered_at is not null
