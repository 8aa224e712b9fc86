"""Graph's objects by their id alone: numbers, accounts, media, templates and flows."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.sandbox import DISPLAY_PHONE_NUMBER, flows, media
from gateway.sandbox.analytics import FIELD, pricing_analytics
from gateway.sandbox.refusal import Refusal, no_such_object
from gateway.sandbox.requests import VERSION, authorised, json_object, of_account
from gateway.sandbox.simulator import Simulator
from gateway.sandbox.templates import CATEGORIES, Template, are_components, page


def add_routes(app: web.Application) -> None:
    """Mount the routes of objects, and those that list them."""
    app.router.add_get(VERSION + "/{waba}/phone_numbers", phone_numbers)
    app.router.add_get(VERSION + "/{waba}/message_templates", message_templates)
    app.router.add_post(VERSION + "/{waba}/message_templates", make_template)
    app.router.add_delete(VERSION + "/{waba}/message_templates", delete_template)
    app.router.add_post(VERSION + "/{id}/unpause", unpause)
    app.router.add_get(VERSION + "/{id}", look_up)
    app.router.add_post(VERSION + "/{id}", change)
    app.router.add_delete(VERSION + "/{id}", delete)


async def phone_numbers(request: web.Request) -> web.Response:
    """The account's business phone numbers."""
    simulator = of_account(request)
    return web.json_response({"data": [_fields(request, _phone_number(simulator))]})


async def message_templates(request: web.Request) -> web.Response:
    """A page of the templates, one entry for each language."""
    simulator = of_account(request)
    after = request.query.get("after")
    if after is not None and not (after.isascii() and after.isdigit()):
        raise Refusal(100, "The parameter after is no cursor.")
    name = request.query.get("name")
    asked = {key: one for key, one in simulator.templates.items() if name in (None, one.name)}
    whole = page(asked, after, request.path)
    if "summary" in request.query:
        counts = dict.fromkeys(("total_count", "message_template_count"), len(asked))
        whole["summary"] = counts | {"message_template_limit": 6000, "are_translations_complete": True}
    return web.json_response(whole | {"data": [_fields(request, entry) for entry in whole["data"]]})


async def make_template(request: web.Request) -> web.Response:
    """A new template, to be reviewed by whoever asks the sandbox to approve it."""
    simulator = of_account(request)
    match await json_object(request):
        case {"name": str(name), "language": str(language), "category": str(category), **more}:
            pass
        case _:
            raise Refusal(100, "The parameters name, language and category are required.")
    components = more.get("components")
    if category.upper() not in CATEGORIES or not are_components(components):
        raise Refusal(100, "The parameter category or components is wrong.")
    known = simulator.templates.get((name, language))
    if known is not None and known.status != "DELETED":
        raise Refusal(100, "There is already content in this language for this template.", subcode=2388024)
    format_ = str(more.get("parameter_format", "POSITIONAL")).upper()
    made = simulator.make_template(name, language, category.upper(), components, format_)
    return web.json_response({"id": str(made.id), "status": made.status, "category": made.category.upper()})


async def delete_template(request: web.Request) -> web.Response:
    """Delete a template by its name, in all languages."""
    simulator = of_account(request)
    name = request.query.get("name", "")
    if not any(one.name == name and one.status != "DELETED" for one in simulator.templates.values()):
        raise Refusal(100, f"Message template not found: {name}", subcode=2593002)
    simulator.change_template(name, "DELETED", None)
    return web.json_response({"success": True})


async def unpause(request: web.Request) -> web.Response:
    """Let a paused template be sent again."""
    simulator = authorised(request)
    template = _template(simulator, request.match_info["id"])
    if template is None:
        raise no_such_object(request.path)
    if template.status != "PAUSED":
        return web.json_response({"success": False, "reason": "The template is not paused."})
    simulator.change_template(template.name, "APPROVED", None)
    return web.json_response({"success": True})


async def look_up(request: web.Request) -> web.Response:
    """The object itself."""
    simulator = authorised(request)
    wanted = request.match_info["id"]
    if wanted == simulator.line:
        return web.json_response(_fields(request, _phone_number(simulator)))
    if wanted == simulator.waba:
        fields = request.query.get("fields", "")
        if fields.startswith(FIELD):
            told = pricing_analytics(fields, simulator.accepted.values())
            return web.json_response(told | {"id": simulator.waba})
        account = {"id": simulator.waba, "name": "Sandbox", "currency": "USD", "timezone_id": "0"}
        return web.json_response(_fields(request, account))
    if file := request.app[media.FILES].get(wanted):
        return web.json_response(media.about(simulator, wanted, file))
    if template := _template(simulator, wanted):
        return web.json_response(_fields(request, template.entry()))
    if flow := request.app[flows.FLOWS].get(wanted):
        return web.json_response(_fields(request, flow.about()))
    raise no_such_object(request.path)


async def change(request: web.Request) -> web.Response:
    """Other fields of a template or a flow."""
    simulator = authorised(request)
    wanted = request.match_info["id"]
    if template := _template(simulator, wanted):
        body = await json_object(request)
        components = body.get("components", template.components)
        category = str(body.get("category", template.category)).upper()
        if category not in CATEGORIES or not are_components(components):
            raise Refusal(100, "The parameter category or components is wrong.")
        made = simulator.make_template(
            template.name, template.language, category, components, template.parameter_format
        )
        about = {"id": str(made.id), "name": made.name, "category": made.category.upper()}
        return web.json_response({"success": True, **about})
    if flow := request.app[flows.FLOWS].get(wanted):
        return web.json_response(flows.change(flow, await json_object(request)))
    raise no_such_object(request.path)


async def delete(request: web.Request) -> web.Response:
    """Throw a file or a flow away."""
    authorised(request)
    wanted = request.match_info["id"]
    if request.app[media.FILES].pop(wanted, None):
        return web.json_response({"success": True})
    if flow := request.app[flows.FLOWS].get(wanted):
        return web.json_response(flows.discard(request.app, flow))
    raise no_such_object(request.path)


def _template(simulator: Simulator, wanted: str) -> Template | None:
    return next((one for one in simulator.templates.values() if str(one.id) == wanted), None)


def _phone_number(simulator: Simulator) -> dict[str, Any]:
    return {
        "id": simulator.line,
        "display_phone_number": DISPLAY_PHONE_NUMBER,
        "verified_name": "Sandbox",
        "name_status": "APPROVED",
        "status": "CONNECTED",
        "quality_rating": "GREEN",
        "platform_type": "CLOUD_API",
        "code_verification_status": "VERIFIED",
        "throughput": {"level": "STANDARD"},
        "whatsapp_business_manager_messaging_limit": "TIER_UNLIMITED",
    }


def _fields(request: web.Request, whole: dict[str, Any]) -> dict[str, Any]:
    """Only the fields asked for, and always the id."""
    wanted = request.query.get("fields")
    if wanted is None:
        return whole
    return {name: value for name, value in whole.items() if name == "id" or name in wanted.split(",")}
