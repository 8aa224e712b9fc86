-- Rate cards as they were imported: configuration, so they stand beside the log. Its id is a hash of a card's content.
create table {schema}.rate_cards (
  card_id text primary key,
  imported_at timestamptz not null,
  imported_by text not null,
  source text not null,
  body text not null
);
