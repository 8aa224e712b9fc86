from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from logs import SCHEMA

from gateway.store.migrate import migrate
from gateway.store.postgres import Pool, connect_pool
from projections import catalogue


@pytest.fixture
async def admin(database: str) -> str:
    """URL of a database that holds an empty log and the tables of all projections."""
    await migrate(database, SCHEMA, extra_ddl=catalogue.ddl(SCHEMA))
    return database


@pytest.fixture
async def pool(admin: str) -> AsyncIterator[Pool]:
    """Connections to it in the serving role."""
    async with connect_pool(admin, SCHEMA) as pool:
        yield pool
