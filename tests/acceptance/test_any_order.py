"""Neither order nor repetition of callbacks matters: the same facts, and the same answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from domain.events import IdentityLinked, Recorded
from domain.ids import Ids
from domain.inbound import updates
from domain.openers import DEFAULT
from gateway.store.codec import decode
from gateway.store.log import Log
from gateway.store.migrate import migrate
from gateway.store.postgres import connect_pool
from gateway.store.tail import Tail
from projections import catalogue
from projections.counts import CountsProjection
from projections.messages_query import Messages
from projections.runner import Runner
from projections.templates import TemplatesProjection
from projections.window import WindowProjection

PAYLOADS = Path(__file__).parent.parent / "payloads"
LINE = "106000000000001"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
KEY = bytes(range(32))

CONTACTS = ("447700900123", "GB.7700900123456789012", "447700900456", "15550109999")
NAMES = (
    "inbound_text",
    "inbound_bsuid_only_text",
    "inbound_parent_bsuid",
    "inbound_bsuid_contact_request_reply",
    "inbound_group_message",
    "inbound_reaction_added",
    "inbound_revoke",
    "call_connect_user_initiated",
    "call_terminate",
    "standby_copy",
    "smb_message_echo",
    "history_chunk",
    "status_sent_pmp_marketing_regular",
    "status_delivered_pmp_marketing_regular",
    "status_read_pmp_no_pricing",
    "status_read_without_delivered_pmp",
    "status_failed_131047",
    "status_bsuid_only_failed_131047",
    "status_group_participant_delivered",
    "status_sent_pmp_free_entry_point",
    "batch_multi_entry_multi_change",
    "template_status_approved",
    "template_status_paused",
    "template_status_disabled",
    "template_quality_update",
    "user_preferences_stop",
    "unknown_field",
    "value_level_error",
)
BODIES = [json.loads((PAYLOADS / f"cloud_{name}.json").read_text()) for name in NAMES]
BODIES += json.loads((PAYLOADS / "cloud_out_of_order_duplicate_sequence.json").read_text())["posts"]

# Random for each log, or the place in it: everything else of a fact must be the same.
OF_THE_LOG = ("originator_id", "originator_version", "sealed", "timestamp", "participant_key")


async def told(url: str, schema: str, posts: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """What the log holds and answers after these bodies; each post is one body, made of several."""
    await migrate(url, schema, extra_ddl=catalogue.ddl(schema))
    async with (
        connect_pool(url, schema, size=4) as pool,
        Log.open(url, pool, schema, master_keys=[KEY]) as log,
    ):
        # The same pepper everywhere: keyed ids of two logs can't be compared otherwise.
        vars(log.ids).update(vars(Ids(b"p" * 32)))
        for bodies in posts:
            body = orjson.dumps({"entry": [entry for one in bodies for entry in one["entry"]]})
            found = updates(body, ids=log.ids, openers=DEFAULT, recorded_at=NOW)
            await log.record([fact for facts in found for fact in facts], patience=60)
        await Runner(catalogue.projections(schema), pool, Tail(pool, schema), schema=schema).catch_up()
        return {"facts": await _facts(log), **await _answers(pool, schema, log)}


async def _facts(log: Log) -> list[str]:
    items = [item for item in await log.after(0, 10_000) if isinstance(item, Recorded)]
    facts = [
        {name: value for name, value in vars(item.event).items() if name not in OF_THE_LOG}
        for item in items
        if not isinstance(item.event, IdentityLinked)
    ]
    return sorted(orjson.dumps(fact, option=orjson.OPT_SORT_KEYS).decode() for fact in facts)


async def _answers(pool: Any, schema: str, log: Log) -> dict[str, Any]:
    windows, counts = WindowProjection(schema), CountsProjection(schema)
    answers: dict[str, Any] = {}
    async with pool.acquire() as db:
        for contact in CONTACTS:
            conversation = await log.conversation(LINE, contact)
            seen = await windows.read(db, conversation.streams, decode) if conversation else None
            answers[contact] = (seen.window, seen.known_since) if seen else None
        lives = await Messages(schema).search(db, limit=1000)
        answers["messages"] = sorted(
            (str(life.message_key), str(life.state), repr(life.known), str(life.type), life.direction)
            for life in lives
        )
        report = await counts.report(
            db,
            from_day=date(2020, 1, 1),
            to_day=date(2027, 1, 1),
            time_zone="Europe/London",
            group_by=("day", "line", "market", "category", "pricing_type"),
        )
        answers["counts"] = report.rows
        answers["templates"] = await TemplatesProjection(schema).read(db)
    return answers


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_any_order_and_any_repetition_of_callbacks_gives_the_same_facts_and_answers(
    data: st.DataObject, empty_database: str
) -> None:
    order = data.draw(st.permutations([*BODIES, *BODIES]))
    cuts = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=len(order)))
    posts, rest = [], list(order)
    for cut in cuts:
        posts.append(rest[:cut])
        rest = rest[cut:]
    posts += [[one] for one in rest]
    number = data.draw(st.integers(0, 2**60))

    expected = await told(empty_database, f"plain_{number}", [[one] for one in BODIES])
    found = await told(empty_database, f"mixed_{number}", [post for post in posts if post])

    assert found["facts"] == expected["facts"]
    assert found == expected


async def test_a_person_is_one_whichever_of_their_names_came_first(empty_database: str) -> None:
    by_number = BODIES[NAMES.index("inbound_text")]
    by_user_id = BODIES[NAMES.index("inbound_bsuid_only_text")]
    answers = [
        await told(empty_database, f"log_{n}", [[one] for one in order])
        for n, order in enumerate(([by_number, by_user_id], [by_user_id, by_number]))
    ]

    assert answers[0] == answers[1]
    assert answers[0][CONTACTS[0]] == answers[0][CONTACTS[1]] is not None
    assert base64.b64encode(b"Ann Example").decode() not in str(answers)
