-- ddl --
create table if not exists {schema}.lines_v2 (
  line text collate "C" primary key,
  last_webhook_at timestamptz,
  last_send_at timestamptz,
  last_webhook bigint
);
create or replace view {schema}.lines as
  select line, last_webhook_at, last_send_at, last_webhook from {schema}.lines_v2;

-- load line --
select line, last_webhook_at, last_send_at, last_webhook
from {schema}.lines_v2
where line = any ($1::text[])

-- save line --
insert into {schema}.lines_v2
select r.* from unnest($1::{schema}.lines_v2[]) as r
on conflict (line) do update set (last_webhook_at, last_send_at, last_webhook)
  = row (excluded.last_webhook_at, excluded.last_send_at, excluded.last_webhook)

-- read --
-- $1 name of the checkpoint, $2 how far it may be behind the head for sends to count as unanswered.
-- A send is unknown until a status of it arrives, whatever its own events say.
select l.line, l.last_webhook_at, l.last_send_at, (
    select count(*) from {schema}.sends s
    where s.state = 'unknown' and s.line = l.line
      and not exists (select from {schema}.messages m where m.send_id = s.send_id)
  ) as unknown, (
    select s.requested_at from {schema}.sends s
    where s.line = l.line and s.position > coalesce(l.last_webhook, 0) and s.state = 'accepted'
      and (select max(e.notification_id) from {schema}.stored_events e)
        <= $2 + (select c.position from {schema}.projection_checkpoints c where c.name = $1)
    order by s.position
    limit 1
  ) as unanswered_since
from {schema}.lines l
