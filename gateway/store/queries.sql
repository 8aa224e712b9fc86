-- take role --
select pg_catalog.set_config('role', rolname, false) from pg_catalog.pg_roles
where rolname = $1 and pg_catalog.pg_has_role(oid, 'SET')

-- append --
select current_epoch, outcomes, versions, positions
from {schema}.append_events_1($1, $2, $3, $4, $5, $6, $7)

-- append together --
select versions, positions from {schema}.append_together_1($1, $2, $3, $4, $5, $6)

-- next epoch --
select {schema}.next_epoch_1()

-- after --
select notification_id, originator_id, originator_version, topic, state
from {schema}.stored_events
where notification_id > $1
order by notification_id
limit $2

-- between --
select notification_id, originator_id, originator_version, topic, state
from {schema}.stored_events
where notification_id > $1 and notification_id <= $2 and topic <> all ($3::text[])
order by notification_id

-- count between --
select count(*) from {schema}.stored_events where notification_id > $1 and notification_id <= $2

-- streams --
select notification_id, originator_id, originator_version, topic, state
from {schema}.stored_events
where originator_id = any ($1::uuid[]) and notification_id > $2
order by notification_id
limit $3

-- events at --
select notification_id, originator_id, originator_version, topic, state
from {schema}.stored_events
where notification_id = any ($1::bigint[])
order by notification_id

-- by keys --
select k.key, s.notification_id, s.originator_id, s.originator_version, s.topic, s.state
from {schema}.event_keys k
join {schema}.stored_events s on s.notification_id = k.notification_id
where k.key = any ($1::uuid[])

-- head --
select greatest(l.floor, (select max(notification_id) from {schema}.stored_events)) from {schema}.log_head l

-- identity --
select log_id, epoch from {schema}.log_head

-- notify --
select pg_catalog.pg_notify('stored_events', log_id::text) from {schema}.log_head
