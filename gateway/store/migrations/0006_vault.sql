-- What lies in the media vault or is on its way there, so that nothing stays there that no event names.
create table {schema}.vault_objects (
  object uuid primary key,
  -- The dedupe key of the MessageReceived.
  message uuid not null,
  -- Whose key of which month opens it (person_keys).
  subject uuid not null,
  month integer not null,
  -- writing (until: when its writer counts as dead), kept, gone (until: when it is removed).
  state text not null,
  until timestamptz
);
create unique index vault_objects_writing on {schema}.vault_objects (message) where state = 'writing';
create index vault_objects_until on {schema}.vault_objects (until) where state <> 'kept';
create index vault_objects_subject on {schema}.vault_objects (subject, month) where state = 'kept';
