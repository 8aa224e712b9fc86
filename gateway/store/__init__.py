"""The event store: one log in one PostgreSQL schema."""
