-- What the bill of a month was when finance closed it, and up to which position it was counted.
create table {schema}.closed_months (
  month text not null,
  currency text not null,
  position bigint not null,
  closed_at timestamptz not null,
  closed_by text not null,
  report text not null,
  primary key (month, currency)
);
