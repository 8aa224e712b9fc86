"""Fold events into tables and query them. asyncpg, but no HTTP and no store: both are handed in."""
