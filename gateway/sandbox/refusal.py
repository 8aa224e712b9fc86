"""Graph's error answers (Cloud API reference, section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

TITLES: Final[Mapping[int, str]] = MappingProxyType(
    {
        33: "Business phone number does not exist",
        100: "Invalid parameter",
        190: "Invalid OAuth access token",
        131000: "Something went wrong",
        131008: "Required parameter is missing",
        131009: "Parameter value is not valid",
        131047: "Re-engagement message",
        131055: "Method not allowed",
        131056: "(Business Account, Consumer Account) pair rate limit hit",
        131062: "Recipient not supported for this message",
        130429: "Rate limit hit",
        132000: "Number of parameters does not match the expected number of params",
        132001: "Template name does not exist in the translation",
        132005: "Translated text too long",
        132012: "Parameter format does not match format in the created template",
        132015: "Template is paused",
        132016: "Template is disabled",
        132018: "There is an issue with the parameters in your template",
    }
)
STATUSES: Final[Mapping[int, int]] = MappingProxyType(
    {190: 401, 131000: 500, 131016: 500, 132001: 404, 10: 403}
)
RE_ENGAGEMENT: Final = 131047
ASKED_FOR: Final = "The sandbox was asked for this error."
RE_ENGAGEMENT_DETAILS: Final = "More than 24 hours have passed since the recipient last replied."


class Refusal(Exception):  # noqa: N818 - it is what WhatsApp answers, no failure of ours
    """A Graph error: HTTP status, code and what it says."""

    def __init__(
        self, code: int, details: str, *, http_status: int | None = None, subcode: int | None = None
    ) -> None:
        super().__init__(f"(#{code}) {TITLES.get(code, 'Error')}")
        self.code = code
        self.details = details
        self.http_status = http_status or STATUSES.get(code, 400)
        self.subcode = subcode

    def body(self, trace: str) -> dict[str, Any]:
        """Graph's error envelope."""
        error: dict[str, Any] = {
            "message": str(self),
            "type": "OAuthException",
            "code": self.code,
            "error_data": {"messaging_product": "whatsapp", "details": self.details},
            "fbtrace_id": trace,
        }
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        return {"error": error}


def no_such_object(path: str) -> Refusal:
    """What Graph says of an object or an edge it does not know."""
    return Refusal(100, f"Unsupported request: '{path}' does not exist or has no such edge.", subcode=33)
