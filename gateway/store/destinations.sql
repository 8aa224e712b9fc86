-- all --
select * from {schema}.destinations order by created_at, name

-- one --
select * from {schema}.destinations where id = $1

-- locked --
select * from {schema}.destinations where id = $1 for update

-- named --
select id from {schema}.destinations where name = $1

-- add --
insert into {schema}.destinations
  (id, name, url, format, lines, topics, types, sources, state, reason, revision, created_at, sealed, master_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $12, $13)

-- begin --
insert into {schema}.delivery_cursors (destination, partition, position)
select $1, partition, $2 from {schema}.delivery_partitions

-- change --
update {schema}.destinations
set name = $2, url = $3, format = $4, lines = $5, topics = $6, types = $7, sources = $8, state = $9, reason = $10,
  sealed = $11, master_id = $12, revision = revision + 1, failing_since = null, next_at = null
where id = $1

-- remove --
-- Its cursors are locked first, in the order of those who advance them.
delete from {schema}.destinations where id = $1 and array(
  select partition from {schema}.delivery_cursors where destination = $1 order by partition for update
) is not null

-- touch --
update {schema}.destinations set revision = revision + 1 where id = $1

-- back to --
update {schema}.delivery_cursors set back_to = least(back_to, $2) where destination = $1 and array(
  select partition from {schema}.delivery_cursors where destination = $1 order by partition for update
) is not null

-- revive --
update {schema}.delivery_parked
set state = 'waiting', attempts = 0, parked_at = $2, next_at = $2
where destination = $1 and state = 'dead'

-- hasten --
update {schema}.delivery_parked set parked_at = $2, next_at = $2, attempts = least(attempts, 1)
where destination = $1 and state = 'waiting'

-- progress --
select partition, least(position, back_to) as position, delivered, skipped, rate, noted_at, last_success, answers
from {schema}.delivery_cursors where destination = $1

-- overview --
select d.name, d.state, coalesce(c.position, 0) as position, coalesce(p.parked, 0) as parked, coalesce(p.dead, 0) as dead
from {schema}.destinations d
left join (
  select destination, min(least(position, back_to)) as position from {schema}.delivery_cursors group by destination
) c on c.destination = d.id
left join (
  select destination, count(*) filter (where state = 'waiting') as parked, count(*) filter (where state = 'dead') as dead
  from {schema}.delivery_parked group by destination
) p on p.destination = d.id

-- parked counts --
select state, count(*) as count, min(next_at) as next_at from {schema}.delivery_parked
where destination = $1 group by state

-- failing --
select failing_since, next_at from {schema}.destinations where id = $1
