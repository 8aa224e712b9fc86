"""Graph's routes over the simulator."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

from gateway.sandbox import account, flows, media, nodes
from gateway.sandbox.network import Accepted
from gateway.sandbox.refusal import ASKED_FOR, Refusal, no_such_object
from gateway.sandbox.requests import SIMULATOR, VERSION, authorised, json_object, of_account, of_line
from gateway.sandbox.simulator import Simulator


def graph_app(simulator: Simulator) -> web.Application:
    """The simulated graph.facebook.com; callbacks stop when it is cleaned up."""
    app = web.Application(middlewares=[refusals], client_max_size=100 * 1024 * 1024)
    app[SIMULATOR] = simulator
    app.router.add_post(VERSION + "/{line}/messages", messages)
    app.router.add_post(VERSION + "/{line}/marketing_messages", messages)
    app.router.add_get(VERSION + "/{line}/message_history", message_history)
    app.router.add_route("*", VERSION + "/{waba}/subscribed_apps", subscribed_apps)
    for part in (media, account, flows, nodes):
        part.add_routes(app)
    app.router.add_route("*", VERSION + "/{path:.*}", unknown)

    async def callbacks(_: web.Application) -> AsyncIterator[None]:
        simulator.resume()
        yield
        await simulator.callbacks.close()

    app.cleanup_ctx.append(callbacks)
    return app


@contextlib.asynccontextmanager
async def serving(
    app: web.Application, simulator: Simulator, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve a simulator's application; gives its URL, also kept in `simulator.graph_url`."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        simulator.graph_url = f"http://{host}:{runner.addresses[0][1]}"
        yield simulator.graph_url
    finally:
        await runner.cleanup()


@web.middleware
async def refusals(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Errors in Graph's envelope."""
    try:
        return await handler(request)
    except Refusal as refusal:
        trace = "A" + secrets.token_urlsafe(16)
        return web.json_response(
            refusal.body(trace), status=refusal.http_status, headers={"x-fb-trace-id": trace}
        )


async def messages(request: web.Request) -> web.Response:
    """A send, or mark-as-read and typing."""
    simulator = of_line(request)
    body = await json_object(request)
    if "status" in body:
        return _mark_as_read(body)
    if fault := simulator.faults.take("error"):
        raise Refusal(fault.code, ASKED_FOR, http_status=fault.http_status)
    message = simulator.accept(body, marketing=request.path.endswith("/marketing_messages"))
    if fault := simulator.faults.take("delay"):
        await asyncio.sleep(fault.seconds)
    if simulator.faults.take("drop_after_accept") and request.transport is not None:
        request.transport.abort()
    return web.json_response(_answer(message))


def _answer(message: Accepted) -> dict[str, Any]:
    contact: dict[str, Any] = {"input": message.send.given}
    if message.send.number and message.person:
        contact["wa_id"] = message.person.wa_id
    elif message.person:
        contact["user_id"] = message.person.user_id
    sent: dict[str, Any] = {"id": message.message_id}
    if message.send.type == "template":
        sent["message_status"] = "accepted"
    if message.send.group:
        sent["group_id"] = message.send.group
    return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [sent]}


def _mark_as_read(body: dict[str, Any]) -> web.Response:
    if body["status"] != "read":
        raise Refusal(100, "The parameter status must be 'read'.")
    if not body.get("message_id"):
        raise Refusal(131008, "The parameter message_id is required.")
    return web.json_response({"success": True})


async def message_history(request: web.Request) -> web.Response:
    """The statuses of one message, by its wamid alone."""
    simulator = of_line(request)
    message_id = request.query.get("message_id")
    if not message_id:
        raise Refusal(100, "The parameter message_id is required.")
    message = simulator.accepted.get(message_id)
    found = [_history(message, simulator.callbacks.url)] if message else []
    return web.json_response({"data": found, "paging": {"cursors": {"before": "A", "after": "B"}}})


def _history(message: Accepted, callback_url: str) -> dict[str, Any]:
    events = [
        {
            "id": str(number),
            "delivery_status": status.word.upper(),
            "timestamp": status.at,
            "webhook_update_state": "DELIVERED" if status.update.acknowledged.is_set() else "RETRYING",
            "webhook_uri": callback_url,
        }
        for number, status in enumerate(message.statuses, start=1)
    ]
    return {"id": message.message_id[-16:], "message_id": message.message_id, "events": {"data": events}}


async def subscribed_apps(request: web.Request) -> web.Response:
    """The app that gets the callbacks; subscribing verifies its callback URL first."""
    simulator = of_account(request)
    if request.method == "GET":
        app = {"id": "670000000000001", "name": "Sandbox", "link": simulator.callbacks.url}
        return web.json_response({"data": [{"whatsapp_business_api_data": app}]})
    if request.method != "POST":
        raise no_such_object(request.path)
    if not await simulator.callbacks.verified():
        raise Refusal(2200, "Callback verification failed: the URL did not give the challenge back.")
    return web.json_response({"success": True})


async def unknown(request: web.Request) -> web.Response:
    """Everything that the simulator does not know."""
    authorised(request)
    raise no_such_object(request.path)
