-- Who is whose, and the keys their data is sealed under. No identifier stands here: aliases are keyed hashes.
create table {schema}.directory (
  one boolean primary key default true check (one),
  pepper bytea not null,
  master_id text not null
);

-- Whatever data can belong to: a person, a group, a line, an account, or a single item that names nobody.
create table {schema}.people (
  person_id uuid primary key,
  root_id uuid not null,
  kind text not null,
  made bigint not null
);
create index people_root on {schema}.people (root_id);
create index people_made on {schema}.people (made);

create table {schema}.person_aliases (
  alias uuid primary key,
  kind text not null,
  person_id uuid not null
);
create index person_aliases_person on {schema}.person_aliases (person_id);

-- A key for each month (202611) of what was recorded; without it that month's content can't be read any more.
create table {schema}.person_keys (
  person_id uuid not null,
  month integer not null,
  wrapped bytea not null,
  master_id text not null,
  expires_at timestamptz,
  primary key (person_id, month)
);
create index person_keys_expires on {schema}.person_keys (expires_at) where expires_at is not null;

create table {schema}.conversations (
  conversation_id uuid primary key,
  line text not null,
  person_id uuid,
  group_key uuid
);
create index conversations_person on {schema}.conversations (person_id, line);
