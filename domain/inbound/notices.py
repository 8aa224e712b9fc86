"""What WhatsApp says about accounts, lines, templates, groups and people (webhooks reference, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from domain.events import AccountNoticeReceived, ConsentChanged, Event, LineChanged, TemplateChanged
from domain.facts import Account, Evidence, Fact, Group, Subject
from domain.inbound import whom, wire
from domain.inbound.context import Context
from domain.inbound.wire import Json


def template(at: Context, value: Json) -> Fact:
    """A template's status, category, quality or components."""
    name = wire.name(value.get("message_template_name"))
    language = wire.language(value.get("message_template_language"))
    if name is None or language is None:
        return at.unrecognised(value, "no template named")
    is_status = at.field == "message_template_status_update"
    public = {
        "name": name,
        "language": language,
        "event": at.public_field,
        "template_id": wire.object_id(value.get("message_template_id")),
        "status": wire.word(value.get("event")) if is_status else None,
        "category": wire.word(value.get("new_category") or value.get("message_template_category")),
        "previous_category": wire.word(value.get("previous_category")),
        "quality": wire.word(value.get("new_quality_score")),
        "reason": wire.word(value.get("reason")),
    }
    return _fact(at, TemplateChanged, value, public, Account(at.account))


def line_changed(at: Context, value: Json) -> Fact:
    """Quality, limit or name of a line; WhatsApp names the line by its number only."""
    number = wire.text(value.get("display_phone_number"))
    limit = value.get("current_limit") or value.get("max_daily_conversations_per_business")
    public = {
        "field": at.public_field,
        "event": wire.word(value.get("event") or value.get("decision")) or "unknown",
        "limit": wire.word(limit),
        "number_key": str(at.ids.number(number)) if number else None,
    }
    return _fact(at, LineChanged, value, public, at.owner())


def about_owner(at: Context, item: Json) -> Fact:
    """A notice about the line, or the account, as a whole."""
    return notice(at, item, at.owner())


def notice(at: Context, item: Json, subject: Subject, *, group_id: str | None = None) -> Fact:
    """A notice about whatever `subject` is."""
    words = (wire.word(item.get(name)) for name in ("event", "type", "action", "action_type", "decision"))
    event = next((word for word in words if word), None)
    public = {"field": at.public_field, "event": event, "code": wire.a_code(item.get("code"))}
    return _fact(at, AccountNoticeReceived, item, public, subject, group_id=group_id)


def handover(at: Context, value: Json) -> Fact:
    """Who answers a person passes from one responder to another."""
    sender, recipient = wire.inner(value, "sender"), wire.inner(value, "recipient")
    aliases = [
        *whom.identifiers(
            *(one.get(name) for one in (sender, recipient) for name in ("phone_number", "wa_id"))
        ),
        *whom.user_ids(sender.get("user_id"), recipient.get("user_id")),
    ]
    return notice(at, value, whom.person(aliases) or at.owner())


def preference(at: Context, item: Json) -> Fact:
    """A person stops or resumes marketing messages."""
    named = whom.identifiers(item.get("wa_id")) + whom.user_ids(
        item.get("user_id"), item.get("parent_user_id")
    )
    subject = whom.person(whom.with_contact(named, whom.contact_of(named, at.contacts)))
    category, choice = wire.word(item.get("category")), wire.word(item.get("value"))
    if subject is None or category is None or choice is None:
        return at.unrecognised(item, "no preference", subject)
    public = {"category": category, "value": choice, "source": "whatsapp"}
    return _fact(at, ConsentChanged, item, public, subject)


def address_book(at: Context, item: Json) -> Fact:
    """A contact of the business' phone app."""
    aliases = whom.identifiers(wire.inner(item, "contact").get("phone_number"))
    return notice(at, item, whom.person(aliases) or at.owner())


def user_id(at: Context, item: Json) -> Fact:
    """A person has a new business-scoped user id."""
    ids = wire.inner(item, "user_id")
    aliases = whom.identifiers(item.get("wa_id")) + whom.user_ids(ids.get("previous"), ids.get("current"))
    return notice(at, item, whom.person(aliases, Evidence.CHANGED) or at.owner())


def group(at: Context, item: Json) -> Fact:
    """Something happens to a group of a line."""
    group_id = wire.text(item.get("group_id")) if at.line else None
    return notice(at, item, Group(group_id) if group_id else at.owner(), group_id=group_id)


def _fact(
    at: Context,
    event: type[Event],
    item: Json,
    public: Json,
    subject: Subject,
    *,
    group_id: str | None = None,
) -> Fact:
    # A consent is a person's, whatever the account; every other notice names its account.
    account = {} if event is ConsentChanged else {"account": at.account}
    public = {**account, **public, **at.times(item.get("timestamp"))}
    key = at.content_key(item)
    return at.fact(event, subject, key, public=public, private={"item": item}, group_id=group_id)


_TEMPLATES: Final = (
    "message_template_status_update",
    "message_template_quality_update",
    "message_template_components_update",
    "template_category_update",
    "template_correct_category_detection",
)
_LINES: Final = ("phone_number_quality_update", "phone_number_name_update")
_ACCOUNTS: Final = (
    "account_alerts",
    "account_review_update",
    "account_settings_update",
    "account_update",
    "automatic_events",
    "business_capability_update",
    "business_status_update",
    "business_username_updates",
    "consumer_profile",
    "flows",
    "partner_solutions",
    "payment_configuration_update",
    "security",
    "tracking_events",
)

Translate = Callable[[Context, Json], Fact]

WHOLE: Final[Mapping[str, Translate]] = MappingProxyType(
    dict.fromkeys(_TEMPLATES, template)
    | dict.fromkeys(_LINES, line_changed)
    | dict.fromkeys(_ACCOUNTS, about_owner)
    | {"messaging_handovers": handover}
)
"""Fields whose value is one item."""

LISTED: Final[Mapping[str, Mapping[str, Translate]]] = MappingProxyType(
    {
        "user_preferences": {"user_preferences": preference},
        "smb_app_state_sync": {"state_sync": address_book},
        "user_id_update": {"user_id_update": user_id},
        "group_lifecycle_update": {"groups": group},
        "group_participants_update": {"groups": group},
        "group_settings_update": {"groups": group},
        "group_status_update": {"groups": group},
    }
)
"""Fields whose value lists items, by the lists' names."""
