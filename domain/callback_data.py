"""What rides in `biz_opaque_callback_data` of every send: whose send a status is about, and when it left.

`ll1.<send_id>.<attempt>.<dispatched_at>`, well under WhatsApp's 512 characters. The caller's own value stays
in the event.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

_FORM: Final = re.compile(r"ll1\.([0-9a-f]{32})\.([0-9]{1,6})\.([0-9]{1,12})")


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One POST of a send."""

    send_id: UUID
    attempt: int
    dispatched_at: int
    """Unix seconds."""


def write(dispatch: Dispatch) -> str:
    """The value to send."""
    return f"ll1.{dispatch.send_id.hex}.{dispatch.attempt}.{dispatch.dispatched_at}"


def read(value: object) -> Dispatch | None:
    """The dispatch that a status carries back; None for anybody else's value."""
    found = _FORM.fullmatch(value) if isinstance(value, str) else None
    return Dispatch(UUID(found[1]), int(found[2]), int(found[3])) if found else None
