-- lock --
-- Before the snapshot: else a rebuild could replace the table in between, and the old moment see none of its rows.
lock table {schema}.{table} in access share mode

-- format --
set local timezone = 'UTC';
set local datestyle = 'ISO, YMD';
set local extra_float_digits = 1

-- position --
select position from {schema}.projection_checkpoints where name = $1

-- keys --
select array_agg(a.attname::text order by a.attnum)
from pg_catalog.pg_index i
join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
where i.indrelid = '{schema}.{table}'::regclass and i.indisprimary

-- rows --
select * from {schema}.{table} order by {keys}
