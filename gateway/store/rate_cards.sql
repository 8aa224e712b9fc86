-- all --
select card_id, imported_at, imported_by, source, body from {schema}.rate_cards order by imported_at, card_id

-- lock --
-- Whoever imports sees every card that was imported before.
lock table {schema}.rate_cards in share row exclusive mode

-- add --
insert into {schema}.rate_cards (card_id, imported_at, imported_by, source, body) values ($1, $2, $3, $4, $5)
