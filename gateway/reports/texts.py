"""Reports of sends and windows as lines of text, for people; and any report as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from gateway.reports import tables
from gateway.reports.tables import cell, table
from projections.delivery import LATENCIES, SPANS

Body = dict[str, Any]
ABOUT: Final = (
    "from", "to", "at", "currency", "time_zone", "as_of", "closed_as_of", "eras", "cards", "supposed",
)  # fmt: skip
"""What every line of CSV repeats of its report, so that no file stands without it."""
LISTED: Final = 20
"""Messages in a table; JSON has more."""


def observed(body: Body) -> Iterator[str]:
    """What GET /api/reports/observed answers."""
    totals = body["totals"]
    yield heading("Sends", body, totals["sends"])
    yield f"Enforcing would have refused {totals['observed']}:"
    yield f"  right      {totals['right']:>8}  WhatsApp failed them for the same reason"
    yield f"  wrong      {totals['wrong']:>8}  WhatsApp sent or delivered them"
    yield f"  failed     {totals['failed']:>8}  WhatsApp failed them for another reason"
    yield f"  undecided  {totals['undecided']:>8}  no final word yet"
    yield f"It would have let pass {totals['missed']} that WhatsApp failed with 131047 (missed)."
    yield f"Refused where a line enforces already: {totals['refused']}"
    if body["rows"]:
        yield ""
        yield from table(body["rows"])
    if listed := body["sends"][:LISTED]:
        yield ""
        yield f"The first {len(listed)} wrong or missed ones (GET /api/messages/<send_id> says more):"
        yield from (f"{one['send_id']}  {one['found']}  {one['reason'] or '-'}" for one in listed)


def delivery(body: Body) -> Iterator[str]:
    """What GET /api/reports/delivery answers; latencies below the counts."""
    totals = body["totals"]
    yield heading("Sends let pass", body, totals["sends"])
    yield f"WhatsApp took {totals['accepted']}, delivered {_share(totals, 'delivered', 'delivered_rate')}"
    yield (
        f"failed {_share(totals, 'failed', 'failed_rate')}, unknown {totals['unknown']}, "
        f"accepted with no final word {totals['undelivered']}, read {_share(totals, 'read', 'read_rate')}"
    )
    rows = [*body["rows"], {"line": "all"} | totals]
    yield ""
    yield from table([{name: row[name] for name in row if name not in LATENCIES} for row in rows])
    yield ""
    yield "Seconds by WhatsApp's times (p50, p90, p99 of those that are known):"
    yield from table([_latencies(row) for row in rows])
    if body["failures"]:
        yield ""
        yield from table(body["failures"])


def refusals(body: Body) -> Iterator[str]:
    """What GET /api/reports/refusals answers."""
    totals = body["totals"]
    yield heading("Sends decided", body, totals["decided"])
    yield f"Refused {totals['refused']}, in {totals['conversations']} conversations. By WhatsApp's rules:"
    yield f"  {totals['avoided_failure']:>8}  it would have failed them, free of charge"
    yield f"  {totals['avoided_charge']:>8}  it would have delivered and charged what nobody wanted"
    yield f"  {totals['avoided_either']:>8}  one of the two: only WhatsApp knows which"
    yield f"  {totals['avoided_nothing']:>8}  it would probably have delivered them (the margin)"
    yield "Nobody asked WhatsApp, and a caller that tried again is counted again."
    if body["rows"]:
        yield ""
        yield from table(body["rows"])


def windows(body: Body) -> Iterator[str]:
    """What GET /api/reports/windows answers, without its conversations."""
    yield f"Windows at {body['at']}, up to position {body['as_of']}; closing: within {body['hours']} hours"
    yield ""
    yield from table([*body["rows"], {"line": "all", "mode": None, "margin": None} | body["totals"]])


def heading(what: str, body: Body, count: int) -> str:
    """What is counted, of which days, and how many."""
    days = f"from {body['from']} to before {body['to']} ({body['time_zone']})"
    return f"{what} {days}, up to position {body['as_of']}: {count}"


def _share(totals: Body, name: str, rate: str) -> str:
    return f"{totals[name]}" if totals[rate] is None else f"{totals[name]} ({totals[rate]:.1%})"


def _latencies(row: Body) -> Body:
    return {"line": row["line"]} | {
        span: " ".join(cell(row[name]) for name in LATENCIES if name.startswith(span)) for span in SPANS
    }


def as_csv(body: Body, names: Sequence[str]) -> str:
    """The rows as CSV, each with what its report was counted by."""
    about = {name: _cell(body[name]) for name in ABOUT if name in body}
    return tables.as_csv([flat(row) | about for row in body["rows"]], (*names, *about))


def _cell(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value


def flat(row: Body) -> Body:
    """A row whose every value is one cell."""
    return {name: _words(value) if isinstance(value, dict) else value for name, value in row.items()}


def _words(counts: Body) -> str | None:
    return " ".join(f"{word}:{count}" for word, count in counts.items()) or None
