-- ddl --
create table if not exists {schema}.templates_v2 (
  account text collate "C" not null,
  name text collate "C" not null,
  language text collate "C" not null,
  status_at bigint,
  status_key text collate "C",
  status text collate "C",
  reason text collate "C",
  category_at bigint,
  category_key text collate "C",
  category text collate "C",
  quality_at bigint,
  quality_key text collate "C",
  quality text collate "C",
  first_category_at bigint,
  first_category_key text collate "C",
  first_category text collate "C",
  definition_at bigint,
  definition_key text collate "C",
  definition text collate "C",
  definition_position bigint,
  primary key (account, name, language)
);
create or replace view {schema}.templates as
  select account, name, language, status_at, status_key, status, reason,
    category_at, category_key, category, quality_at, quality_key, quality,
    first_category_at, first_category_key, first_category,
    definition_at, definition_key, definition, definition_position
  from {schema}.templates_v2;

-- load template --
select t.*
from {schema}.templates_v2 t
join unnest($1::text[], $2::text[], $3::text[]) as k (account, name, language) using (account, name, language)

-- read --
select * from {schema}.templates
order by account, name, language

-- read named --
select * from {schema}.templates
where name = $1 and language = $2
order by account

-- save template --
insert into {schema}.templates_v2
select r.* from unnest($1::{schema}.templates_v2[]) as r
on conflict (account, name, language) do update set (
  status_at, status_key, status, reason, category_at, category_key, category,
  quality_at, quality_key, quality,
  first_category_at, first_category_key, first_category,
  definition_at, definition_key, definition, definition_position
) = row (
  excluded.status_at, excluded.status_key, excluded.status, excluded.reason,
  excluded.category_at, excluded.category_key, excluded.category,
  excluded.quality_at, excluded.quality_key, excluded.quality,
  excluded.first_category_at, excluded.first_category_key, excluded.first_category,
  excluded.definition_at, excluded.definition_key, excluded.definition, excluded.definition_position
)
