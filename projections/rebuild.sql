-- begin --
create schema if not exists {scratch};
create table if not exists {scratch}.builds (name text collate "C" primary key, maker text not null)

-- maker --
select maker from {scratch}.builds where name = $1

-- made by --
insert into {scratch}.builds (name, maker) values ($1, $2)
on conflict (name) do update set maker = excluded.maker

-- forget --
delete from {scratch}.projection_checkpoints where name = $1

-- forget maker --
delete from {scratch}.builds where name = $1

-- drop --
drop table if exists {scratch}.{table}

-- rights --
-- Owner and rights of the table that serves, for the one that is to take its place.
do $rights$
declare
  serving pg_catalog.pg_class;
  given record;
begin
  select c.* into serving from pg_catalog.pg_class c where c.oid = pg_catalog.to_regclass('{schema}.{table}');
  for given in
    select case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee, a.privilege_type
    from pg_catalog.aclexplode(serving.relacl) a
    where a.grantee <> serving.relowner
  loop
    execute format('grant %s on {scratch}.{table} to %s', given.privilege_type, given.grantee);
  end loop;
  if pg_catalog.pg_get_userbyid(serving.relowner) <> current_user then
    execute format('alter table {scratch}.{table} owner to %s', serving.relowner::regrole);
  end if;
end $rights$

-- analyze --
analyze {scratch}.{table}

-- patience --
-- All waits together are shorter than deadlock_timeout, so a reader who stands in our way never fails: we do.
set local lock_timeout = '100ms'

-- hold --
select position from {schema}.projection_checkpoints where name = $1 for update

-- old --
create schema if not exists {old}

-- swap --
drop table if exists {old}.{table};
alter table {schema}.{table} set schema {old};
alter table {scratch}.{table} set schema {schema}

-- settle --
delete from {schema}.dead_letters where projection = $1 and position <= $2

-- drop old --
drop table if exists {old}.{table}

-- leave --
do $leave$
begin
  drop schema if exists {old} restrict;
exception when dependent_objects_still_exist then
  null; -- other projections have theirs there
end $leave$

-- kept --
select c.relname from pg_catalog.pg_class c
where c.relnamespace = pg_catalog.to_regnamespace('{old}') and c.relname = any ($1::text[]) and c.relkind = 'r'
order by c.relname

-- keys --
select array_agg(a.attname::text order by a.attnum)
from pg_catalog.pg_index i
join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
where i.indrelid = '{schema}.{table}'::regclass and i.indisprimary

-- difference --
select pg_catalog.concat_ws(', ', {keys}) as row,
  case when a is null then 'missing' when b is null then 'extra' else 'different' end as found
from {schema}.{table} a
full join {scratch}.{table} b using ({keys})
where a is distinct from b
order by {keys}
