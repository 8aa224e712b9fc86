"""What somebody asks of a destination, checked field by field."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from domain.destinations import signing
from domain.destinations.model import CARRIED, FORMATS, SOURCES, Filter, Format
from domain.events import TOPICS

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE: Final = re.compile(r"[\x20-\x7e]{1,4000}")
_SECRET: Final = re.compile(r"[\x21-\x7e]{8,256}")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
_OURS: Final = re.compile(
    r"(?i)content-.*|host|connection|transfer-encoding|te|trailer|upgrade|expect|cookie|webhook-.*|x-hub-.*|ledgerline-.*"
)
LONGEST_URL: Final = 2_000
MOST_HEADERS: Final = 20
MOST_WORDS: Final = 100

FIELDS: Final = ("name", "url", "format", "filter", "headers", "secret")
LISTS: Final = ("lines", "topics", "types", "sources")


class NoDestinationError(ValueError):
    """`field` of what was asked is wrong; the text says what would be right."""

    def __init__(self, field: str, right: str) -> None:
        super().__init__(f"{field} must be {right}")
        self.field = field
        self.right = right


@dataclass(frozen=True, slots=True)
class Asked:
    """A destination as it should be."""

    name: str
    url: str
    format: Format
    filter: Filter
    headers: dict[str, str] = field(repr=False)
    secret: str | None = field(repr=False)
    """None: one is to be made."""


def asked(given: Mapping[str, Any], *, lines: Collection[str]) -> Asked:
    """A whole destination; raises NoDestinationError. `lines`: those of the account."""
    known(given, FIELDS)
    form = _format(given.get("format"))
    return Asked(
        name=name(given.get("name")),
        url=url(given.get("url")),
        format=form,
        filter=wanted(given.get("filter", {}), form, lines),
        headers=headers(given.get("headers", {})),
        secret=None if given.get("secret") is None else secret(given["secret"], form),
    )


def known(given: Mapping[str, Any], fields: Iterable[str]) -> None:
    """Refuse a field that there is none of: it is a slip, and would change nothing."""
    fields = list(fields)
    for one in given:
        if one not in fields:
            raise NoDestinationError(str(one)[:64], "left out; the fields are " + ", ".join(fields))


def name(value: object) -> str:
    """A destination's name."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise NoDestinationError(
            "name", "a letter, then at most 63 letters, digits, dots, dashes or underscores"
        )
    return value


def url(value: object) -> str:
    """A URL that can be posted to; where it leads is judged elsewhere."""
    right = f"an https:// URL without user, password or fragment, of at most {LONGEST_URL} characters"
    if not isinstance(value, str) or len(value) > LONGEST_URL or not re.fullmatch(r"[\x21-\x7e]+", value):
        raise NoDestinationError("url", right)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise NoDestinationError("url", right) from None
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        raise NoDestinationError("url", right)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise NoDestinationError("url", f"{right}; credentials go into headers")
    return value


def secret(value: object, form: Format) -> str:
    """What signs."""
    if form == "events":
        try:
            signing.key_of(value if isinstance(value, str) else "")
        except ValueError as error:
            raise NoDestinationError("secret", str(error)) from None
    elif not isinstance(value, str) or not _SECRET.fullmatch(value):
        raise NoDestinationError("secret", "8 to 256 ASCII characters without spaces, such as an app secret")
    return str(value)


def headers(value: object) -> dict[str, str]:
    """Headers of every delivery."""
    if not isinstance(value, dict) or len(value) > MOST_HEADERS:
        raise NoDestinationError("headers", f"an object of at most {MOST_HEADERS} names and texts")
    for one, text in value.items():
        if not isinstance(one, str) or not _TOKEN.fullmatch(one) or _OURS.fullmatch(one):
            shown = str(one)[:64]
            raise NoDestinationError(
                f"headers.{shown}", "the name of a header that deliveries do not set themselves"
            )
        if not isinstance(text, str) or not _VALUE.fullmatch(text) or text != text.strip():
            raise NoDestinationError(f"headers.{one}", "a text of at most 4000 printable ASCII characters")
    return dict(value)


def wanted(value: object, form: Format, lines: Collection[str]) -> Filter:
    """A filter; what could never match is refused."""
    if not isinstance(value, dict):
        raise NoDestinationError("filter", "an object with any of " + ", ".join(LISTS))
    known(value, LISTS)
    lists = {one: _words(value.get(one, []), f"filter.{one}") for one in LISTS}
    _among(lists["lines"], "filter.lines", lines, "lines of this gateway")
    _among(lists["topics"], "filter.topics", TOPICS, "names of events")
    if form == "whatsapp":
        _among(lists["topics"], "filter.topics", sorted(CARRIED), "events that WhatsApp's callbacks bring")
    sources = [one for one in SOURCES if form == "events" or one != "import"]
    _among(lists["sources"], "filter.sources", sources, f"sources that {form} can tell of")
    for one in lists["types"]:
        if not _WORD.fullmatch(one):
            raise NoDestinationError("filter.types", "types of messages as WhatsApp names them, such as text")
    return Filter(**lists)


def _format(value: object) -> Format:
    for form in FORMATS:
        if value == form:
            return form
    raise NoDestinationError("format", " or ".join(FORMATS))


def _words(value: object, named: str) -> frozenset[str]:
    if (
        not isinstance(value, list)
        or len(value) > MOST_WORDS
        or not all(isinstance(one, str) for one in value)
    ):
        raise NoDestinationError(named, f"a list of at most {MOST_WORDS} texts")
    return frozenset(value)


def _among(given: Collection[str], named: str, right: Collection[str], called: str) -> None:
    if wrong := sorted(set(given) - set(right)):
        there_are = ", ".join(right) or "none"
        raise NoDestinationError(named, f"{called}; {wrong[0][:64]!r} is none, there are: {there_are}")
