"""Our own API: what operators, finance and auditors ask (docs/api.md)."""

from __future__ import annotations

from importlib import resources

from aiohttp import web

from gateway.api import (
    billing,
    delivery,
    destinations,
    events,
    explanation,
    feed,
    lines,
    messages,
    observed,
    open_windows,
    people,
    refusals,
    reports,
    settle,
    windows,
)


def add_routes(app: web.Application) -> None:
    """Every path under /api."""
    conversation = r"/api/lines/{line:[0-9]+}/conversations/{contact}"
    app.router.add_get("/api/lines", lines.listing)
    app.router.add_get(f"{conversation}/window", windows.one)
    app.router.add_post(r"/api/lines/{line:[0-9]+}/windows", windows.many)
    app.router.add_get(f"{conversation}/events", events.of_conversation)
    app.router.add_get("/api/events", feed.feed)
    app.router.add_get("/api/messages", messages.search)
    app.router.add_get(r"/api/messages/{id:[\s\S]+}/explanation", explanation.explanation)
    app.router.add_post(r"/api/messages/{send_id:[\s\S]+}/settle", settle.settle)
    app.router.add_get(r"/api/messages/{id:[\s\S]+}", messages.one)
    app.router.add_get("/api/reports/counts", reports.counts)
    app.router.add_get("/api/reports/billing", billing.report)
    app.router.add_get("/api/reports/billing/messages", billing.messages)
    app.router.add_get("/api/reports/billing/sends", billing.sends)
    app.router.add_get("/api/people/{contact}/consents", people.consent)
    app.router.add_post("/api/people/{contact}/consents", people.change)
    app.router.add_get("/api/reports/observed", observed.observed)
    app.router.add_get("/api/reports/delivery", delivery.delivery)
    app.router.add_get("/api/reports/refusals", refusals.refusals)
    app.router.add_get("/api/reports/windows", open_windows.windows)
    app.router.add_get("/api/templates", lines.templates)
    app.router.add_post("/api/templates/sync", lines.sync_templates)
    app.router.add_get("/api/destinations", destinations.listing)
    app.router.add_post("/api/destinations", destinations.add)
    app.router.add_get("/api/destinations/{id}", destinations.one)
    app.router.add_patch("/api/destinations/{id}", destinations.change)
    app.router.add_delete("/api/destinations/{id}", destinations.remove)
    app.router.add_post("/api/destinations/{id}/rotate", destinations.rotate)
    app.router.add_post("/api/destinations/{id}/resume", destinations.resume)
    app.router.add_post("/api/destinations/{id}/redeliver", destinations.redeliver)
    app.router.add_get("/openapi.json", openapi)


async def openapi(_: web.Request) -> web.Response:
    """GET /openapi.json: this API in OpenAPI 3.1."""
    text = (resources.files("gateway.api") / "openapi.json").read_text(encoding="utf-8")
    return web.Response(text=text, content_type="application/json")
