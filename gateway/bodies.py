"""A body has to come in time: whoever drips would hold memory and a connection for as long as they like."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from aiohttp import web

BODY: Final = 60.0
"""Seconds in which a body of up to 4 MB must have come."""
UPLOAD: Final = 540.0
"""Seconds in which a file must have come: less than its way to WhatsApp may take (gateway/upstream.py)."""


class Deadline:
    """Until when a request's body must be whole; after that, whoever reads it gets HTTPRequestTimeout."""

    def __init__(self, request: web.Request) -> None:
        self._content = request.content
        self._timer = asyncio.get_running_loop().call_later(BODY, self._pass, BODY)
        self.is_past = False

    def put_off(self, seconds: float) -> None:
        """Give it so many seconds from now."""
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._pass, seconds)

    def end(self) -> None:
        """The request is answered; what is left of its body is nobody's business."""
        self._timer.cancel()
        if self.is_past:
            # aiohttp reads on for a while: it takes a TimeoutError for the end, anything else for a bug.
            self._content.set_exception(TimeoutError())

    def _pass(self, seconds: float) -> None:
        if not self._content.is_eof():
            self.is_past = True
            self._content.set_exception(
                web.HTTPRequestTimeout(text=f"The body was not whole within {seconds:g} seconds.")
            )


_DEADLINE: Final = web.RequestKey("deadline", Deadline)


@contextlib.contextmanager
def in_time(request: web.Request) -> Iterator[Deadline | None]:
    """Hold the request's body to its deadline; None when it is there already, as most are."""
    if request.content.is_eof():
        yield None
        return
    deadline = request[_DEADLINE] = Deadline(request)
    try:
        yield deadline
    finally:
        deadline.end()


def is_file(request: web.Request) -> None:
    """The body is a file, which may take longer."""
    if _DEADLINE in request:
        request[_DEADLINE].put_off(UPLOAD)
