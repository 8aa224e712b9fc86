"""Reports as lines of text, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from domain.billing.tally import COUNTS as CHARGES
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
CAUSES: Final = {
    "category": "WhatsApp charges another category than that of the dispatch",
    "free_tier": "the line's free messages are counted otherwise: others send too, or statuses were lost",
    "window": "WhatsApp saw the window otherwise",
    "free_entry_point": "a free entry point holds it for one side only",
    "zone_edge": "near midnight: LEDGERLINE_TIME_ZONE may not be the account's",
    "market": "the recipient's country is another one by the number than by the user id",
    "lost_status": "the status that would say so never arrived",
    "terms": "by WhatsApp's terms of that day it should not be so",
    "not_told": "WhatsApp's answer does not hold it, or not yet",
    "rate": "as many messages, at another price: look at the rate card and its tiers",
    "missing_rate": "no rate card has a price for it",
}
READ: Final = (
    "at", "line", "market", "category", "type", "template", "billable", "free_because", "lacks", "rate",
    "cost", "differs_because", "send_id", "message_key", "position",
)  # fmt: skip
"""Of MESSAGE, what a table has room for."""
MESSAGE: Final = (
    *READ, "day", "caller", "estimated", "billable_whatsapp", "era", "card", "participant_key",
)  # fmt: skip
RECONCILED: Final = (
    "day", "line", "category", "category_whatsapp", "delivered", "billable", "billable_whatsapp", "untold",
    "differing",
)  # fmt: skip
COMPARED: Final = (
    "day", "country", "category", "type", "volume", "volume_whatsapp", "cost", "cost_whatsapp", "agrees",
    "cause", "elsewhere",
)  # fmt: skip
CHARGED = (*CHARGES, "free_reasons", "cost", "cost_complete", "estimated")


def observed(body: Body) -> Iterator[str]:
    """What GET /api/reports/observed answers."""
    totals = body["totals"]
    yield _heading("Sends", body, totals["sends"])
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
    yield _heading("Sends let pass", body, totals["sends"])
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
    yield _heading("Sends decided", body, totals["decided"])
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


def _heading(what: str, body: Body, count: int) -> str:
    days = f"from {body['from']} to before {body['to']} ({body['time_zone']})"
    return f"{what} {days}, up to position {body['as_of']}: {count}"


def _share(totals: Body, name: str, rate: str) -> str:
    return f"{totals[name]}" if totals[rate] is None else f"{totals[name]} ({totals[rate]:.1%})"


def _latencies(row: Body) -> Body:
    return {"line": row["line"]} | {
        span: " ".join(cell(row[name]) for name in LATENCIES if name.startswith(span)) for span in SPANS
    }


def billing(body: Body) -> Iterator[str]:
    """What GET /api/reports/billing answers, its rows flat."""
    totals = body["totals"]
    yield _heading("Delivered", body, totals["delivered"])
    whole = "" if totals["cost_complete"] else " and what has no rate"
    yield (
        f"free {totals['free']}, billable {totals['billable']} "
        f"(by WhatsApp {totals['billable_whatsapp']}): {totals['cost']} {body['currency']}{whole}"
    )
    if "supposed" in body:
        yield f"Supposing {', '.join(body['supposed'])}: nothing was or will be billed so"
    yield from _priced(body)


def _priced(body: Body) -> Iterator[str]:
    """What it was priced by, the rows, and what is not in the cost."""
    yield f"Terms: {', '.join(body['eras']) or '-'}; rate cards: {', '.join(body['cards']) or '-'}"
    if body["rows"]:
        yield ""
        yield from table([flat(row) for row in body["rows"]])
    if body.get("unread"):
        yield ""
        yield unread(body["unread"])
    if body["missing_rates"]:
        yield ""
        yield "Not in the cost:"
        yield from table(body["missing_rates"])


def as_csv(body: Body, names: Sequence[str]) -> str:
    """The rows as CSV, each with what its report was counted by."""
    about = {name: _cell(body[name]) for name in ABOUT if name in body}
    return tables.as_csv([flat(row) | about for row in body["rows"]], (*names, *about))


def unread(events: int) -> str:
    """That figures lack something, in a line."""
    return f"{events} events could not be read: what they tell is in no figure (see /ready)"


def missing(lack: Body) -> str:
    """What is not in the cost, in a line."""
    of = f"{lack['market'] or 'unknown market'}, {lack['category'] or 'unknown category'}"
    days = f"{lack['first_day']} to {lack['last_day']} ({lack['era']})"
    return f"{lack['messages']} messages of {of}, {days}: no {lack['lacks']}"


def _cell(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value


def flat(row: Body) -> Body:
    """A row whose every value is one cell."""
    return {name: _words(value) if isinstance(value, dict) else value for name, value in row.items()}


def _words(counts: Body) -> str | None:
    return " ".join(f"{word}:{count}" for word, count in counts.items()) or None


def charges(body: Body) -> Iterator[str]:
    """What GET /api/reports/billing/messages answers."""
    yield _heading("Messages", body, len(body["rows"])) + f"; costs in {body['currency']}"
    if body["rows"]:
        yield ""
        yield from table([{name: row[name] for name in READ} for row in body["rows"]])


def reconciled(body: Body) -> Iterator[str]:
    """Our charges beside WhatsApp's pricing; what differs is named."""
    totals = body["totals"]
    yield _heading("Differing", body, totals["differing"])
    yield ", ".join(f"{name} {count}" for name, count in totals.items())
    yield from _caused(body)
    if body["messages"]:
        yield ""
        yield "The first that differ (GET /api/reports/billing/messages?differs=true lists all):"
        yield from table(body["messages"][:LISTED])


def compared(body: Body) -> Iterator[str]:
    """Our charges beside WhatsApp's analytics; what differs is named."""
    totals = body["totals"]
    yield _heading("Rows that differ", body, totals["differing"])
    yield f"messages {totals['volume']}, by WhatsApp {totals['volume_whatsapp']}; costs in {body['currency']}"
    if body["outside"]:
        yield f"WhatsApp's answer holds {body['outside']} messages of other days, which are left out"
    yield from _caused(body)
    if body["messages"]:
        yield ""
        yield "The first messages that these are about (evident: the message itself shows the cause):"
        yield from table(body["messages"][:LISTED])


def _caused(body: Body) -> Iterator[str]:
    for cause, count in body["causes"].items():
        yield f"{count:>8}  {cause}: {CAUSES[cause]}"
    if body["rows"]:
        yield ""
        yield from table(body["rows"])


def closed(body: Body) -> Iterator[str]:
    """A closed month, and its adjustment."""
    totals = body["totals"]
    yield (
        f"{body['month']} was closed at {body['closed_at']} by {body['closed_by']}, "
        f"up to position {body['closed_as_of']}:"
    )
    whole = "" if totals["cost_complete"] else " and what had no rate"
    cost = f"{totals['cost']} {body['currency']}{whole}"
    yield f"delivered {totals['delivered']}, billable {totals['billable']}: {cost}"
    yield from _priced(body["bill"])
    yield ""
    if not body["rows"]:
        yield f"Nothing of it has changed up to position {body['as_of']}."
        return
    yield f"Adjustment up to position {body['as_of']}: {body['adjustment']['cost']} {body['currency']}"
    yield from table(body["rows"])
