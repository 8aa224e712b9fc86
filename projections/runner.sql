-- ddl --
create table if not exists {schema}.projection_checkpoints (
  name text collate "C" primary key,
  position bigint not null
);
create table if not exists {schema}.dead_letters (
  projection text collate "C" not null,
  position bigint not null,
  error text collate "C" not null,
  primary key (projection, position)
);

-- begin --
insert into {schema}.projection_checkpoints (name, position) values ($1, 0) on conflict (name) do nothing

-- position --
select position from {schema}.projection_checkpoints where name = $1

-- relax --
-- Tables and checkpoint are lost together or not at all, and made again from the log: no need to wait for the disk.
set local synchronous_commit = off

-- own --
select position from {schema}.projection_checkpoints where name = $1 for update skip locked

-- advance --
update {schema}.projection_checkpoints set position = $2 where name = $1

-- bury --
insert into {schema}.dead_letters (projection, position, error) values ($1, $2, $3)
on conflict (projection, position) do update set error = excluded.error

-- lag --
select c.name, c.position,
  (select count(*) from {schema}.dead_letters d where d.projection = c.name) as dead_letters
from {schema}.projection_checkpoints c
where c.name = any ($1::text[])
