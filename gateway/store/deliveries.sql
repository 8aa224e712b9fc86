-- renew --
-- In one statement: a busy gateway may wait for each.
with heard as (
  insert into {schema}.delivery_owners (owner, until) values ($1, clock_timestamp() + $2::interval)
  on conflict (owner) do update set until = excluded.until
), buried as (
  delete from {schema}.delivery_owners where owner <> $1 and until < clock_timestamp() - interval '1 minute'
), ours as (
  update {schema}.delivery_partitions set until = clock_timestamp() + $2::interval
  where owner = $1 returning partition
)
select (select coalesce(array_agg(partition), '{}') from ours) as ours,
  (select count(*) + 1 from {schema}.delivery_owners where owner <> $1 and until > clock_timestamp()) as owners

-- take --
update {schema}.delivery_partitions set owner = $1, until = clock_timestamp() + $2::interval
where partition in (
  select partition from {schema}.delivery_partitions
  where owner is null or until < clock_timestamp()
  order by partition limit $3 for update skip locked
)
returning partition

-- release --
update {schema}.delivery_partitions set owner = null, until = '-infinity'
where owner = $1 and partition = any ($2::integer[])

-- leave --
delete from {schema}.delivery_owners where owner = $1

-- go back --
-- Only by whom the partition is leased to: anybody else's lane would run on and undo it.
with ours as (
  select c.partition, c.back_to from {schema}.delivery_cursors c
  join {schema}.delivery_partitions p on p.partition = c.partition and p.owner = $3
  where c.destination = $1 and c.partition = any ($2::integer[]) and c.back_to is not null
  order by c.partition for update of c
), unparked as (
  delete from {schema}.delivery_parked p using ours
  where p.destination = $1 and p.partition = ours.partition and p.position > ours.back_to
)
update {schema}.delivery_cursors c set position = least(c.position, ours.back_to), back_to = null
from ours where c.destination = $1 and c.partition = ours.partition

-- cursors --
select partition, position, answers from {schema}.delivery_cursors
where destination = $1 and partition = any ($2::integer[])

-- parked --
select position, partition, conversation, attempts, parked_at, next_at from {schema}.delivery_parked
where destination = $1 and partition = any ($2::integer[]) and state = 'waiting'
order by position

-- advance --
-- Only for whom the partition is leased to.
update {schema}.delivery_cursors c
set position = greatest(c.position, u.position), delivered = c.delivered + u.delivered,
  skipped = c.skipped + u.skipped, rate = u.rate, noted_at = $2,
  last_success = greatest(c.last_success, u.last_success), answers = u.answers
from unnest($3::uuid[], $4::integer[], $5::bigint[], $6::integer[], $7::integer[], $8::real[],
    $9::timestamptz[], $10::text[])
  as u (destination, partition, position, delivered, skipped, rate, last_success, answers)
where c.destination = u.destination and c.partition = u.partition
  and exists (select from {schema}.delivery_partitions p where p.partition = u.partition and p.owner = $1)
  -- Locked in one order by all who lock many, or a removal at the same time could be a deadlock.
  and array(
    select h.partition from {schema}.delivery_cursors h
    join unnest($3::uuid[], $4::integer[]) as w (destination, partition) using (destination, partition)
    order by h.destination, h.partition for update of h
  ) is not null

-- park --
insert into {schema}.delivery_parked
  (destination, position, partition, conversation, state, attempts, parked_at, next_at, answer)
select $2, $3, p.partition, $5, 'waiting', $6, $7, $8, $9
from {schema}.delivery_partitions p where p.partition = $4 and p.owner = $1
on conflict (destination, position) do update
set state = 'waiting', attempts = excluded.attempts, next_at = excluded.next_at, answer = excluded.answer
returning position

-- failed again --
update {schema}.delivery_parked set attempts = $3, next_at = $4, answer = $5 where destination = $1 and position = $2

-- bury --
update {schema}.delivery_parked set state = 'dead', attempts = $3, answer = $4 where destination = $1 and position = $2

-- unpark --
delete from {schema}.delivery_parked where destination = $1 and position = $2

-- state --
select failing_since, (select max(last_success) from {schema}.delivery_cursors where destination = $1) as last_success
from {schema}.destinations where id = $1

-- failing --
update {schema}.destinations set failing_since = coalesce(failing_since, $2), next_at = $3 where id = $1

-- recovered --
update {schema}.destinations set failing_since = null, next_at = null where id = $1 and failing_since is not null

-- revisions --
select id, revision from {schema}.destinations where state = 'active'
