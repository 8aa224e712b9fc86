"""The policy, case by case: the numbers in the ids are the rows of the policy table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import pytest
from made_events import HOUR, LINE, NOW, call, made, message, send_failed, status

from domain import consent as consents
from domain.consent import NOTHING_KNOWN
from domain.events import CallReceived, ConsentChanged, Event, MessageReceived, SendAccepted
from domain.openers import DEFAULT
from domain.outbound import Malformed, Read, SendRequest, parse_cloud
from domain.policy import ASKS_CONSENT, Allowed, Decision, Mode, Refused, Rules, decide
from domain.templates import Known, check
from domain.window import EMPTY, disputed_by, fold, open_until

MARGIN = 60
PERSON, GROUP = "+447700900123", "Y2FwaV9ncm91cDox"
LINE_B = "106540352242923"


def inbound(
    type_: str,
    at: int = NOW - HOUR,
    *,
    subtype: str | None = None,
    response_source: str | None = None,
    source: str = "live",
    **public: Any,
) -> MessageReceived:
    opens = DEFAULT.of_message(type_, subtype, response_source, source)
    return message(at, opens, type=type_, subtype=subtype, source=source, **public)


def called(event: str, direction: str | None, state: str | None = None, at: int = NOW - HOUR) -> CallReceived:
    opens = DEFAULT.of_call(event, direction, state)
    return call(at, opens, event=event, direction=direction, status=state)


def body(type_: str = "text", **more: Any) -> dict[str, Any]:
    content: Any = [] if type_ == "contacts" else {"body": "Hello"}
    return {"messaging_product": "whatsapp", "to": PERSON, "type": type_, type_: content} | more


def parsed(asked: dict[str, Any]) -> SendRequest:
    request = parse_cloud(json.dumps(asked).encode())
    assert isinstance(request, SendRequest)
    return request


def decided(
    asked: dict[str, Any],
    events: Sequence[Event],
    *,
    mode: Mode = "enforce",
    now: int = NOW,
    category: str | None = None,
    known: Known | None = None,
    **rules: Any,
) -> Decision:
    """The decision about a send on LINE: its window by its own conversation, consent by every line's."""
    request = parsed(asked)
    own = [
        event
        for event in events
        if (event.line, getattr(event, "group_key", None)) == (LINE, request.group_id)
    ]
    window = reduce(fold, own, EMPTY)
    consent = reduce(consents.fold, events, NOTHING_KNOWN) if ASKS_CONSENT[request.kind] else None
    fault = check(request.body["template"], known) if known else None
    return decide(
        request,
        window,
        consent,
        now=now,
        rules=Rules(MARGIN, mode, **rules),
        category=category,
        template=fault,
    )


@dataclass(frozen=True)
class Row:
    number: str
    asked: dict[str, Any]
    events: tuple[Event, ...]
    decision: type[Decision]
    category: str | None = None
    rules: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None


TEXT = body()
GROUP_TEXT = body(to=GROUP, recipient_type="group")
BSUID_TEXT = {"recipient": "GB.7700900123456789012", "type": "text", "text": {"body": "Hello"}}
TEMPLATE = body("template", template={"name": "order_update", "language": {"code": "en_GB"}})
OPEN = (inbound("text"),)
FREE_FORM = ("text", "image", "audio", "video", "document", "sticker", "location", "contacts", "interactive")
CONFIRMED = ("text", "image", "audio", "video", "document", "location", "contacts", "sticker", "order")
REPLIES = ("button_reply", "list_reply", "nfm_reply")
FREE_ENTRY = status(
    NOW, "sent", conversation={"origin": "referral_conversion", "expires_at": NOW + 40 * HOUR}
)
LATE_REFUSAL = status(NOW, "failed", code=131047, dispatched_at=NOW - 1, send_id="s")


