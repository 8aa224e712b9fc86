"""Bills as lines of text, for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from domain.billing.tally import COUNTS
from gateway.reports.tables import table
from gateway.reports.texts import LISTED, Body, flat, heading

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
CHARGED = (*COUNTS, "free_reasons", "cost", "cost_complete", "estimated")


def billing(body: Body) -> Iterator[str]:
    """What GET /api/reports/billing answers, its rows flat."""
    totals = body["totals"]
    yield heading("Delivered", body, totals["delivered"])
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


def unread(events: int) -> str:
    """That figures lack something, in a line."""
    return f"{events} events could not be read: what they tell is in no figure (see /ready)"


def missing(lack: Body) -> str:
    """What is not in the cost, in a line."""
    of = f"{lack['market'] or 'unknown market'}, {lack['category'] or 'unknown category'}"
    days = f"{lack['first_day']} to {lack['last_day']} ({lack['era']})"
    return f"{lack['messages']} messages of {of}, {days}: no {lack['lacks']}"


def charges(body: Body) -> Iterator[str]:
    """What GET /api/reports/billing/messages answers."""
    yield heading("Messages", body, len(body["rows"])) + f"; costs in {body['currency']}"
    if body["rows"]:
        yield ""
        yield from table([{name: row[name] for name in READ} for row in body["rows"]])


def reconciled(body: Body) -> Iterator[str]:
    """Our charges beside WhatsApp's pricing; what differs is named."""
    totals = body["totals"]
    yield heading("Differing", body, totals["differing"])
    yield ", ".join(f"{name} {count}" for name, count in totals.items())
    yield from _caused(body)
    if body["messages"]:
        yield ""
        yield "The first that differ (GET /api/reports/billing/messages?differs=true lists all):"
        yield from table(body["messages"][:LISTED])


def compared(body: Body) -> Iterator[str]:
    """Our charges beside WhatsApp's analytics; what differs is named."""
    totals = body["totals"]
    yield heading("Rows that differ", body, totals["differing"])
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
