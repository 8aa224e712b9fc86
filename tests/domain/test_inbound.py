"""Every callback of the reference, item by item: what is recorded, for whom, and nothing personal shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from domain import callback_data
from domain.callback_data import Dispatch
from domain.events import (
    AccountNoticeReceived,
    CallReceived,
    ConsentChanged,
    Event,
    LineChanged,
    MessageReceived,
    StatusReceived,
    TemplateChanged,
    UnrecognisedReceived,
)
from domain.facts import Account, Alias, AliasKind, Evidence, Fact, Item, Line, Person
from domain.ids import Ids
from domain.inbound import updates
from domain.openers import DEFAULT, Openers

PAYLOADS = Path(__file__).parents[1] / "payloads"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
IDS = Ids(b"p" * 32)
ACCOUNT, LINE = "102000000000001", "106000000000001"
ANN, NEW = Alias(AliasKind.PHONE, "447700900123"), Alias(AliasKind.PHONE, "447700900777")
ANN_ID = Alias(AliasKind.BSUID, "GB.7700900123456789012")
BOTH = Person((ANN, ANN_ID))


def facts_of(body: Any, *, openers: Openers = DEFAULT, recorded_at: datetime = NOW) -> list[Fact]:
    text = body if isinstance(body, bytes) else orjson.dumps(body)
    made = updates(text, ids=IDS, openers=openers, recorded_at=recorded_at)
    return [fact for update in made for fact in update]


def body(field: str, **value: Any) -> dict[str, Any]:
    about = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": LINE}}
    return {"entry": [{"id": ACCOUNT, "changes": [{"field": field, "value": about | value}]}]}


def payload(name: str) -> Any:
    return orjson.loads((PAYLOADS / f"{name}.json").read_bytes())


def one(callback: Any) -> Fact:
    (fact,) = facts_of(callback)
    return fact


def said(**more: Any) -> dict[str, Any]:
    return {"from": ANN.value, "id": "wamid.x", "timestamp": "1795305600", "type": "text"} | more


CALLBACKS = {
    path.stem: parsed
    for path in sorted(PAYLOADS.glob("*.json"))
    if "entry" in (parsed := orjson.loads(path.read_bytes()))
}
SEQUENCE: list[Any] = payload("cloud_out_of_order_duplicate_sequence")["posts"]


def test_the_reference_has_all_its_callbacks() -> None:
    assert (len(CALLBACKS), len(SEQUENCE)) == (88, 7)


@pytest.mark.parametrize("name", CALLBACKS)
def test_each_callback_gives_facts_and_only_the_unknown_field_is_unrecognised(name: str) -> None:
    facts = facts_of(CALLBACKS[name])

    unrecognised = [fact for fact in facts if fact.event is UnrecognisedReceived]
    assert facts
    assert bool(unrecognised) == (name == "cloud_unknown_field")


def test_the_sequence_gives_a_fact_for_each_status_and_one_key_for_each_repetition() -> None:
    facts = [fact for post in SEQUENCE for fact in facts_of(post)]

    statuses = [
        item
        for post in SEQUENCE
        for entry in post["entry"]
        for change in entry["changes"]
        for item in change["value"]["statuses"]
    ]
    assert {fact.event for fact in facts} == {StatusReceived}
    assert len(facts) == len(statuses)
    assert len({fact.key for fact in facts}) == len({json.dumps(item) for item in statuses}) < len(facts)


def _reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reordered(one) for key, one in reversed(value.items())}
    return [_reordered(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", CALLBACKS)
def test_the_same_callback_later_and_otherwise_written_gives_the_same_keys(name: str) -> None:
    first = facts_of((PAYLOADS / f"{name}.json").read_bytes())
    again = facts_of(
        json.dumps(_reordered(CALLBACKS[name])).encode(), recorded_at=NOW + timedelta(days=7, hours=3)
    )

    assert {fact.key for fact in again} == {fact.key for fact in first}
    assert len({fact.key for fact in first}) == len(first)


OPEN = {
    *("object", "field", "type", "event", "status", "direction", "category", "value", "action_type"),
    *("pricing_model", "subtype", "source_type", "timestamp", "expiration_timestamp", "phone_number_id"),
    *("message_template_name", "message_template_language", "message_template_category", "new_category"),
    *(
        "new_quality_score",
        "reason",
        "current_limit",
        "previous_category",
        "messaging_product",
        "recipient_type",
        "disable_date",
    ),
}
"""Names in a callback whose values may stand in the open."""


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a callback, with its name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, name)
    elif isinstance(value, str) and len(value) > 3:
        yield name, value


@pytest.mark.parametrize("name", [*CALLBACKS, "cloud_out_of_order_duplicate_sequence"])
def test_nothing_personal_stands_in_the_open(name: str) -> None:
    posts = [CALLBACKS[name]] if name in CALLBACKS else SEQUENCE
    facts = [fact for post in posts for fact in facts_of(post)]
    shown = orjson.dumps([[fact.public, fact.line] for fact in facts]).decode()

    opened = {entry["id"] for post in posts for entry in post["entry"]}
    opened |= {text for name, text in _texts(posts) if name in OPEN}
    hidden = {text for _, text in _texts(posts)} - opened
    digits = {"7700900123", "7700900456", "7700900777", "5550109999", "5550100001"}
    assert {text for text in hidden | digits | {"wamid", "Example"} if text in shown} == set()


@pytest.mark.parametrize("name", CALLBACKS)
def test_each_item_is_kept_as_it_came(name: str) -> None:
    facts = facts_of(CALLBACKS[name])

    inside = [*_inside(CALLBACKS[name])]
    # The notice of a history chunk is without its messages: each of them is a fact of its own.
    kept = [fact.private["item"] for fact in facts if fact.public.get("field") != "history"]
    assert [item for item in kept if item not in inside] == []


def _inside(value: Any) -> Iterator[Any]:
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _inside(inner)


MESSAGES = [
    ("text", "text", None, "confirmed"),
    ("text_unicode_emoji", "text", None, "confirmed"),
    ("image", "image", None, "confirmed"),
    ("video", "video", None, "confirmed"),
    ("audio_voice_note", "audio", None, "confirmed"),
    ("document", "document", None, "confirmed"),
    ("sticker", "sticker", None, "confirmed"),
    ("location", "location", None, "confirmed"),
    ("contacts", "contacts", None, "confirmed"),
    ("order", "order", None, "confirmed"),
    ("button_template_quick_reply", "button", None, "confirmed"),
    ("product_enquiry_context", "text", None, "confirmed"),
    ("interactive_button_reply", "interactive", "button_reply", "confirmed"),
    ("interactive_list_reply", "interactive", "list_reply", "confirmed"),
    ("interactive_nfm_reply_flow", "interactive", "nfm_reply", "confirmed"),
    ("interactive_address_message_reply", "interactive", "nfm_reply", "confirmed"),
    ("interactive_call_permission_reply", "interactive", "call_permission_reply", None),
    ("reaction_added", "reaction", None, None),
    ("reaction_removed", "reaction", None, None),
    ("edit", "edit", None, None),
    ("revoke", "revoke", None, None),
    ("request_welcome_legacy", "request_welcome", None, None),
    ("unsupported", "unsupported", "poll", "assumed"),
    ("media_error_131052", "unsupported", None, "assumed"),
]


@pytest.mark.parametrize(("name", "type_", "subtype", "opens"), MESSAGES, ids=[row[0] for row in MESSAGES])
def test_a_live_message_is_its_senders(name: str, type_: str, subtype: str | None, opens: str | None) -> None:
    fact = one(CALLBACKS[f"cloud_inbound_{name}"])

    public = fact.public
    assert (fact.event, fact.line, fact.subject, fact.group_id) == (MessageReceived, LINE, BOTH, None)
    assert (public["type"], public.get("subtype"), public.get("opens")) == (type_, subtype, opens)
    assert (public["source"], public["market"], public.get("direction")) == ("live", "44", None)
    assert public["at"] == public["at_used"] == int(fact.private["item"]["timestamp"])
    assert public["message_key"] == str(IDS.message(fact.private["message_id"]))
    assert (fact.private["from"], fact.private["name"]) == (ANN.value, "Ann Example")


def test_errors_and_the_kind_of_an_advertisement_are_public() -> None:
    assert one(CALLBACKS["cloud_inbound_unsupported"]).public["errors"] == [131051]
    assert one(CALLBACKS["cloud_inbound_media_error_131052"]).public["errors"] == [131052]
    assert one(CALLBACKS["cloud_inbound_referral_ctwa"]).public["referral"] == "ad"


def test_copies_have_other_keys_than_the_live_message_and_open_nothing() -> None:
    live = one(body("messages", messages=[said()]))
    standby = one(body("standby", messages=[said()]))
    thread = {"id": ANN.value, "messages": [said()]}
    notice, history = facts_of(body("history", history=[{"metadata": {"phase": 0}, "threads": [thread]}]))

    assert (notice.event, notice.subject) == (AccountNoticeReceived, Line())
    assert [fact.public["source"] for fact in (live, standby, history)] == ["live", "standby", "history"]
    assert [fact.public.get("opens") for fact in (live, standby, history)] == ["confirmed", None, None]
    assert len({fact.key for fact in (live, standby, history)}) == 3
    assert len({fact.public["message_key"] for fact in (live, standby, history)}) == 1
    assert {fact.subject for fact in (live, standby, history)} == {Person((ANN,))}


def test_copies_open_as_assumed_when_their_rules_are_switched_on() -> None:
    openers = DEFAULT.with_overrides({"standby": True, "history": True})

    (standby,) = facts_of(CALLBACKS["cloud_standby_copy"], openers=openers)
    _, history = facts_of(CALLBACKS["cloud_history_chunk"], openers=openers)

    assert (standby.public["opens"], history.public["opens"]) == ("assumed", "assumed")


def test_an_echo_is_outbound_and_its_receivers() -> None:
    fact = one(CALLBACKS["cloud_smb_message_echo"])

    assert (fact.event, fact.line, fact.subject) == (MessageReceived, LINE, Person((ANN,)))
    assert (fact.public["source"], fact.public["direction"]) == ("echo", "outbound")
    assert "opens" not in fact.public


def test_what_the_business_wrote_in_a_thread_of_the_history_is_outbound_and_the_customers() -> None:
    thread = {"id": ANN.value, "messages": [said(**{"from": "15550100001"})]}

    _, fact = facts_of(body("history", history=[{"threads": [thread]}]))

    assert (fact.public["source"], fact.public["direction"]) == ("history", "outbound")
    assert fact.subject == Person((ANN,))
    assert fact.private["item"]["to"] == ANN.value


def test_a_group_message_is_its_participants_in_the_groups_conversation() -> None:
    fact = one(CALLBACKS["cloud_inbound_group_message"])

    assert (fact.group_id, fact.subject) == ("GRP_Y2FwaV9ncm91cDpleGFtcGxl", BOTH)
    assert fact.public["opens"] == "confirmed"


def test_a_status_of_a_participant_is_the_participants_in_the_groups_conversation() -> None:
    fact = one(CALLBACKS["cloud_status_group_participant_delivered"])

    assert (fact.group_id, fact.subject) == ("GRP_Y2FwaV9ncm91cDpleGFtcGxl", Person((ANN,)))
    assert fact.public["pricing"]["category"] == "group_service"


def test_participants_of_one_group_have_statuses_of_their_own() -> None:
    item = {"id": "wamid.g", "status": "read", "recipient_id": "G", "recipient_type": "group"}
    statuses = [item | {"recipient_participant_id": number} for number in (ANN.value, NEW.value)]

    first, second = facts_of(body("messages", statuses=statuses))

    assert first.key != second.key
    assert first.public["message_key"] == second.public["message_key"]


@pytest.mark.parametrize(
    "name", ["inbound_bsuid_only_text", "status_bsuid_only_delivered", "status_bsuid_only_failed_131047"]
)
def test_a_person_without_a_number_is_known_by_the_user_id_and_its_country_is_an_estimate(name: str) -> None:
    fact = one(CALLBACKS[f"cloud_{name}"])

    assert (fact.subject, fact.public["market"]) == (Person((ANN_ID,)), "bsuid:GB")


def test_a_parent_user_id_is_one_more_alias() -> None:
    parent = Alias(AliasKind.PARENT, "GB.ENT.5550001112223334")

    assert one(CALLBACKS["cloud_inbound_parent_bsuid"]).subject == Person((ANN, ANN_ID, parent))


def test_the_answer_to_our_request_for_the_number_links_it() -> None:
    fact = one(CALLBACKS["cloud_inbound_bsuid_contact_request_reply"])

    assert (fact.subject, fact.public["market"]) == (Person((ANN_ID, ANN)), "44")


@pytest.mark.parametrize("origin", ["other", None])
def test_a_card_that_is_merely_shared_links_nothing(origin: str | None) -> None:
    callback = payload("cloud_inbound_bsuid_contact_request_reply")
    callback["entry"][0]["changes"][0]["value"]["messages"][0]["origin"] = origin

    assert one(callback).subject == Person((ANN_ID,))
    assert one(CALLBACKS["cloud_inbound_contacts"]).subject == BOTH


def test_an_answer_with_several_cards_or_numbers_links_nothing() -> None:
    phones = [{"wa_id": ANN.value}, {"wa_id": NEW.value}]
    asked = {"from": "", "from_user_id": ANN_ID.value, "type": "contacts", "origin": "contact_request"}

    of_numbers = one(body("messages", messages=[said(**asked, contacts=[{"phones": phones}])]))
    of_cards = one(body("messages", messages=[said(**asked, contacts=[{"phones": [one]} for one in phones])]))

    assert (of_numbers.subject, of_cards.subject) == (Person((ANN_ID,)), Person((ANN_ID,)))


def test_a_changed_number_joins_both_and_closes_the_window() -> None:
    fact = one(CALLBACKS["cloud_inbound_system_user_changed_number"])

    assert fact.subject == Person((ANN, NEW), Evidence.CHANGED)
    assert (fact.public["subtype"], fact.public["opens"]) == ("user_changed_number", "closes")


def test_a_changed_user_id_joins_and_leaves_the_window_alone() -> None:
    fact = one(CALLBACKS["cloud_inbound_system_user_changed_user_id"])

    new_id = Alias(AliasKind.BSUID, "GB.9988776655443322110")
    assert fact.subject == Person((NEW, new_id), Evidence.CHANGED)
    assert "opens" not in fact.public


def test_the_customers_call_opens_when_it_connects_and_not_when_it_ends() -> None:
    connect = one(CALLBACKS["cloud_call_connect_user_initiated"])
    end = one(CALLBACKS["cloud_call_terminate"])

    assert (connect.event, connect.subject, connect.public["opens"]) == (CallReceived, BOTH, "confirmed")
    assert (end.event, end.subject, end.public.get("opens")) == (CallReceived, Person((ANN,)), None)
    assert connect.public["call_key"] == end.public["call_key"]
    assert connect.key != end.key


def test_only_an_accepted_call_of_the_business_opens_and_it_is_the_called_persons() -> None:
    states = [
        {
            "id": "wacid.b",
            "type": "call",
            "status": word,
            "timestamp": "1795305600",
            "recipient_id": ANN.value,
        }
        for word in ("RINGING", "REJECTED", "ACCEPTED")
    ]

    facts = facts_of(body("calls", statuses=states))

    assert [fact.public.get("opens") for fact in facts] == [None, None, "confirmed"]
    assert {fact.subject for fact in facts} == {Person((ANN,))}
    assert len({fact.key for fact in facts}) == 3


def test_a_status_shows_its_pricing_and_its_conversation_under_a_keyed_id() -> None:
    public = one(CALLBACKS["cloud_status_sent_cbp_utility"]).public

    assert public["pricing"] == {"model": "CBP", "category": "utility", "billable": True}
    key = str(IDS.key("conversation-id", "9f1c0000000000000000000000000101"))
    assert public["conversation"] == {"key": key, "origin": "utility", "expires_at": 1795395600}


@pytest.mark.parametrize(
    ("name", "type_", "subtype", "category", "billable"),
    [
        ("delivered_paid_exempt_oct2026", "regular", "paid_exempt", "service", True),
        ("delivered_pmp_auth_international", "regular", None, "authentication-international", True),
        ("delivered_pmp_marketing_lite", "regular", None, "marketing_lite", True),
        ("delivered_pmp_service_free_tier_oct2026", "free_customer_service", None, "service", False),
        ("sent_pmp_free_entry_point", "free_entry_point", None, "referral_conversion", False),
    ],
)
def test_a_price_is_recorded_as_whatsapp_names_it(
    name: str, type_: str, subtype: str | None, category: str, *, billable: bool
) -> None:
    pricing = one(CALLBACKS[f"cloud_status_{name}"]).public["pricing"]

    assert pricing["model"] == "PMP"
    assert (pricing["type"], pricing.get("subtype")) == (type_, subtype)
    assert (pricing["category"], pricing["billable"]) == (category, billable)


@pytest.mark.parametrize(
    "code", [130472, 131026, 131031, 131042, 131047, 131049, 131050, 131053, 132015], ids=str
)
def test_a_failed_status_shows_its_code(code: int) -> None:
    (name,) = (name for name in CALLBACKS if name.startswith(f"cloud_status_failed_{code}"))
    fact = one(CALLBACKS[name])

    assert (fact.public["status"], fact.public["code"], fact.subject) == ("failed", code, BOTH)
    assert fact.private["details"]


def test_a_status_that_is_new_to_us_is_recorded_under_its_own_word() -> None:
    status, action = facts_of(CALLBACKS["cloud_status_unknown_type_forward_compat"])

    assert (status.event, status.public["status"]) == (StatusReceived, "vaporized")
    assert (action.event, action.public["event"]) == (
        AccountNoticeReceived,
        "marketing_messages_link_click",
    )


def test_a_status_names_our_send_when_it_carries_our_callback_data() -> None:
    ours = Dispatch(IDS.key("send"), 2, 1_795_305_599)
    item = {"id": "wamid.s", "status": "sent", "recipient_id": ANN.value, "timestamp": "1795305600"}
    mine, theirs = item | {"biz_opaque_callback_data": callback_data.write(ours)}, "gw:job:7f31"

    carried = one(body("messages", statuses=[mine])).public
    foreign = one(body("messages", statuses=[item | {"biz_opaque_callback_data": theirs}])).public

    assert carried["send_id"] == str(ours.send_id)
    assert (carried["attempt"], carried["dispatched_at"]) == (2, 1_795_305_599)
    assert foreign.keys().isdisjoint({"send_id", "attempt", "dispatched_at"})


TEMPLATES: list[tuple[str, dict[str, str]]] = [
    ("status_approved", {"status": "APPROVED", "category": "MARKETING", "language": "en_US"}),
    ("status_paused", {"status": "PAUSED", "category": "MARKETING"}),
    ("status_disabled", {"status": "DISABLED", "category": "MARKETING"}),
    ("status_rejected", {"status": "REJECTED", "reason": "PROMOTIONAL"}),
    ("quality_update", {"quality": "YELLOW", "name": "winter_sale"}),
    ("category_update_done", {"category": "MARKETING", "name": "order_update"}),
    ("category_update_impending", {"category": "UTILITY", "template_id": "1380000000000002"}),
]


@pytest.mark.parametrize(("name", "told"), TEMPLATES, ids=[row[0] for row in TEMPLATES])
def test_a_template_event_says_what_is_true_from_then_on(name: str, told: dict[str, str]) -> None:
    fact = one(CALLBACKS[f"cloud_template_{name}"])

    assert (fact.event, fact.line, fact.subject) == (TemplateChanged, None, Account(ACCOUNT))
    assert told.items() <= fact.public.items()
    assert (fact.public["account"], fact.public["at"]) == (ACCOUNT, 1795309200)


PORTFOLIO = "990000000000001"
NOTICES: list[tuple[str, type[Event], str | None, str | None]] = [
    ("account_update_disabled", AccountNoticeReceived, ACCOUNT, "DISABLED_UPDATE"),
    ("account_update_restriction", AccountNoticeReceived, ACCOUNT, "ACCOUNT_RESTRICTION"),
    (
        "account_update_partner_added_portfolio_entry",
        AccountNoticeReceived,
        "990000000000001",
        "PARTNER_ADDED",
    ),
    ("business_capability_update", AccountNoticeReceived, ACCOUNT, None),
    ("flows_status_change", AccountNoticeReceived, ACCOUNT, "FLOW_STATUS_CHANGE"),
    ("security_pin_changed", AccountNoticeReceived, ACCOUNT, "PIN_CHANGED"),
    ("phone_number_quality_update", LineChanged, ACCOUNT, "THROUGHPUT_UPGRADE"),
]


@pytest.mark.parametrize(("name", "event", "account", "word"), NOTICES, ids=[row[0] for row in NOTICES])
def test_a_notice_is_its_accounts(name: str, event: type[Event], account: str, word: str | None) -> None:
    fact = one(CALLBACKS[f"cloud_{name}"])

    assert (fact.event, fact.line, fact.subject) == (event, None, Account(account))
    assert (fact.public["account"], fact.public.get("event")) == (account, word)


def test_a_line_is_named_by_the_keyed_id_of_its_number() -> None:
    public = one(CALLBACKS["cloud_phone_number_quality_update"]).public

    assert public["limit"] == "TIER_UNLIMITED"
    assert public["number_key"] == str(IDS.number("+1 555-010-0001"))


def test_an_error_of_no_message_and_a_handover_are_notices() -> None:
    error = one(CALLBACKS["cloud_value_level_error"])
    handover = one(CALLBACKS["cloud_messaging_handover_control_passed"])

    assert (error.event, error.subject, error.public["code"]) == (AccountNoticeReceived, Line(), 130429)
    assert (handover.subject, handover.public["event"]) == (Person((ANN,)), "control_passed")


def test_a_persons_preference_is_a_consent() -> None:
    fact = one(CALLBACKS["cloud_user_preferences_stop"])

    assert (fact.event, fact.subject) == (ConsentChanged, BOTH)
    assert (fact.public["category"], fact.public["value"]) == ("marketing_messages", "stop")
    assert (fact.public["source"], fact.public["at"]) == ("whatsapp", 1795309200)


def test_an_unknown_field_is_kept_whole_under_a_key_of_its_own() -> None:
    fact = one(CALLBACKS["cloud_unknown_field"])

    assert (fact.subject, fact.private["item"]) == (Item(ACCOUNT), {"something": {"new": True}})
    assert fact.public == {
        "reason": "unknown field",
        "field": "brand_new_field_2027",
        "account": ACCOUNT,
    }


def test_a_batch_is_taken_apart_entry_by_entry() -> None:
    facts = facts_of(CALLBACKS["cloud_batch_multi_entry_multi_change"])

    assert [(fact.event.TOPIC, fact.line) for fact in facts] == [
        *[("MessageReceived", LINE)] * 2,
        *[("StatusReceived", LINE)] * 3,
        ("StatusReceived", "106000000000002"),
        ("TemplateChanged", None),
    ]
    assert facts[1].subject == Person(
        (Alias(AliasKind.PHONE, "447700900456"), Alias(AliasKind.BSUID, "GB.1112223334445556667"))
    )
    assert facts[-1].subject == Account("102000000000002")
    assert facts[5].public["market"] == "1555"
