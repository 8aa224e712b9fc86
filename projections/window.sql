-- ddl --
create table if not exists {schema}.window_v2 (
  stream uuid primary key,
  version bigint not null,
  position bigint not null,
  line text collate "C",
  known_since bigint not null,
  opened_at bigint,
  opened_by text collate "C",
  confirmed_at bigint,
  refused_at bigint,
  refused_by text collate "C",
  changed_at bigint,
  free_entry_until bigint,
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
create or replace view {schema}.windows as
  select stream, version, position, line, known_since,
    opened_at, opened_by, confirmed_at, refused_at, refused_by, changed_at, free_entry_until,
    marketing_at, marketing_key, marketing, marketing_source,
    everything_at, everything_key, everything, everything_source, limited_at
  from {schema}.window_v2;

-- The row of each stream and what the stream holds behind it: one statement, so one moment. A function, for
-- its settings: a plan made while the log was small must not read a large one from end to end.
create or replace function {schema}.read_windows_2(streams uuid[]) returns table (
  stream uuid, version bigint, "position" bigint, line text, known_since bigint,
  opened_at bigint, opened_by text, confirmed_at bigint, refused_at bigint, refused_by text,
  changed_at bigint, free_entry_until bigint,
  marketing_at bigint, marketing_key text, marketing text, marketing_source text,
  everything_at bigint, everything_key text, everything text, everything_source text, limited_at bigint,
  notification_id bigint, originator_version bigint, topic text, state bytea
) language sql stable
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select s.stream, w.version, w.position, w.line, w.known_since,
    w.opened_at, w.opened_by, w.confirmed_at, w.refused_at, w.refused_by, w.changed_at, w.free_entry_until,
    w.marketing_at, w.marketing_key, w.marketing, w.marketing_source,
    w.everything_at, w.everything_key, w.everything, w.everything_source, w.limited_at,
    t.notification_id, t.originator_version, t.topic, t.state
  from unnest(streams) as s (stream)
  left join {schema}.windows w on w.stream = s.stream
  left join lateral (
    select e.notification_id, e.originator_version, e.topic, e.state
    from {schema}.stored_events e
    where e.originator_id = s.stream and e.originator_version > coalesce(w.version, 0)
  ) t on true
$$;

-- load window --
select stream, version, position, line, known_since,
  opened_at, opened_by, confirmed_at, refused_at, refused_by, changed_at, free_entry_until,
  marketing_at, marketing_key, marketing, marketing_source,
  everything_at, everything_key, everything, everything_source, limited_at
from {schema}.window_v2
where stream = any ($1::uuid[])

-- save window --
insert into {schema}.window_v2
select r.* from unnest($1::{schema}.window_v2[]) as r
on conflict (stream) do update set (
  version, position, line, known_since,
  opened_at, opened_by, confirmed_at, refused_at, refused_by, changed_at, free_entry_until,
  marketing_at, marketing_key, marketing, marketing_source,
  everything_at, everything_key, everything, everything_source, limited_at
) = row (
  excluded.version, excluded.position, excluded.line, excluded.known_since,
  excluded.opened_at, excluded.opened_by, excluded.confirmed_at,
  excluded.refused_at, excluded.refused_by, excluded.changed_at, excluded.free_entry_until,
  excluded.marketing_at, excluded.marketing_key, excluded.marketing, excluded.marketing_source,
  excluded.everything_at, excluded.everything_key, excluded.everything, excluded.everything_source,
  excluded.limited_at
)

-- read --
select stream, version, position, line, known_since,
  opened_at, opened_by, confirmed_at, refused_at, refused_by, changed_at, free_entry_until,
  marketing_at, marketing_key, marketing, marketing_source,
  everything_at, everything_key, everything, everything_source, limited_at,
  notification_id, originator_version, topic, state
from {schema}.read_windows_2($1)
