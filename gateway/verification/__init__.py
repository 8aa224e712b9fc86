"""`ledgerline audit verify --log`: whether a log holds what it promises, beside running gateways or alone."""
