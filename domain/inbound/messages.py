"""Messages: live ones, and copies by echo, history and standby (webhooks reference, section 3)."""

from __future__ import annotations

from collections.abc import Iterator

from domain.events import ConsentChanged, MessageReceived
from domain.facts import Alias, Evidence, Fact, Item, Person
from domain.inbound import notices, whom, wire
from domain.inbound.context import Context
from domain.inbound.wire import Json

OUTBOUND = "outbound"

_CHANGES = frozenset({"user_changed_number", "customer_changed_number", "user_changed_user_id"})


def message(at: Context, item: Json, direction: str | None = None) -> Fact:
    """One message; `direction` outbound: the business itself sent it, by other means."""
    message_id = wire.text(item.get("id"))
    named = _receiver(item) if direction == OUTBOUND else _sender(item)
    contact = whom.contact_of(named, at.contacts)
    evidence, more = _evidence(item)
    aliases = [*whom.with_contact(named, contact), *more]
    subject = whom.person(aliases, evidence)
    if message_id is None:
        return at.unrecognised(item, "no id", subject)
    type_ = wire.word(item.get("type")) or "unknown"
    subtype = wire.word(wire.inner(item, type_).get("type"))
    is_theirs = direction != OUTBOUND and subject is not None
    public = {
        "message_key": str(at.ids.message(message_id)),
        "type": type_,
        "source": at.source,
        "direction": direction,
        "subtype": subtype,
        "opens": at.openers.of_message(type_, subtype, _response_source(item), at.source)
        if is_theirs
        else None,
        "referral": wire.word(wire.inner(item, "referral").get("source_type")),
        "market": whom.market_of(aliases),
        "errors": wire.codes(item.get("errors")) or None,
        **at.times(item.get("timestamp")),
    }
    private = {
        "message_id": message_id,
        "from": item.get("from"),
        "to": item.get("to"),
        "user_id": item.get("from_user_id"),
        "name": wire.inner(contact, "profile").get("name"),
        "item": item,
    }
    key = at.ids.key("message", at.line, message_id, wire.text(item.get("type")), at.source)
    group_id = wire.text(item.get("group_id"))
    return at.fact(
        MessageReceived, subject or Item(at.account), key, public=public, private=private, group_id=group_id
    )


def received(at: Context, item: Json) -> Iterator[Fact]:
    """A message that came in, and what it says about further messages when it is a word for that."""
    fact = message(at, item)
    yield fact
    is_live = at.source == "live" and fact.event is MessageReceived
    if not is_live or fact.group_id is not None or not isinstance(fact.subject, Person):
        return
    said = _said(item)
    meaning = at.words.meaning(said) if said else None
    if said and meaning:
        public = {
            "category": meaning.category,
            "value": meaning.value,
            "source": "keyword",
            **at.times(item.get("timestamp")),
        }
        private = {"message_id": item.get("id"), "text": said}
        key = at.ids.key("consent-word", fact.key)
        yield at.fact(ConsentChanged, fact.subject, key, public=public, private=private)


def _said(item: Json) -> str | None:
    """What a text or the button of a template says."""
    match item.get("type"):
        case "text":
            return wire.text(wire.inner(item, "text").get("body"))
        case "button":
            return wire.text(wire.inner(item, "button").get("text"))
        case _:
            return None


def echo(at: Context, item: Json) -> Fact:
    """A message that the business sent by other means, such as its phone app."""
    return message(at, item, OUTBOUND)


def history(at: Context, chunk: Json) -> Iterator[Fact]:
    """A history chunk: what it says of itself, then its messages; a thread is named after its customer."""
    threads = wire.objects(chunk.get("threads"))
    about = [{name: value for name, value in thread.items() if name != "messages"} for thread in threads]
    yield notices.about_owner(at, chunk | {"threads": about})
    at = at.in_list("history", wire.inner(chunk, "metadata"))
    for thread in threads:
        customer = whom.identifiers(thread.get("id"))
        for item in wire.objects(thread.get("messages")):
            if not customer or not set(customer).isdisjoint(_sender(item)):
                yield message(at, item)
            else:
                yield echo(at, {"to": thread["id"]} | item)


def _sender(item: Json) -> list[Alias]:
    ids = whom.user_ids(item.get("from_user_id"), item.get("from_parent_user_id"))
    return whom.identifiers(item.get("from")) + ids


def _receiver(item: Json) -> list[Alias]:
    ids = whom.user_ids(
        item.get("to_user_id"), item.get("recipient_user_id"), item.get("recipient_parent_user_id")
    )
    return whom.identifiers(item.get("to")) + ids


def _evidence(item: Json) -> tuple[Evidence, list[Alias]]:
    """How strongly an item joins its identifiers, and the ones that its content adds."""
    system = wire.inner(item, "system")
    if system.get("type") in _CHANGES:
        numbers = whom.identifiers(system.get("wa_id"), system.get("new_wa_id"))
        ids = whom.user_ids(system.get("user_id"), system.get("parent_user_id"))
        return Evidence.CHANGED, numbers + ids
    return Evidence.SEEN, whom.shared_number(item)


def _response_source(item: Json) -> str | None:
    return wire.word(wire.inner(item, "interactive", "call_permission_reply").get("response_source"))
