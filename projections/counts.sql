-- ddl --
create table if not exists {schema}.counts_sends_v2 (
  send_id uuid primary key,
  line text collate "C",
  caller text collate "C",
  kind text collate "C",
  type text collate "C",
  template text collate "C",
  category text collate "C",
  market text collate "C",
  accepted boolean,
  accepted_at bigint,
  unknown_at bigint,
  window_until bigint
);
create index if not exists counts_sends_v2_dispatched
  on {schema}.counts_sends_v2 (coalesce(accepted_at, unknown_at)) where accepted;

create table if not exists {schema}.counts_deliveries_v2 (
  message_key uuid not null,
  participant uuid not null,
  send_id uuid,
  line text collate "C",
  market text collate "C",
  type text collate "C",
  delivered_at bigint,
  pricing_model text collate "C",
  pricing_type text collate "C",
  pricing_category text collate "C",
  pricing_subtype text collate "C",
  pricing_billable boolean,
  pricing_status text collate "C",
  pricing_at bigint,
  in_free_entry boolean,
  position bigint not null,
  primary key (message_key, participant)
);
create index if not exists counts_deliveries_v2_delivered on {schema}.counts_deliveries_v2 (delivered_at);
create index if not exists counts_deliveries_v2_send on {schema}.counts_deliveries_v2 (send_id)
  where send_id is not null;

create or replace view {schema}.counts_sends as
  select send_id, line, caller, kind, type, template, category, market, accepted,
    coalesce(accepted_at, unknown_at) as dispatched_at
  from {schema}.counts_sends_v2;
create or replace view {schema}.counts_deliveries as
  select message_key, participant, send_id, line, market, type, delivered_at,
    pricing_model, pricing_type, pricing_category, pricing_subtype, pricing_billable
  from {schema}.counts_deliveries_v2;

-- load send --
select send_id, line, caller, kind, type, template, category, market, accepted, accepted_at, unknown_at,
  window_until
from {schema}.counts_sends_v2
where send_id = any ($1::uuid[])

-- save send --
insert into {schema}.counts_sends_v2
select r.* from unnest($1::{schema}.counts_sends_v2[]) as r
on conflict (send_id) do update set (
  line, caller, kind, type, template, category, market, accepted, accepted_at, unknown_at,
  window_until
) = row (
  excluded.line, excluded.caller, excluded.kind, excluded.type, excluded.template,
  excluded.category, excluded.market, excluded.accepted, excluded.accepted_at, excluded.unknown_at,
  excluded.window_until
)

-- load delivery --
select d.message_key, d.participant, d.send_id, d.line, d.market, d.type, d.delivered_at,
  d.pricing_model, d.pricing_type, d.pricing_category, d.pricing_subtype, d.pricing_billable,
  d.pricing_status, d.pricing_at, d.in_free_entry, d.position
from {schema}.counts_deliveries_v2 d
join unnest($1::uuid[], $2::uuid[]) as k (message_key, participant) using (message_key, participant)

-- save delivery --
insert into {schema}.counts_deliveries_v2
select r.* from unnest($1::{schema}.counts_deliveries_v2[]) as r
on conflict (message_key, participant) do update set (
  send_id, line, market, type, delivered_at,
  pricing_model, pricing_type, pricing_category, pricing_subtype, pricing_billable,
  pricing_status, pricing_at, in_free_entry, position
) = row (
  excluded.send_id, excluded.line, excluded.market, excluded.type, excluded.delivered_at,
  excluded.pricing_model, excluded.pricing_type, excluded.pricing_category, excluded.pricing_subtype,
  excluded.pricing_billable, excluded.pricing_status, excluded.pricing_at,
  excluded.in_free_entry, excluded.position
)

-- hold --
-- Before the snapshot: else a rebuild could replace the tables in between, and the old moment see none of their rows.
lock table {schema}.counts_sends, {schema}.counts_deliveries in access share mode

-- as of --
select position from {schema}.projection_checkpoints where name = $1

-- report --
-- $1 first and $2 exclusive last day, $3 IANA zone, $4 line or null, $5 names to group by.
with
  bounds as (
    select extract(epoch from $1::date::timestamp at time zone $3)::bigint as first,
      extract(epoch from $2::date::timestamp at time zone $3)::bigint as last
  ),
  -- One row for each message and participant delivered, and one for each send accepted.
  happened as (
    select d.delivered_at as at,
      coalesce(d.send_id, (
        select k.send_id from {schema}.counts_deliveries k
        where k.message_key = d.message_key and k.send_id is not null
        order by k.participant limit 1)) as send_id,
      d.line, d.market, d.type, d.pricing_model, d.pricing_type, d.pricing_category, d.pricing_subtype,
      d.pricing_billable, 0 as accrued, 1 as delivered
    from bounds b
    join {schema}.counts_deliveries d on d.delivered_at >= b.first and d.delivered_at < b.last
    union all
    select s.dispatched_at, s.send_id,
      p.line, p.market, p.type, p.pricing_model, p.pricing_type, p.pricing_category, p.pricing_subtype,
      p.pricing_billable, 1, 0
    from bounds b
    join {schema}.counts_sends s on s.accepted and s.dispatched_at >= b.first and s.dispatched_at < b.last
    left join lateral (
      select d.line, d.market, d.type, d.pricing_model, d.pricing_type, d.pricing_category,
        d.pricing_subtype, d.pricing_billable
      from {schema}.counts_deliveries d
      where d.send_id = s.send_id
      order by d.pricing_category is null, d.message_key, d.participant
      limit 1
    ) p on true
  ),
  told as (
    select (to_timestamp(h.at) at time zone $3)::date as day,
      coalesce(s.line, h.line) as line,
      coalesce(h.market, s.market) as market,
      coalesce(s.category, h.pricing_category, case when s.kind = 'free_form' then 'service' end) as category,
      coalesce(s.type, h.type) as type,
      s.template, s.caller,
      h.pricing_model, h.pricing_type, h.pricing_category, h.accrued, h.delivered,
      case when h.delivered = 0 then false
        when h.pricing_type is null then coalesce(h.pricing_billable, false)
        else h.pricing_type = 'regular' and h.pricing_subtype is distinct from 'paid_exempt'
      end as is_billable,
      h.pricing_type is not null or h.pricing_billable is not null as is_priced
    from happened h
    left join {schema}.counts_sends s on s.send_id = h.send_id
  )
select
  case when 'day' = any ($5::text[]) then t.day end as day,
  case when 'month' = any ($5) then date_trunc('month', t.day)::date end as month,
  case when 'line' = any ($5) then t.line end as line,
  case when 'market' = any ($5) then t.market end as market,
  case when 'category' = any ($5) then t.category end as category,
  case when 'type' = any ($5) then t.type end as type,
  case when 'template' = any ($5) then t.template end as template,
  case when 'caller' = any ($5) then t.caller end as caller,
  case when 'pricing_model' = any ($5) then t.pricing_model end as pricing_model,
  case when 'pricing_type' = any ($5) then t.pricing_type end as pricing_type,
  case when 'pricing_category' = any ($5) then t.pricing_category end as pricing_category,
  sum(t.accrued) as accrued,
  sum(t.delivered) as delivered,
  count(*) filter (where t.is_billable) as billable_whatsapp,
  count(*) filter (where t.delivered = 1 and t.is_priced and not t.is_billable) as free
from told t
where $4::text is null or t.line = $4
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
order by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
