-- all --
select card_id, imported_at, imported_by, source, body, withdrawn_at, withdrawn_by from {schema}.rate_cards
order by imported_at, card_id

-- lock --
-- Whoever imports sees every card that was imported before.
lock table {schema}.rate_cards in share row exclusive mode

-- add --
-- What was withdrawn may come back.
insert into {schema}.rate_cards (card_id, imported_at, imported_by, source, body) values ($1, $2, $3, $4, $5)
on conflict (card_id) do update
set (imported_at, imported_by, source, body, withdrawn_at, withdrawn_by) = row ($2, $3, $4, $5, null, null)

-- withdraw --
update {schema}.rate_cards set (withdrawn_at, withdrawn_by) = row ($2, $3)
where card_id = $1 and withdrawn_at is null