def chose(
    value: str, category: str = "marketing_messages", at: int = NOW - HOUR, **public: Any
) -> ConsentChanged:
    known = {"key": f"c{at}", "source": "whatsapp"} | public
    return made(ConsentChanged, category=category, value=value, at_used=at, **known)


STOP, STOP_ALL = chose("stop"), chose("stop", "all")
LIMITED = (status(NOW - HOUR, "failed", code=131049), chose("resume"))
OPTIN = {"consent": "optin"}
US_TEMPLATE = TEMPLATE | {"to": "+14155550123"}


def both(number: str, asked: dict[str, Any]) -> list[Row]:
    return [Row(f"{number}-closed", asked, (), Refused), Row(f"{number}-open", asked, OPEN, Allowed)]


ROWS = [
    *(Row(f"1-{type_}", body(type_), (), Refused) for type_ in FREE_FORM),
    *(Row(f"2-{type_}", TEXT, (inbound(type_),), Allowed) for type_ in CONFIRMED),
    *(Row(f"2-sends-{type_}", body(type_), OPEN, Allowed) for type_ in FREE_FORM),
    Row("3-button", TEXT, (inbound("button"),), Allowed),
    *(Row(f"3-{reply}", TEXT, (inbound("interactive", subtype=reply),), Allowed) for reply in REPLIES),
    Row("4", TEXT, (inbound("text", referral="ad"),), Allowed),
    Row("5", TEXT, (called("connect", "USER_INITIATED"),), Allowed),
    Row("6", TEXT, (called("status", "BUSINESS_INITIATED", "ACCEPTED"),), Allowed),
    Row("7-ringing", TEXT, (called("status", "BUSINESS_INITIATED", "RINGING"),), Refused),
    Row("7-rejected", TEXT, (called("status", "BUSINESS_INITIATED", "REJECTED"),), Refused),
    Row("7-connect", TEXT, (called("connect", "BUSINESS_INITIATED"),), Refused),
    Row("8-terminate-only", TEXT, (called("terminate", "USER_INITIATED"),), Refused),
    Row("9", TEXT, (inbound("text", NOW - 24 * HOUR),), Refused),
    Row("10-at-the-margin", TEXT, (inbound("text", NOW - 24 * HOUR + MARGIN),), Refused),
    Row("10-before-the-margin", TEXT, (inbound("text", NOW - 24 * HOUR + MARGIN + 1),), Allowed),
    Row("11", TEXT, (inbound("reaction"),), Refused),
    *(
        Row(
            f"{number}-{by}",
            TEXT,
            (inbound("interactive", subtype="call_permission_reply", response_source=by),),
            Refused,
        )
        for number, by in (("12", "user_action"), ("13", "automatic"))
    ),
    Row("14-edit", TEXT, (inbound("edit"),), Refused),
    Row("14-revoke", TEXT, (inbound("revoke"),), Refused),
    Row("15", TEXT, (inbound("unsupported"),), Allowed),
    Row("16-system", TEXT, (inbound("system", subtype="user_changed_user_id"),), Refused),
    Row("16-request-welcome", TEXT, (inbound("request_welcome"),), Refused),
    Row("16-read-receipt", TEXT, (status(NOW - HOUR, "read"),), Refused),
    Row("17-echo", TEXT, (inbound("text", source="echo"),), Refused),
    Row(
        "17-own-send",
        TEXT,
        (made(SendAccepted, send_id="s", attempt=1, dispatched_at=NOW, message_key="m"),),
        Refused,
    ),
    Row("17-delivered-template", TEXT, (status(NOW - HOUR, "delivered"),), Refused),
    Row("18", TEXT, (inbound("text", source="history"),), Refused),
    Row("19", TEXT, (inbound("text", source="standby"),), Refused),
    Row("20", TEXT, (inbound("text", group_key=GROUP),), Refused),
    Row("21", GROUP_TEXT, (inbound("text", group_key=GROUP, participant_key="p"),), Allowed),
    Row("22", GROUP_TEXT, (inbound("text", NOW - 25 * HOUR, group_key=GROUP), *OPEN), Refused),
    Row("23", TEXT, (inbound("text", line=LINE_B),), Refused),
    Row("24", TEXT, (inbound("text", NOW - 30 * HOUR, referral="ad"), FREE_ENTRY), Refused),
    Row("25", TEXT, (inbound("text", NOW - int(23.6 * HOUR)), LATE_REFUSAL), Refused),
    Row(
        "25-answered-at-once", TEXT, (inbound("text", NOW - int(23.6 * HOUR)), send_failed(NOW - 1)), Refused
    ),
    Row("26", TEXT, (inbound("text", NOW - int(23.6 * HOUR)), LATE_REFUSAL, inbound("text", NOW)), Allowed),
    Row("27", TEXT, (inbound("text", NOW - 601), LATE_REFUSAL), Allowed),
    Row("28", TEXT, (inbound("text"), inbound("system", NOW, subtype="user_changed_number")), Refused),
    Row("29", TEXT, (inbound("text", NOW - 25 * HOUR),), Refused),
    Row("30", BSUID_TEXT, OPEN, Allowed),
    *both("31", body("reaction")),
    *both("32", body("hologram")),
    Row("34-text", body(category="utility"), (), Allowed),
    Row("34-interactive", body("interactive", category="utility"), (), Allowed),
    Row("35", body(category="authentication"), (), Allowed),
    Row("36", BSUID_TEXT | {"category": "authentication"}, (), Allowed),
    *both("37", body(category="service")),
    *both("38-marketing", body(category="marketing")),
    *both("38-unknown", body(category="Utility!")),
    *(
        row
        for type_ in ("image", "location", "sticker", "reaction")
        for row in both(f"39-{type_}", body(type_, category="utility"))
    ),
    Row("40-closed", TEMPLATE, (), Allowed),
    Row("40-open", TEMPLATE, OPEN, Allowed),
    *(
        Row(f"40-{category}-{name}", TEMPLATE, events, Allowed, category)
        for category in ("utility", "authentication")
        for name, events in (("none", ()), ("stop", (STOP,)), ("stop-open", (STOP, *OPEN)))
    ),
    Row("34-marketing-stop", body(category="utility"), (STOP,), Allowed),
    Row("34-stop-of-all", body(category="utility"), (STOP_ALL,), Refused, reason="opted_out"),
    Row("35-stop-of-all", body(category="authentication"), (STOP_ALL,), Allowed),
    Row("41", TEMPLATE, (STOP_ALL,), Refused, "utility", reason="opted_out"),
    Row("41-open", TEMPLATE, (STOP_ALL, *OPEN), Refused, "utility", reason="opted_out"),
    Row("41-resumed", TEMPLATE, (STOP_ALL, chose("resume", "all", NOW)), Allowed, "utility"),
    Row("41-marketing-resumed", TEMPLATE, (STOP_ALL, chose("resume", at=NOW)), Allowed, "utility"),
    Row("42", TEMPLATE, (STOP_ALL,), Allowed, "authentication"),
    Row("43-optout", TEMPLATE, (), Allowed, "marketing"),
    Row("43-optin", TEMPLATE, (), Refused, "marketing", OPTIN, "no_opt_in"),
    Row("43-optin-given", TEMPLATE, (chose("resume"),), Allowed, "marketing", OPTIN),
    Row(
        "43-optin-by-keyword",
        TEMPLATE,
        (chose("resume", "all", source="keyword"),),
        Refused,
        "marketing",
        OPTIN,
        "no_opt_in",
    ),
    *(
        Row(f"44-{name}", TEMPLATE, (STOP, *more), Refused, "marketing", reason="opted_out")
        for name, more in (("closed", ()), ("open", OPEN))
    ),
    Row("44-all", TEMPLATE, (STOP_ALL,), Refused, "marketing", reason="opted_out"),
    Row("44-another-line", TEMPLATE, (chose("stop", line=LINE_B),), Refused, "marketing"),
    Row("44-131050-by-status", TEMPLATE, (status(NOW, "failed", code=131050),), Refused, "marketing"),
    Row("44-131050-at-once", TEMPLATE, (send_failed(NOW, 131050),), Refused, "marketing"),
    Row("45", TEMPLATE, (chose("resume", at=NOW), STOP), Allowed, "marketing"),
    Row(
        "45-after-131050",
        TEMPLATE,
        (chose("resume", at=NOW), send_failed(NOW - 1, 131050)),
        Allowed,
        "marketing",
    ),
    Row("46", TEMPLATE, (STOP,), Allowed),
    Row("48-stop-of-all", TEMPLATE, (STOP_ALL,), Allowed),
    # What comes by /marketing_messages is marketing; over HTTP: test_consents.py.
    Row("49", TEMPLATE, (), Allowed, "marketing"),
    Row("49-stop", TEMPLATE, (STOP, *OPEN), Refused, "marketing", reason="opted_out"),
    Row("50-closed", TEMPLATE, LIMITED, Refused, "marketing", reason="recently_limited"),
    Row("50-open", TEMPLATE, (*LIMITED, *OPEN), Allowed, "marketing"),
    Row("50-utility", TEMPLATE, LIMITED, Allowed, "utility"),
    Row("50-at-once", TEMPLATE, (send_failed(NOW - HOUR, 131049),), Refused, "marketing"),
    Row("50-a-day-later", TEMPLATE, (status(NOW - 24 * HOUR, "failed", code=131049),), Allowed, "marketing"),
    Row("51", US_TEMPLATE, (), Allowed, "marketing"),
    Row("51-refused", US_TEMPLATE, (), Refused, "marketing", {"refuse_us_marketing": True}, "us_marketing"),
    Row("51-utility", US_TEMPLATE, (), Allowed, "utility", {"refuse_us_marketing": True}),
    Row("51-elsewhere", TEMPLATE, (), Allowed, "marketing", {"refuse_us_marketing": True}),
    Row(
        "51-canada",
        TEMPLATE | {"to": "+14165550123"},
        (),
        Allowed,
        "marketing",
        {"refuse_us_marketing": True},
    ),
]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.number) for row in ROWS])
def test_the_policy_decides_as_the_table_says(row: Row) -> None:
    decision = decided(row.asked, row.events, category=row.category, **row.rules)

    assert type(decision) is row.decision
    assert row.reason in (None, decision.reason)


