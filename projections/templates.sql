-- ddl --
create table if not exists {schema}.templates_v1 (
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
  primary key (account, name, language)
);
create or replace view {schema}.templates as
  select account, name, language, status_at, status_key, status, reason,
    category_at, category_key, category, quality_at, quality_key, quality
  from {schema}.templates_v1;

-- load template --
select t.account, t.name, t.language, t.status_at, t.status_key, t.status, t.reason,
  t.category_at, t.category_key, t.category, t.quality_at, t.quality_key, t.quality
from {schema}.templates_v1 t
join unnest($1::text[], $2::text[], $3::text[]) as k (account, name, language) using (account, name, language)

-- read --
select account, name, language, status_at, status_key, status, reason,
  category_at, category_key, category, quality_at, quality_key, quality
from {schema}.templates
order by account, name, language

-- category --
select category from {schema}.templates
where name = $1 and language = $2 and category is not null
order by category_at desc, category_key desc
limit 1

-- save template --
insert into {schema}.templates_v1
select r.* from unnest($1::{schema}.templates_v1[]) as r
on conflict (account, name, language) do update set (
  status_at, status_key, status, reason, category_at, category_key, category,
  quality_at, quality_key, quality
) = row (
  excluded.status_at, excluded.status_key, excluded.status, excluded.reason,
  excluded.category_at, excluded.category_key, excluded.category,
  excluded.quality_at, excluded.quality_key, excluded.quality
)
