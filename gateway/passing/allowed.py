"""What of the Graph API is passed on, and for whom: everything that is not named here is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from gateway.auth import Scope
from gateway.settings import Settings

MEGABYTE: Final = 1024 * 1024
FACTS: Final = (Scope.SEND, Scope.READ)
PERSONAL: Final = (Scope.SEND, Scope.CONTENT)


class Owner(Enum):
    """What the first part of a path names."""

    LINE = auto()
    ACCOUNT = auto()
    OBJECT = auto()
    """A line, the account, a template, a media file or a flow: Graph's ids don't tell which."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One edge of Graph that is passed on."""

    field: str
    """As the log names it."""
    owner: Owner
    readers: tuple[Scope, ...] = ()
    """Any of these scopes may GET; empty: no GET."""
    changes: tuple[str, ...] = ()
    """Methods that change something."""
    changers: tuple[Scope, ...] = (Scope.SEND,)
    limit: int = 4 * MEGABYTE
    """Bytes of a request's body."""
    files: bool = False
    """Takes multipart forms, which are streamed."""
    personal: bool = False
    """Its body names people."""
    secret: bool = False
    """Its body holds a secret, which is not recorded."""


OBJECT: Final = Passage("object", Owner.OBJECT, (*FACTS, Scope.CONTENT), ("POST", "DELETE"))
PASSAGES: Final[Mapping[str, Passage]] = {
    "": OBJECT,
    "media": Passage("media", Owner.LINE, (), ("POST",), limit=101 * MEGABYTE, files=True),
    "whatsapp_business_profile": Passage("whatsapp_business_profile", Owner.LINE, FACTS, ("POST",)),
    "block_users": Passage("block_users", Owner.LINE, PERSONAL, ("POST", "DELETE"), personal=True),
    "register": Passage("register", Owner.LINE, (), ("POST",), (Scope.ADMIN,), secret=True),
    "deregister": Passage("deregister", Owner.LINE, (), ("POST",), (Scope.ADMIN,), secret=True),
    "phone_numbers": Passage("phone_numbers", Owner.ACCOUNT, FACTS),
    "message_templates": Passage("message_templates", Owner.ACCOUNT, FACTS, ("POST", "DELETE")),
    "unpause": Passage("message_templates", Owner.OBJECT, (), ("POST",)),
    "flows": Passage("flows", Owner.ACCOUNT, FACTS, ("POST",), limit=11 * MEGABYTE, files=True),
    "assets": Passage("flows", Owner.OBJECT, FACTS, ("POST",), limit=11 * MEGABYTE, files=True),
    "publish": Passage("flows", Owner.OBJECT, (), ("POST",)),
    "deprecate": Passage("flows", Owner.OBJECT, (), ("POST",)),
}
"""By the last part of the path; "" is the object itself. WhatsApp takes media of 100 MB, flows of 10 MB."""

OBJECT_FIELDS: Final = frozenset(
    {"category", "components", "cta_url_link_tracking_opted_out", "message_send_ttl_seconds"}
    | {"parameter_format", "allow_category_change", "name", "language", "categories", "endpoint_uri"}
    | {"application_id", "messaging_product"}
)
"""What may be changed of an object: a template's and a flow's fields. A number has others (its webhook)."""

KINDS: Final[Mapping[str, str]] = {
    "mime_type": "media",
    "components": "message_templates",
    "categories": "flows",
}
"""What may be changed by its id, by a field that WhatsApp tells of each of these and of nothing else."""

SECRETS: Final = frozenset({"access_token", "appsecret_proof"})
"""Parameters that are the caller's and stay here."""
OVERRIDES: Final = frozenset({"method", "batch", "ids"})
"""Parameters by which Graph would do something else than the path says."""
CLOSED_FIELDS: Final = ("access_token", "block_users")
"""What a field expansion must not reach."""

_PATH: Final = re.compile(r"(?P<id>\d{1,32})(?:/(?P<edge>[a-z_]+))?/?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Allowed:
    """A request that may be passed on."""

    passage: Passage
    id: str
    changes: bool
    line: str | None
    """The line that the path names."""

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Any of these is enough."""
        return self.passage.changers if self.changes else self.passage.readers


def find(method: str, path: str, settings: Settings) -> Allowed | None:
    """What the request is, or None when it isn't passed on. `path` follows the version."""
    match = _PATH.fullmatch(path)
    passage = PASSAGES.get(match["edge"] or "") if match else None
    if match is None or passage is None:
        return None
    reads = method in ("GET", "HEAD") and bool(passage.readers)
    changes = method in passage.changes
    named = match["id"]
    ours = named in settings.lines or named == settings.waba
    if not (reads or changes) or (changes and passage.owner is Owner.OBJECT and ours):
        return None
    is_line = passage.owner is Owner.LINE or (passage.owner is Owner.OBJECT and named in settings.lines)
    return Allowed(passage, named, changes, named if is_line else None)


def not_ours(allowed: Allowed, settings: Settings) -> str | None:
    """Why the line or account of the path is none of this gateway's."""
    if allowed.line is not None and allowed.line not in settings.lines:
        return f"Line {allowed.line} is not configured in this gateway (LEDGERLINE_LINES)."
    if allowed.passage.owner is Owner.ACCOUNT and allowed.id != settings.waba:
        return f"Account {allowed.id} is not configured in this gateway (LEDGERLINE_WABA)."
    return None


def lacks_account(allowed: Allowed, settings: Settings) -> bool:
    """Whether the path is an account's while no account is configured: the token may reach several."""
    return allowed.passage.owner is Owner.ACCOUNT and settings.waba is None


def forbidden(parameters: Iterable[tuple[str, str]]) -> str | None:
    """Which query parameter would reach what the path doesn't name."""
    for name, value in parameters:
        read = meant(name)
        expands = read.startswith("fields") and any(field in value.lower() for field in CLOSED_FIELDS)
        if read in OVERRIDES or expands:
            return name
    return None


def meant(name: str) -> str:
    """The parameter that a lenient reader takes `name` for: ` access.token[0]` is access_token to some."""
    return re.split(r"[\[\0]", name.strip())[0].replace(".", "_").replace(" ", "_").lower()