def test_row_8_a_call_opens_from_its_connect_not_from_its_end() -> None:
    events = (
        called("connect", "USER_INITIATED", at=NOW - HOUR),
        called("terminate", "USER_INITIATED", at=NOW),
    )
    assert open_until(reduce(fold, events, EMPTY)) == NOW + 23 * HOUR


def test_row_10_within_the_margin_the_window_itself_is_still_open() -> None:
    window = fold(EMPTY, inbound("text", NOW - 24 * HOUR + MARGIN))
    assert window.is_open(NOW)
    assert decide(parsed(TEXT), window, now=NOW, rules=Rules(MARGIN)).reason == "window_closing"


def test_row_27_a_doubted_refusal_is_named() -> None:
    assert disputed_by(reduce(fold, (inbound("text", NOW - 601), LATE_REFUSAL), EMPTY)) == "s"


def test_row_33_read_receipts_and_typing_need_no_decision() -> None:
    receipt = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A"}
    for asked in (receipt, receipt | {"typing_indicator": {"type": "text"}}):
        assert parse_cloud(json.dumps(asked).encode()) == Read(asked)


@pytest.mark.parametrize(
    ("status", "codes"),
    [
        ("PAUSED", (132015, 2061)),
        ("DISABLED", (132016, 2062)),
        ("REJECTED", (132001, 2001)),
        ("PENDING", (132001, 2001)),
        ("DELETED", (132001, 2001)),
    ],
)
def test_row_47_a_template_known_to_be_unsendable_is_refused(status: str, codes: tuple[int, int]) -> None:
    decision = decided(TEMPLATE, OPEN, category="utility", known=Known(status=status))

    assert isinstance(decision, Refused)
    assert (decision.refusal.cloud_code, decision.refusal.onprem_code) == codes
    assert decision.recorded(1)["parameter"] == "name"
    observed = decided(TEMPLATE, (), mode="observe", known=Known(status=status))
    assert isinstance(observed, Allowed)
    assert observed.observed


