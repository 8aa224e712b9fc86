-- as of --
select position from {schema}.projection_checkpoints where name = $1

-- units --
-- What was delivered from $1 to before $2, in order, or of it the messages $3; a group's message as a whole stands
-- only where none of its participants is named.
select d.message_key, d.participant, d.send_id, d.line, d.market, coalesce(d.type, w.type), d.delivered_at,
  d.pricing_model, d.pricing_type, d.pricing_category, d.pricing_subtype, d.pricing_billable,
  d.pricing_status, d.pricing_at, d.in_free_entry, d.position,
  s.send_id, s.line, s.caller, s.kind, s.type, s.template, s.category, s.market, s.accepted, s.accepted_at,
  s.unknown_at, s.window_until
from {schema}.counts_deliveries_v2 d
left join {schema}.counts_deliveries_v2 w
  on w.message_key = d.message_key and w.participant = '00000000-0000-0000-0000-000000000000'
left join {schema}.counts_sends_v2 s on s.send_id = coalesce(d.send_id, (
  select k.send_id from {schema}.counts_deliveries_v2 k
  where k.message_key = d.message_key and k.send_id is not null
  order by k.participant limit 1))
where d.delivered_at >= $1 and d.delivered_at < $2 and ($3::uuid[] is null or d.message_key = any ($3))
  and (d.participant <> '00000000-0000-0000-0000-000000000000' or not exists (
    select from {schema}.counts_deliveries_v2 k
    where k.message_key = d.message_key and k.participant <> '00000000-0000-0000-0000-000000000000' and k.delivered_at is not null))
order by d.delivered_at, d.message_key, d.participant

-- accrued --
-- What WhatsApp took from $1 to before $2, each with the first delivery that is known of it.
select s.send_id, s.line, s.caller, s.kind, s.type, s.template, s.category, s.market, s.accepted, s.accepted_at,
  s.unknown_at, s.window_until,
  p.message_key, p.participant, p.send_id, p.line, p.market, p.type, p.delivered_at,
  p.pricing_model, p.pricing_type, p.pricing_category, p.pricing_subtype, p.pricing_billable,
  p.pricing_status, p.pricing_at, p.in_free_entry, p.position
from {schema}.counts_sends_v2 s
left join lateral (
  select * from {schema}.counts_deliveries_v2 d
  where d.send_id = s.send_id
  order by d.pricing_category is null, d.message_key, d.participant
  limit 1
) p on true
where s.accepted and coalesce(s.accepted_at, s.unknown_at) >= $1 and coalesce(s.accepted_at, s.unknown_at) < $2
order by s.send_id

-- delivered --
select min(delivered_at) as first, max(delivered_at) as last
from {schema}.counts_deliveries_v2
where message_key = any ($1::uuid[]) and delivered_at is not null
