-- ddl --
create table if not exists {schema}.parts (
  name text collate "C" not null,
  part bigint not null,
  position bigint not null,
  ends bigint not null,
  primary key (name, part)
)

-- alone --
-- Nobody else may begin or finish; parts are still taken and folded.
lock table {schema}.builds in share row exclusive mode

-- split --
-- $2 head, $3 size.
insert into {schema}.parts (name, part, position, ends)
select $1, p, p, least(p + $3::bigint, $2::bigint) from generate_series(0, $2::bigint - 1, $3::bigint) as p

-- patient --
-- A part is long between two statements, and nobody who serves waits for it.
set local idle_in_transaction_session_timeout = '10min'

-- next --
select part, position, ends from {schema}.parts
where name = $1 and position < ends
order by part
limit 1
for update skip locked

-- reached --
update {schema}.parts set position = $3 where name = $1 and part = $2

-- standing --
select (max(ends) - sum(ends - position))::bigint as folded, max(ends) as goal,
  count(*) filter (where position < ends) as parts,
  coalesce(min(position) filter (where position < ends), max(ends)) as first
from {schema}.parts
where name = $1

-- forget --
delete from {schema}.parts where name = $1

-- bare --
do $bare$
declare
  one record;
begin
  for one in
    select c.conname as name from pg_catalog.pg_constraint c
    where c.conrelid = '{schema}.{table}'::regclass and c.contype = 'p'
  loop
    execute format('alter table {schema}.{table} drop constraint %I', one.name);
  end loop;
  for one in
    select i.indexrelid::regclass as name from pg_catalog.pg_index i
    where i.indrelid = '{schema}.{table}'::regclass
  loop
    execute format('drop index %s', one.name);
  end loop;
end $bare$

-- roomy --
set local work_mem = '64MB';
set local maintenance_work_mem = '256MB'

-- doubled --
create temporary table doubled on commit drop as
select * from {schema}.{table}
join (select {keys} from {schema}.{table} group by {keys} having count(*) > 1) k using ({keys});
analyze doubled

-- is much --
select (select count(*) from doubled) * $1::int > (select count(*) from {schema}.{table})

-- take doubled --
delete from {schema}.{table} where ({keys}) in (select {keys} from doubled)

-- doubled in order --
select * from doubled order by {keys}

-- compact --
vacuum (full) {schema}.{table}

-- key --
alter table {schema}.{table} add primary key ({keys})
