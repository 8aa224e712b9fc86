"""`ledgerline doctor`: everything that stands in the way of a start, all at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import asyncpg
import orjson

from gateway.settings import Settings, SettingsError
from gateway.settings.loading import load, warnings
from gateway.settings.needs import missing
from gateway.store.keyring import WrongMasterKeyError
from gateway.store.log import opens
from gateway.store.postgres import DATABASE_GONE, TooOldError, connect, must_be_new_enough
from gateway.upstream import GRAPH_VERSION, Answered, Outcome, Upstream
from gateway.vault.place import store_of, tried
from gateway.vault.store import Store, StoreError

Finding = tuple[bool, str]
"""Whether it is well, and what was found."""


async def examine(given: dict[str, Any], *, say: Callable[[str], None]) -> int:
    """Say what was found; 0 when all is well, 1 otherwise."""
    try:
        settings = load(**given)
    except SettingsError as error:
        for problem in error.problems:
            say(f"wrong    {problem}")
        return 1
    healthy = True
    for problem in missing(dict(settings)):
        healthy = False
        say(f"missing  {problem}")
    for warning in warnings(settings):
        say(f"warning  {warning}")
    async with aclosing(_findings(settings)) as findings:
        async for well, text in findings:
            healthy &= well
            say(f"{'ok' if well else 'wrong':8} {text}")
    return 0 if healthy else 1


async def _findings(settings: Settings) -> AsyncGenerator[Finding, None]:
    if settings.database_url is None:
        yield True, "database: embedded, started with the gateway"
    else:
        yield await _database("DATABASE_URL", settings.database_url.get_secret_value())
        if settings.admin_database_url is not None:
            yield await _database("ADMIN_DATABASE_URL", settings.admin_database_url.get_secret_value())
        if settings.master_key:
            yield await _log(settings)
    if store := store_of(settings):
        yield await _vault(store)
    upstream = Upstream(settings.upstream_url, settings.token, timeout=settings.upstream_timeout)
    try:
        for line in settings.lines:
            asked = await upstream.get(f"{GRAPH_VERSION}/{line}", {"fields": "id,quality_rating"})
            yield _answer(f"upstream: line {line}", asked)
        if settings.waba:
            yield _subscription(await upstream.get(f"{GRAPH_VERSION}/{settings.waba}/subscribed_apps"))
        else:
            yield False, "webhook: LEDGERLINE_WABA is not set, so its subscription can't be asked for"
    finally:
        await upstream.close()


async def _database(name: str, url: str) -> Finding:
    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (*DATABASE_GONE, asyncpg.PostgresError, ValueError) as error:
        return False, f"database: no connection ({type(error).__name__}); check LEDGERLINE_{name}"
    try:
        must_be_new_enough(connection)
        version = await connection.fetchval("show server_version")
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            if await connection.fetchval("select current_setting($1)", setting) == "off":
                return False, f"database: {setting} is off, so a crash may lose what was acknowledged"
    except TooOldError as error:
        return False, f"database: {error}"
    finally:
        await connection.close()
    return True, f"database: PostgreSQL {version} answers"


async def _log(settings: Settings) -> Finding:
    url = settings.database_url.get_secret_value() if settings.database_url else ""
    try:
        db = await connect(url, settings.schema_name)
        try:
            begun = await opens(db, settings.schema_name, master_keys=settings.master_keys)
        finally:
            await db.close()
    except WrongMasterKeyError:
        return False, "log: no LEDGERLINE_MASTER_KEY opens it; give the one that it was made with"
    except TooOldError as error:
        return False, f"log: {error}"
    except (*DATABASE_GONE, asyncpg.PostgresError, ValueError) as error:
        return False, f"log: it can't be read ({type(error).__name__}); check LEDGERLINE_DATABASE_URL"
    if not begun:
        return True, f"log: none in the schema {settings.schema_name} yet; the first start makes it"
    return True, "log: the master key opens it"


async def _vault(store: Store) -> Finding:
    try:
        if await tried(store):
            return True, "media vault: it gives back what it was given"
        cause = "it gives back something else"
    except StoreError as error:
        cause = error.cause
    return False, f"media vault: files can't be kept ({cause}); check LEDGERLINE_VAULT"


def _answer(what: str, outcome: Outcome) -> Finding:
    match outcome:
        case Answered(status=200):
            return True, f"{what} answers"
        case Answered(status, body):
            return False, f"{what}: HTTP {status}, code {_code(body)}; check the token and the id"
        case _:
            return (
                False,
                f"{what}: no answer ({outcome.cause}); check LEDGERLINE_UPSTREAM_URL and the network",
            )


def _subscription(outcome: Outcome) -> Finding:
    well, text = _answer("webhook: subscription", outcome)
    if not well or not isinstance(outcome, Answered):
        return well, text
    try:
        subscribed = orjson.loads(outcome.body)["data"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False, f"{text}, but not as WhatsApp does; check LEDGERLINE_UPSTREAM_URL"
    if not subscribed:
        return False, "webhook: no app is subscribed to the account; POST /{WABA}/subscribed_apps"
    return True, f"webhook: {len(subscribed)} app(s) subscribed to the account"


def _code(body: bytes) -> object:
    try:
        return orjson.loads(body)["error"]["code"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "none"
