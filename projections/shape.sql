-- elsewhere --
select exists (
  select
  from pg_catalog.pg_class v
  join pg_catalog.pg_rewrite r on r.ev_class = v.oid
  join pg_catalog.pg_depend d on d.objid = r.oid
    and d.classid = 'pg_catalog.pg_rewrite'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
  join pg_catalog.pg_class t on t.oid = d.refobjid and t.relkind = 'r'
  where v.relnamespace = '{schema}'::regnamespace
    and v.relname = any ({views})
    and (t.relnamespace <> v.relnamespace or t.relname <> all ({tables}))
)

-- show first --
do $show$
begin
  if not ({elsewhere}) then
    {show};
  end if;
end $show$
