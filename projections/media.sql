-- ddl --
create table if not exists {schema}.media_v1 (
  message uuid primary key,
  line text collate "C",
  position bigint,
  at_used bigint,
  outcome_position bigint,
  kept boolean,
  media_key uuid
);
create index if not exists media_v1_wanted on {schema}.media_v1 (line, at_used) where outcome_position is null;
create index if not exists media_v1_key on {schema}.media_v1 (media_key) where kept;
create or replace view {schema}.media as
  select message, line, position, at_used, outcome_position, kept, media_key
  from {schema}.media_v1;

-- load media --
select * from {schema}.media_v1 where message = any ($1::uuid[])

-- save media --
insert into {schema}.media_v1
select r.* from unnest($1::{schema}.media_v1[]) as r
on conflict (message) do update set (line, position, at_used, outcome_position, kept, media_key) = row (
  excluded.line, excluded.position, excluded.at_used,
  excluded.outcome_position, excluded.kept, excluded.media_key
)

-- wanted --
-- $1 lines, $2 the oldest time in Unix seconds, $3 messages that are in hand, $4 how many.
select message, line, position, at_used
from {schema}.media
where line = any ($1::text[]) and at_used >= $2 and outcome_position is null and position is not null
  and message <> all ($3::uuid[])
order by at_used, position
limit $4

-- kept --
select line, position, outcome_position
from {schema}.media
where media_key = $1 and kept and position is not null
order by position
