-- head --
select l.log_id, l.floor, greatest(l.floor, (select max(notification_id) from {schema}.stored_events)) as head
from {schema}.log_head l

-- page --
-- `commit` is the transaction that wrote the event, `before` the position of its stream's version before it.
select s.notification_id, s.originator_id, s.originator_version, s.topic, s.state,
  s.xmin::text as commit, p.notification_id as before
from {schema}.stored_events s
left join {schema}.stored_events p
  on p.originator_id = s.originator_id and p.originator_version = s.originator_version - 1
where s.notification_id > $1 and s.notification_id <= $2
order by s.notification_id
limit $3

-- keys --
select key, notification_id from {schema}.event_keys where key = any ($1::uuid[])

-- strays --
-- Keys without an event, and events with more than one key.
select k.notification_id as position, count(*) as keys, bool_or(s.notification_id is null) as is_alone
from {schema}.event_keys k
left join {schema}.stored_events s on s.notification_id = k.notification_id
group by k.notification_id
having count(*) > 1 or bool_or(s.notification_id is null)
order by k.notification_id

-- checkpoint --
select position from {schema}.projection_checkpoints where name = $1

-- scratch --
-- What the definitions of projections name beside their own tables.
create temporary view stored_events as select * from {schema}.stored_events

-- scratch tables --
-- The tables of this session, with the columns of their primary keys.
select c.relname as name, array_agg(a.attname order by a.attnum) as keys
from pg_catalog.pg_class c
join pg_catalog.pg_index i on i.indrelid = c.oid and i.indisprimary
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey)
where c.relnamespace = pg_catalog.pg_my_temp_schema() and c.relkind = 'r'
group by c.relname
order by c.relname

-- difference --
-- {table} and {keys} are names of our own.
select concat_ws(', ', {keys}) as row,
  case when a is null then 'is missing' when b is null then 'is too much' else 'differs' end as wrong
from {schema}.{table} a
full join pg_temp.{table} b using ({keys})
where a is distinct from b
order by 1

-- count --
select count(*) from pg_temp.{table}

-- accepted twice --
-- WhatsApp gives each message an id of its own: more ids than attempts are more messages than were ordered.
select s.position, s.send_id, s.dispatched, count(distinct m.message_key) as messages
from pg_temp.sends_v2 s
join pg_temp.messages_v1 m on m.send_id = s.send_id
group by s.send_id
having count(distinct m.message_key) > coalesce(s.dispatched, 0)
order by s.position
