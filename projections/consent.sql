-- ddl --
create table if not exists {schema}.consent_v1 (
  stream uuid primary key,
  version bigint not null,
  marketing_at bigint,
  marketing_key text collate "C",
  marketing text collate "C",
  marketing_source text collate "C",
  everything_at bigint,
  everything_key text collate "C",
  everything text collate "C",
  everything_source text collate "C",
  limited_at bigint
);
create or replace view {schema}.consents as
  select stream, version, marketing_at, marketing_key, marketing, marketing_source,
    everything_at, everything_key, everything, everything_source, limited_at
  from {schema}.consent_v1;

-- The row of each stream and what the stream holds behind it, as read_windows_1 does it (window.sql).
create or replace function {schema}.read_consents_1(streams uuid[]) returns table (
  stream uuid, version bigint, marketing_at bigint, marketing_key text, marketing text, marketing_source text,
  everything_at bigint, everything_key text, everything text, everything_source text, limited_at bigint,
  notification_id bigint, originator_version bigint, topic text, state bytea
) language sql stable
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select s.stream, c.version, c.marketing_at, c.marketing_key, c.marketing, c.marketing_source,
    c.everything_at, c.everything_key, c.everything, c.everything_source, c.limited_at,
    t.notification_id, t.originator_version, t.topic, t.state
  from unnest(streams) as s (stream)
  left join {schema}.consents c on c.stream = s.stream
  left join lateral (
    select e.notification_id, e.originator_version, e.topic, e.state
    from {schema}.stored_events e
    where e.originator_id = s.stream and e.originator_version > coalesce(c.version, 0)
  ) t on true
$$;

-- load consent --
select stream, version, marketing_at, marketing_key, marketing, marketing_source,
  everything_at, everything_key, everything, everything_source, limited_at
from {schema}.consent_v1
where stream = any ($1::uuid[])

-- save consent --
insert into {schema}.consent_v1
select r.* from unnest($1::{schema}.consent_v1[]) as r
on conflict (stream) do update set (
  version, marketing_at, marketing_key, marketing, marketing_source,
  everything_at, everything_key, everything, everything_source, limited_at
) = row (
  excluded.version, excluded.marketing_at, excluded.marketing_key, excluded.marketing,
  excluded.marketing_source, excluded.everything_at, excluded.everything_key, excluded.everything,
  excluded.everything_source, excluded.limited_at
)

-- read --
select stream, version, marketing_at, marketing_key, marketing, marketing_source,
  everything_at, everything_key, everything, everything_source, limited_at,
  notification_id, originator_version, topic, state
from {schema}.read_consents_1($1)
