"""WhatsApp's answer on its way to the caller, as it comes."""

from __future__ import annotations

from typing import Final

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict

from gateway import errors

ASKED: Final = (
    *(hdrs.ACCEPT, hdrs.ACCEPT_LANGUAGE, hdrs.USER_AGENT, hdrs.RANGE),
    *(hdrs.IF_RANGE, hdrs.IF_NONE_MATCH, hdrs.IF_MODIFIED_SINCE),
)
"""Headers of a request that go on to WhatsApp: none that could hold a secret or a place of ours."""
ANSWERED: Final = (
    *(hdrs.CONTENT_TYPE, hdrs.CONTENT_LENGTH, hdrs.CONTENT_RANGE, hdrs.CONTENT_DISPOSITION),
    *(hdrs.ACCEPT_RANGES, hdrs.ETAG, hdrs.LAST_MODIFIED, hdrs.CACHE_CONTROL, hdrs.EXPIRES, hdrs.RETRY_AFTER),
    *("facebook-api-version", "x-business-use-case-usage", "x-app-usage"),
    *("x-fb-trace-id", "x-fb-request-id", "x-fb-rev"),
)
"""Headers of an answer that go on to the caller."""
REDIRECTS: Final = range(300, 400)
NOT_MODIFIED: Final = 304


def asked(request: web.Request) -> CIMultiDict[str]:
    """The headers to send on. Uncompressed: so the length of the answer stays true."""
    kept = {name: request.headers[name] for name in ASKED if name in request.headers}
    return CIMultiDict(kept | {hdrs.ACCEPT_ENCODING: "identity"})


def length_of(request: web.Request) -> int | None:
    """Bytes of the body as it is read; None where that isn't known beforehand, as when it came compressed."""
    return None if hdrs.CONTENT_ENCODING in request.headers else request.content_length


def answered(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The headers to answer with."""
    kept = {name: response.headers[name] for name in ANSWERED if name in response.headers}
    if hdrs.CONTENT_ENCODING in response.headers:
        kept.pop(hdrs.CONTENT_LENGTH, None)
    return kept


def redirects(response: aiohttp.ClientResponse) -> bool:
    """Whether WhatsApp sends the caller elsewhere, which is not followed: the token would go along."""
    return response.status in REDIRECTS and response.status != NOT_MODIFIED


async def stream(request: web.Request, response: aiohttp.ClientResponse) -> web.StreamResponse:
    """Answer with what WhatsApp answers, chunk by chunk; closes the response."""
    answer = web.StreamResponse(status=response.status, headers=answered(response))
    async with response:
        await answer.prepare(request)
        try:
            async for chunk in response.content.iter_chunked(64 * 1024):
                await answer.write(chunk)
            await answer.write_eof()
        except (aiohttp.ClientError, TimeoutError, OSError):
            # Begun and not to be ended: only a broken connection tells the caller that it isn't all.
            if request.transport is not None:
                request.transport.abort()
    return answer


def lost() -> web.Response:
    """A change may have been made (Graph dialect)."""
    details = "WhatsApp's answer was lost: the change may have been made. Look before you repeat it."
    return errors.graph(500, 131000, "Something went wrong", details=details)


def redirected() -> web.Response:
    """A redirect, which is not followed (Graph dialect)."""
    details = "WhatsApp answered with a redirect, which the gateway does not follow."
    return errors.graph(500, 131000, "Something went wrong", details=details)
