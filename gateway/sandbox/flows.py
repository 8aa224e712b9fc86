"""Flows: made, changed, published, deprecated and deleted; kept in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from gateway.sandbox import ids
from gateway.sandbox.refusal import Refusal, no_such_object
from gateway.sandbox.requests import VERSION, authorised, json_object, of_account


@dataclass(slots=True)
class Flow:
    """A flow as the account knows it."""

    id: str
    name: str
    categories: list[str]
    status: str = "DRAFT"
    endpoint_uri: str | None = None

    def about(self) -> dict[str, Any]:
        """As Graph tells it."""
        told = {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "categories": self.categories,
            "validation_errors": [],
            "json_version": "7.0",
            "data_api_version": "3.0",
            "updated_at": "2026-01-01T00:00:00+0000",
            "preview": {
                "preview_url": "https://business.facebook.com/",
                "expires_at": "2030-01-01T00:00:00+0000",
            },
        }
        return told if self.endpoint_uri is None else told | {"endpoint_uri": self.endpoint_uri}


FLOWS: Final = web.AppKey("flows", dict[str, Flow])


def add_routes(app: web.Application) -> None:
    """Mount the routes of flows."""
    app[FLOWS] = {}
    app.router.add_post(VERSION + "/{waba}/flows", make)
    app.router.add_get(VERSION + "/{waba}/flows", list_flows)
    app.router.add_get(VERSION + "/{flow}/assets", assets)
    app.router.add_post(VERSION + "/{flow}/assets", upload)
    app.router.add_post(VERSION + "/{flow}/publish", publish)
    app.router.add_post(VERSION + "/{flow}/deprecate", deprecate)


async def make(request: web.Request) -> web.Response:
    """A new flow, a draft unless it is to be published."""
    of_account(request)
    body = await json_object(request)
    if not body.get("name"):
        raise Refusal(131008, "The parameter name is required.")
    flow = Flow(ids.object_id(), "", ["OTHER"])
    change(flow, body)
    flow.status = "PUBLISHED" if body.get("publish") else "DRAFT"
    request.app[FLOWS][flow.id] = flow
    return web.json_response({"id": flow.id, "success": True, "validation_errors": []})


async def list_flows(request: web.Request) -> web.Response:
    """All of them, on one page."""
    of_account(request)
    flows = [flow.about() for flow in request.app[FLOWS].values()]
    return web.json_response({"data": flows, "paging": {"cursors": {"before": "A", "after": "B"}}})


def change(flow: Flow, body: dict[str, Any]) -> dict[str, Any]:
    """Another name or other categories."""
    name, categories = body.get("name", flow.name), body.get("categories", flow.categories)
    endpoint_uri = body.get("endpoint_uri", flow.endpoint_uri)
    if not (isinstance(name, str) and isinstance(categories, list)):
        raise Refusal(100, "The parameter name must be text, and categories a list.")
    flow.name, flow.categories, flow.endpoint_uri = name, categories, endpoint_uri
    return {"success": True}


async def assets(request: web.Request) -> web.Response:
    """Where its JSON can be fetched; the sandbox keeps none."""
    _flow(request)
    asset = {"name": "flow.json", "asset_type": "FLOW_JSON", "download_url": "https://scontent.example/flow"}
    return web.json_response({"data": [asset], "paging": {"cursors": {"before": "A", "after": "B"}}})


async def upload(request: web.Request) -> web.Response:
    """Another JSON, which nobody reads here."""
    _flow(request)
    form = await request.post()
    if form.get("asset_type") != "FLOW_JSON" or not isinstance(form.get("file"), web.FileField):
        raise Refusal(100, "The parameters file and asset_type=FLOW_JSON are required.")
    return web.json_response({"success": True, "validation_errors": []})


async def publish(request: web.Request) -> web.Response:
    """A draft that can be sent from now on."""
    return _became(request, "DRAFT", "PUBLISHED")


async def deprecate(request: web.Request) -> web.Response:
    """A published flow that can't be sent any more."""
    return _became(request, "PUBLISHED", "DEPRECATED")


def discard(app: web.Application, flow: Flow) -> dict[str, Any]:
    """Throw a draft away."""
    if flow.status != "DRAFT":
        raise Refusal(139004, "Only a draft can be deleted.")
    del app[FLOWS][flow.id]
    return {"success": True}


def _became(request: web.Request, before: str, after: str) -> web.Response:
    flow = _flow(request)
    if flow.status != before:
        raise Refusal(139002, f"The flow is {flow.status}, not {before}.")
    flow.status = after
    return web.json_response({"success": True})


def _flow(request: web.Request) -> Flow:
    authorised(request)
    flow = request.app[FLOWS].get(request.match_info["flow"])
    if flow is None:
        raise no_such_object(request.path)
    return flow
