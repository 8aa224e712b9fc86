-- A card that was imported by mistake: it counts no more, but what was priced by it can still be looked up.
alter table {schema}.rate_cards add column withdrawn_at timestamptz, add column withdrawn_by text;
