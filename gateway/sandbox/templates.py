"""The simulated account's message templates, and how WhatsApp lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

Category = Literal["marketing", "utility", "authentication"]
CATEGORIES: Final[Mapping[str, Category]] = MappingProxyType(
    {"MARKETING": "marketing", "UTILITY": "utility", "AUTHENTICATION": "authentication"}
)
PAGE: Final = 8
"""Templates on one page, whatever is asked for: who doesn't turn the page misses some."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template in one language. Without components it takes any parameters."""

    name: str
    language: str
    category: Category
    number: int
    status: str = "APPROVED"
    components: Sequence[Mapping[str, Any]] | None = None
    parameter_format: Literal["POSITIONAL", "NAMED"] = "POSITIONAL"

    @property
    def id(self) -> int:
        """WhatsApp's own id."""
        return 1_380_000_000_000_000 + self.number

    def entry(self) -> dict[str, Any]:
        """As the account's list shows it."""
        found = {
            "id": str(self.id),
            "name": self.name,
            "language": self.language,
            "status": self.status,
            "category": self.category.upper(),
            "parameter_format": self.parameter_format,
            "quality_score": {"score": "UNKNOWN", "date": 1767225600},
            "rejected_reason": "NONE",
        }
        return found if self.components is None else found | {"components": list(self.components)}


Templates = dict[tuple[str, str], Template]
"""By name and language."""

_ENGLISH: Final = ("en_GB", "en_US")
_APPOINTMENT: Final = (
    {"type": "HEADER", "format": "TEXT", "text": "Appointment"},
    {
        "type": "BODY",
        "text": "Hello {{1}}, we expect you on {{2}}.",
        "example": {"body_text": [["Ann", "Monday"]]},
    },
    {"type": "FOOTER", "text": "Sandbox Surgery"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "I'll be there"},
            {"type": "URL", "text": "Move it", "url": "https://surgery.example/move/{{1}}"},
        ],
    },
)
_SHIPPED: Final = (
    {"type": "HEADER", "format": "TEXT", "text": "Order {{order_number}}"},
    {"type": "BODY", "text": "*{{first_name}}*, your order {{order_number}} left on {{day}}."},
)
_CATALOGUE: Final = (
    {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["https://scontent.example/a"]}},
    {"type": "BODY", "text": "Hello {{1}}, spring is here."},
    {"type": "BUTTONS", "buttons": [{"type": "COPY_CODE", "text": "Copy offer code"}]},
)


def catalogue() -> Templates:
    """The templates of a new sandbox."""
    greeting = ({"type": "BODY", "text": "Hello World"},)
    kinds: list[tuple[str, tuple[str, ...], Category, Any]] = [
        ("hello_world", ("en_US",), "utility", greeting),
        ("order_update", _ENGLISH, "utility", None),
        ("winter_sale", _ENGLISH, "marketing", None),
        ("login_code", _ENGLISH, "authentication", None),
        ("appointment", _ENGLISH, "utility", _APPOINTMENT),
        ("order_shipped", _ENGLISH, "utility", _SHIPPED),
        ("spring_catalogue", _ENGLISH, "marketing", _CATALOGUE),
    ]
    found: Templates = {}
    for name, languages, category, components in kinds:
        named: Literal["POSITIONAL", "NAMED"] = "NAMED" if components is _SHIPPED else "POSITIONAL"
        for language in languages:
            number = len(found) + 1
            found[name, language] = Template(
                name, language, category, number, components=components, parameter_format=named
            )
    return found


def are_components(value: Any) -> bool:
    """Whether a template can be made of them: a BODY, and perhaps others, as the sandbox reads them."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return False
    kinds = [one.get("type") for one in value]
    return "BODY" in kinds and all(map(_is_component, value))


def _is_component(one: Mapping[str, Any]) -> bool:
    match one:
        case {"type": "HEADER", "format": "TEXT"} | {"type": "BODY"}:
            return isinstance(one.get("text"), str)
        case {"type": "HEADER", "format": str()} | {"type": "FOOTER"}:
            return True
        case {"type": "BUTTONS", "buttons": [*buttons]}:
            return all(map(_is_button, buttons))
        case {"type": str(kind)}:
            return kind not in ("HEADER", "BUTTONS")
        case _:
            return False


def _is_button(one: Any) -> bool:
    match one:
        case {"type": "URL"}:
            return isinstance(one.get("url"), str)
        case {"type": str()}:
            return True
        case _:
            return False


def page(templates: Templates, after: str | None, path: str) -> dict[str, Any]:
    """One page of the list, from the cursor `after`: how many came before."""
    listed = [one for one in templates.values() if one.status != "DELETED"]
    start = int(after or 0)
    end = start + PAGE
    paging: dict[str, Any] = {"cursors": {"before": str(start), "after": str(end)}}
    if end < len(listed):
        paging["next"] = f"{path}?after={end}"
    return {"data": [one.entry() for one in listed[start:end]], "paging": paging}
