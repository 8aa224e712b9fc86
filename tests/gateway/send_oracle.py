"""What should become of each send, kept in plain dicts; shares no code with what it judges."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

DAY = 24 * 3600
MARGIN = 60
DOUBT = 23 * 3600
"""A refusal so long after the opener is believed, an earlier one is doubted."""

SAFE, NO, UNSAFE = "safe", "no", "unsafe"
CODES = {
    **dict.fromkeys((4, 80007, 130429, 131056), SAFE),
    **dict.fromkeys((100, 190, 131026, 132001), NO),
    **dict.fromkeys((1, 2, 131000, 131016, 131057), UNSAFE),
}
"""Some of each kind (Cloud API reference, section 7)."""

RANK = ("sent", "delivered", "read")


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with one POST."""

    name: str
    code: int = 0
    http_status: int = 0

    def __repr__(self) -> str:
        return f"<{self.name}{f' {self.code}/{self.http_status}' if self.code else ''}>"


NONE = Trouble("none")
SYNC = Trouble("sync_131047")
LOST_ANSWER = Trouble("lost answer")
SLOW = Trouble("slow")
LOST_REQUEST = Trouble("lost request")
NO_GRAPH = Trouble("no Graph answer")
UNREACHABLE = Trouble("unreachable")
ERRORS = [
    Trouble("error", code, status)
    for code, status in (
        *((4, 400), (80007, 429), (130429, 400), (131056, 400), (130429, 500)),
        *((100, 400), (190, 401), (131026, 400), (131026, 500), (132001, 404)),
        *((1, 400), (2, 503), (131000, 500), (131000, 400), (131016, 503), (131057, 500)),
        *((999001, 400), (999001, 422), (999001, 500), (999001, 503)),
    )
]
TROUBLES = [NONE, SYNC, LOST_ANSWER, SLOW, LOST_REQUEST, NO_GRAPH, UNREACHABLE, *ERRORS]


@dataclass
class Attempt:
    """One POST: what its gateway saw of it, and what else came to light."""

    outcome: str
    http_status: int
    code: int | None = None
    is_safe: bool = False
    is_taken: bool = False
    """Whether WhatsApp accepted a message."""
    settled: str | None = None
    """As what an operator settled it."""
    words: set[str] = field(default_factory=set)
    """The statuses that a gateway has been told."""

    @property
    def is_open(self) -> bool:
        """Whether nobody but WhatsApp can tell what became of it."""
        return self.outcome == "unknown" and self.settled is None


@dataclass
class Sent:
    """One send, by its id."""

    send_id: str
    body: Any
    key: str | None
    attempts: list[Attempt] = field(default_factory=list)
    """None of a send that was refused."""

    @property
    def last(self) -> Attempt:
        return self.attempts[-1]

    @property
    def stands(self) -> str:
        """What its key and an operator are answered."""
        if not self.attempts:
            return "refused"
        if self.reached or any("accepted" in (one.outcome, one.settled) for one in self.attempts):
            return "accepted"
        return self.last.settled or self.last.outcome

    @property
    def reached(self) -> str | None:
        words = {word for one in self.attempts for word in one.words}
        return max(words, key=RANK.index) if words else None

    @property
    def state(self) -> str:
        """Its state by GET /api/messages."""
        return self.reached or self.stands

    @property
    def binds(self) -> bool:
        """Whether its key is bound to it for ever."""
        return self.stands != "refused" and not (len(self.attempts) == 1 and self.last.is_safe)


class Oracle:
    """Knows what the gateways were told and what they were asked."""

    def __init__(self) -> None:
        self.sends: dict[str, Sent] = {}
        self.words: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        """The statuses that a gateway has been told, by send and attempt."""
        self.opened: dict[str, int] = {}
        self.denied: dict[str, int] = {}
        """When the newest send that WhatsApp refused with 131047 had left."""

    def hear(self, callback: Any) -> None:
        """A gateway has acknowledged this callback."""
        for entry in callback["entry"]:
            for change in entry["changes"]:
                for message in change["value"].get("messages", ()):
                    person, at = message["from"], int(message["timestamp"])
                    self.opened[person] = max(self.opened.get(person, 0), at)
                for status in change["value"].get("statuses", ()):
                    send_id, attempt, _ = of_callback_data(status["biz_opaque_callback_data"])
                    self.words[send_id, attempt].add(status["status"])

    def bound(self, key: str | None) -> Sent | None:
        """The send that a key is bound to."""
        return next((one for one in self.sends.values() if key and one.key == key and one.binds), None)

    def may_leave(self, body: Any, now: float) -> bool:
        """Whether the policy lets a send to this person pass."""
        if body["type"] == "template":
            return True
        person = body["to"].removeprefix("+")
        opened, denied = self.opened.get(person), self.denied.get(person, 0)
        if opened is None or now >= opened + DAY - MARGIN:
            return False
        return denied < opened + DOUBT

    def refuse(self, send_id: str, body: Any, key: str | None) -> Sent:
        """The policy refused it."""
        return self._asked(send_id, body, key)

    def post(self, send_id: str, body: Any, key: str | None, trouble: Trouble) -> Attempt:
        """It was posted for the first time."""
        return self.repeat(self._asked(send_id, body, key), trouble)

    def repeat(self, sent: Sent, trouble: Trouble) -> Attempt:
        """It was posted, once more or for the first time."""
        attempt = fate(trouble, sent.body)
        attempt.words = self.words[sent.send_id, len(sent.attempts) + 1]
        sent.attempts.append(attempt)
        return attempt

    @property
    def taken(self) -> set[tuple[str, int]]:
        """What WhatsApp accepted."""
        return {
            (sent.send_id, nth)
            for sent in self.sends.values()
            for nth, attempt in enumerate(sent.attempts, 1)
            if attempt.is_taken
        }

    @property
    def settled_by_status(self) -> set[tuple[str, int]]:
        """The unknown attempts of which a status tells, with nobody else having settled them."""
        return {
            (sent.send_id, len(sent.attempts))
            for sent in self.sends.values()
            if sent.attempts and sent.last.is_open and sent.last.words
        }

    def _asked(self, send_id: str, body: Any, key: str | None) -> Sent:
        assert send_id not in self.sends, "two sends with one id"
        self.sends[send_id] = Sent(send_id, body, key)
        return self.sends[send_id]


def fate(trouble: Trouble, body: Any) -> Attempt:
    """What becomes of one POST, and its answer when no status tells more."""
    accepted, unknown = Attempt("accepted", 200, is_taken=True), Attempt("unknown", 500, 131000)
    match trouble.name:
        case "none":
            return accepted
        case "sync_131047":
            return Attempt("failed", 400, 131047) if body["type"] == "text" else accepted
        case "lost answer" | "slow":
            return replace(unknown, is_taken=True)
        case "lost request" | "no Graph answer":
            return unknown
        case "unreachable":
            return Attempt("failed", 503, 131016, is_safe=True)
        case _:
            unlisted = NO if 400 <= trouble.http_status < 500 else UNSAFE
            verdict = CODES.get(trouble.code, unlisted)
            failed = Attempt("failed", trouble.http_status, trouble.code, is_safe=verdict == SAFE)
            return unknown if verdict == UNSAFE else failed


def of_callback_data(data: str) -> tuple[str, int, int]:
    """Send, attempt, and the Unix second in which it left."""
    _, send_id, attempt, at = data.split(".")
    return str(UUID(send_id)), int(attempt), int(at)
