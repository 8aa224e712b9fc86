-- begin --
create schema if not exists {schema};
create table if not exists {schema}.migrations (number integer primary key, name text not null);

-- lock --
lock table {schema}.migrations in share row exclusive mode

-- patience --
-- All waits together are shorter than deadlock_timeout, so a reader who stands in our way never fails: we do.
set local lock_timeout = '100ms'

-- applied --
select number from {schema}.migrations

-- record --
insert into {schema}.migrations (number, name) values ($1, $2)

-- may make roles --
select rolsuper or rolcreaterole from pg_catalog.pg_roles where rolname = current_user

-- may take role --
select pg_catalog.pg_has_role($1::text, oid, 'SET') from pg_catalog.pg_roles where rolname = $2::text

-- role --
do $$
begin
  create role {grantee} nologin;
exception when duplicate_object or unique_violation then
  null; -- made for a log of the same name in another database
end $$

-- grants --
revoke execute on all functions in schema {schema} from public;
grant usage on schema {schema} to {grantee};
grant execute on all functions in schema {schema} to {grantee};
grant select, insert, update, delete on all tables in schema {schema} to {grantee};
revoke insert, update, delete on
  {schema}.stored_events, {schema}.event_keys, {schema}.log_head, {schema}.migrations from {grantee};