def test_row_48_a_template_that_nobody_told_of_is_forwarded() -> None:
    assert isinstance(decided(TEMPLATE, ()), Allowed)
    assert isinstance(decided(TEMPLATE, (), known=Known(status="APPROVED")), Allowed)


def test_what_a_person_chose_comes_before_a_fault_of_the_template() -> None:
    decision = decided(TEMPLATE, (STOP,), category="marketing", known=Known(status="PAUSED"))
    assert (decision.reason, decision.fault) == ("opted_out", None)


def test_row_52_an_observing_line_lets_pass_and_says_what_it_would_have_refused() -> None:
    decision = decided(TEXT, (), mode="observe")
    assert isinstance(decision, Allowed)
    recorded = decision.recorded(7)
    assert (recorded["mode"], recorded["reason"], recorded["observed"]) == ("observe", "never_opened", True)
    assert "observed" not in decided(TEXT, OPEN, mode="observe").recorded(7)


def test_an_observing_line_lets_pass_what_a_person_does_not_want() -> None:
    recorded = decided(TEMPLATE, (STOP,), category="marketing", mode="observe").recorded(7)

    assert (recorded["allowed"], recorded["observed"], recorded["reason"]) == (True, True, "opted_out")


def test_a_decision_records_the_choice_it_saw() -> None:
    seen = decided(TEMPLATE, (STOP, *LIMITED[:1]), category="marketing").recorded(7)["consent"]
    stop = {"state": "stop", "source": "whatsapp", "at": NOW - HOUR, "key": f"c{NOW - HOUR}"}

    assert seen == stop | {"limited_at": NOW - HOUR}
    assert decided(TEMPLATE, ()).recorded(7)["consent"] == {"state": "none"}
    assert decided(TEXT, (STOP,)).recorded(7)["consent"] is None


