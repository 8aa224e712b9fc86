-- one --
select position, closed_at, closed_by, report from {schema}.closed_months where month = $1 and currency = $2

-- add --
insert into {schema}.closed_months (month, currency, position, closed_at, closed_by, report)
values ($1, $2, $3, $4, $5, $6)
on conflict do nothing
