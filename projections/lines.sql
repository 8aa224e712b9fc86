-- ddl --
create table if not exists {schema}.lines_v1 (
  line text collate "C" primary key,
  last_webhook_at timestamptz,
  last_send_at timestamptz
);
create or replace view {schema}.lines as
  select line, last_webhook_at, last_send_at from {schema}.lines_v1;

-- load line --
select line, last_webhook_at, last_send_at from {schema}.lines_v1 where line = any ($1::text[])

-- save line --
insert into {schema}.lines_v1
select r.* from unnest($1::{schema}.lines_v1[]) as r
on conflict (line) do update set (last_webhook_at, last_send_at)
  = row (excluded.last_webhook_at, excluded.last_send_at)

-- read --
-- A send is unknown until a status of it arrives, whatever its own events say.
select l.line, l.last_webhook_at, l.last_send_at, (
    select count(*) from {schema}.sends s
    where s.state = 'unknown' and s.line = l.line
      and not exists (select from {schema}.messages m where m.send_id = s.send_id)
  ) as unknown
from {schema}.lines l