def test_row_53_a_bsuid_in_to_is_refused_naming_recipient() -> None:
    answer = parse_cloud(json.dumps(body(to="GB.7700900123456789012")).encode())
    assert isinstance(answer, Malformed)
    assert (answer.code, answer.field) == (131009, "recipient")


def test_row_54_with_both_recipients_to_decides() -> None:
    request = parsed(body(recipient="GB.7700900123456789012"))
    assert (request.to, request.recipient, request.contact) == ("447700900123", None, "447700900123")


def test_a_decision_records_what_the_policy_saw() -> None:
    assert decided(TEXT, OPEN).recorded(42) == {
        "allowed": True,
        "mode": "enforce",
        "reason": "window_open",
        "policy_version": 3,
        "window": {"open_until": NOW + 23 * HOUR, "opened_by": f"m{NOW - HOUR}", "as_of": 42},
        "consent": None,
    }
    refused = decided(TEXT, OPEN, now=NOW + 30 * HOUR)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.recorded(42)["allowed"]) == ("window_closed", False)


def test_a_window_that_no_longer_counts_names_no_opener() -> None:
    events = (inbound("text"), inbound("system", NOW, subtype="user_changed_number"))
    seen = decided(TEXT, events).recorded(1)["window"]
    assert seen == {"open_until": None, "opened_by": None, "as_of": 1}
