"""Around every handler: no request ends without an answer in its caller's dialect."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway import bodies, errors
from gateway.gateway import GATEWAY
from gateway.logs import get_logger, where
from gateway.store.outcomes import NotTaken
from gateway.store.postgres import DATABASE_GONE

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def in_dialect(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is answered in the dialect of the path; what ends by itself is timed."""
    started = time.perf_counter()
    with bodies.in_time(request) as deadline:
        answer = await _answer(request, handler)
    if deadline is not None and deadline.is_past and not answer.prepared:
        answer.force_close()
    resource = request.match_info.route.resource
    route = resource.canonical if resource else "unknown"
    gateway = request.app.get(GATEWAY)
    if gateway is not None and answer.content_type != "text/event-stream":
        took = time.perf_counter() - started
        gateway.metrics.request(request.method, route, answer.status).observe(took)
    return answer


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except errors.ProblemError as error:
        return error.answer
    except web.HTTPException as error:
        return errors.in_dialect(request.path, error.status, _said(request, error))
    except NotTaken:
        return errors.in_dialect(request.path, 503, "The gateway is overloaded.", retry_after=2)
    except DATABASE_GONE as error:
        get_logger().warning("database gone", error=type(error).__name__)
        return errors.in_dialect(request.path, 503, "The database does not answer.", retry_after=2)
    except Exception as error:  # noqa: BLE001 - the last resort: answered and logged without the text
        get_logger().error("unexpected", error=type(error).__name__, where=where(error))
        return errors.in_dialect(request.path, 500, "Something went wrong in the gateway; it is logged.")


def _said(request: web.Request, error: web.HTTPException) -> str:
    asked = f"{request.method} {request.path}"
    match error:
        case web.HTTPMethodNotAllowed():
            return f"{asked} is not served by this gateway; {', '.join(sorted(error.allowed_methods))} is."
        case web.HTTPNotFound(text="404: Not Found"):  # the router's own
            return f"{asked} is not served by this gateway; GET /openapi.json lists what is."
        case _:
            return error.text or error.reason
