-- Internal systems to which events are delivered. Secrets and headers are sealed with the master key.
create table {schema}.destinations (
  id uuid primary key,
  name text not null unique,
  url text not null,
  format text not null,
  lines text[] not null,
  topics text[] not null,
  types text[] not null,
  sources text[] not null,
  state text not null,
  reason text,
  revision bigint not null,
  created_at timestamptz not null,
  sealed bytea not null,
  master_id text not null,
  -- The destination as a whole: since when it takes nothing, and when it is tried again.
  failing_since timestamptz,
  next_at timestamptz
);

-- The log is cut by conversation into partitions; whoever renews a lease delivers that part, for all destinations.
create table {schema}.delivery_partitions (
  partition integer primary key,
  owner uuid,
  until timestamptz not null
);
insert into {schema}.delivery_partitions (partition, until) select p, '-infinity' from generate_series(0, 15) p;

-- Who could own partitions: each takes its share.
create table {schema}.delivery_owners (
  owner uuid primary key,
  until timestamptz not null
);

-- Up to where each destination has everything of a partition, but for what is parked.
create table {schema}.delivery_cursors (
  destination uuid not null references {schema}.destinations (id) on delete cascade,
  partition integer not null,
  position bigint not null,
  -- Ordered to be delivered again after this position: done by whoever owns the partition, when it begins.
  back_to bigint,
  delivered bigint not null default 0,
  skipped bigint not null default 0,
  rate real not null default 0,
  noted_at timestamptz,
  last_success timestamptz,
  answers text not null default '[]',
  primary key (destination, partition)
) with (fillfactor = 50);

-- What could not be delivered, and what waits behind it in the same conversation.
create table {schema}.delivery_parked (
  destination uuid not null references {schema}.destinations (id) on delete cascade,
  position bigint not null,
  partition integer not null,
  conversation uuid not null,
  state text not null,
  attempts integer not null,
  parked_at timestamptz not null,
  next_at timestamptz not null,
  answer text,
  primary key (destination, position)
);
create index on {schema}.delivery_parked (destination, state, next_at);
