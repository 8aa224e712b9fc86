"""Other Graph paths, passed on by an allow-list (allowed.py) with the account's own token."""

from __future__ import annotations

import json
from http import HTTPStatus
from io import BytesIO
from uuid import uuid4

import aiohttp
from aiohttp import hdrs, web
from multidict import MultiDict

from gateway import answers, cloud, errors
from gateway.access import caller_of
from gateway.auth import ApiKey
from gateway.gateway import GATEWAY
from gateway.passing import allowed, forms, media, relay
from gateway.passing.allowed import Allowed, Owner
from gateway.passing.changes import Change, account_of
from gateway.upstream import Answered, Lost, NotSent

PATH = r"/{version:v[0-9]+\.[0-9]+}/{path:[\s\S]*}"
UNVERSIONED = r"/{path:[0-9]+(?:/[a-z_]*)?}"
"""Graph takes paths without a version, and some clients leave it out."""


async def pass_on(request: web.Request) -> web.StreamResponse:
    """Any path of Graph that is no send: passed on when the allow-list names it."""
    gateway = request.app[GATEWAY]
    asked = allowed.find(request.method, request.match_info["path"], gateway.settings)
    if asked is None:
        return await cloud.not_passed(request)
    scope, *others = asked.scopes
    caller = caller_of(request, scope, asked.line, others=others)
    if name := allowed.forbidden(request.query.items()):
        raise web.HTTPForbidden(text=f"The query parameter {name!r} is not passed on as it stands.")
    if allowed.lacks_account(asked, gateway.settings):
        raise web.HTTPForbidden(
            text=f"{request.path} is passed on only for the account named by LEDGERLINE_WABA, not set."
        )
    if wrong := allowed.not_ours(asked, gateway.settings):
        return errors.graph(400, 33, "Unsupported request", details=wrong)
    query = _query(request, asked, caller)
    if asked.changes:
        return await _change(request, asked, caller, query)
    if asked.passage is allowed.OBJECT and (kept := await media.from_vault(request, asked.id, caller)):
        return kept
    url = gateway.upstream.url(cloud.graph_path(request)).with_query(query)
    return await _read(
        request, asked, await gateway.upstream.open(request.method, url, headers=relay.asked(request))
    )


async def _read(
    request: web.Request, asked: Allowed, response: aiohttp.ClientResponse | NotSent | Lost
) -> web.StreamResponse:
    if isinstance(response, NotSent | Lost):
        return answers.not_reached("/v")
    if relay.redirects(response):
        response.release()
        return relay.redirected()
    if asked.passage.owner is Owner.OBJECT and response.content_type == "application/json":
        return await media.looked_up(request, response)
    return await relay.stream(request, response)


async def _change(
    request: web.Request, asked: Allowed, caller: ApiKey, query: MultiDict[str]
) -> web.StreamResponse:
    gateway, passage = request.app[GATEWAY], asked.passage
    body = await _body(request, asked)
    field = await _kind(request, query) if passage is allowed.OBJECT else passage.field
    change = Change(
        call=uuid4(),
        field=field,
        method=request.method,
        caller=caller,
        account=account_of(gateway, asked.id if passage.owner is Owner.ACCOUNT else None),
        line=asked.line,
        path=request.path if passage.secret else str(request.rel_url.with_query(query)),
        personal=passage.personal,
    )
    await change.begin(gateway, body.fields if isinstance(body, forms.Whole) and not passage.secret else {})
    headers = relay.asked(request)
    if body.content_type:
        headers[hdrs.CONTENT_TYPE] = body.content_type
    if isinstance(body, forms.Form) and body.length is not None:
        headers[hdrs.CONTENT_LENGTH] = str(body.length)
    url = gateway.upstream.url(cloud.graph_path(request)).with_query(query)
    sent = body if isinstance(body, forms.Form) else BytesIO(body.data) if body.data else None
    response = await gateway.upstream.open(request.method, url, headers=headers, body=sent)
    if isinstance(body, forms.Form) and body.fault:
        if isinstance(response, aiohttp.ClientResponse):
            response.close()
        raise body.fault
    return await _changed(request, change, response)


async def _kind(request: web.Request, query: MultiDict[str]) -> str:
    """What the object is that the path names by its id alone.

    Raises ProblemError where it is nothing that callers may change, or WhatsApp doesn't say.
    """
    bound = {name: value for name, value in query.items() if name == "phone_number_id"}
    outcome = await request.app[GATEWAY].upstream.get(cloud.graph_path(request), bound)
    if not isinstance(outcome, Answered):
        raise errors.ProblemError(answers.not_reached("/v"))
    if outcome.status != HTTPStatus.OK:
        answer = web.Response(body=outcome.body, status=outcome.status, content_type="application/json")
        raise errors.ProblemError(answer)
    try:
        about = json.loads(outcome.body)
    except ValueError:
        about = None
    for name, kind in allowed.KINDS.items():
        if isinstance(about, dict) and name in about:
            return kind
    raise web.HTTPForbidden(text=f"{request.path} is no media file, template or flow: not passed on.")


async def _changed(
    request: web.Request, change: Change, response: aiohttp.ClientResponse | NotSent | Lost
) -> web.Response:
    match response:
        case NotSent():
            return answers.not_reached("/v")
        case Lost():
            return relay.lost()
        case _:
            pass
    try:
        async with response:
            answer = await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return relay.lost()
    await change.end(request.app[GATEWAY], response.status, answer)
    if relay.redirects(response):
        return relay.redirected()
    headers = relay.answered(response)
    headers.pop(hdrs.CONTENT_LENGTH, None)
    return web.Response(body=answer, status=response.status, headers=headers)


async def _body(request: web.Request, asked: Allowed) -> forms.Whole | forms.Form:
    if asked.passage.files and request.content_type == "multipart/form-data":
        return forms.Form(request, asked.passage)
    body = forms.whole(await request.read(), request.headers.get(hdrs.CONTENT_TYPE, ""))
    unknown = sorted(body.fields.keys() - allowed.OBJECT_FIELDS)
    if asked.passage is allowed.OBJECT and unknown:
        raise web.HTTPForbidden(text=f"{unknown[0]!r} is no field of a template or a flow: not passed on.")
    return body


def _query(request: web.Request, asked: Allowed, caller: ApiKey) -> MultiDict[str]:
    """The query without the caller's secrets; WhatsApp holds a bound key to its line's media."""
    query = MultiDict(
        (name, value) for name, value in request.query.items() if allowed.meant(name) not in allowed.SECRETS
    )
    if not caller.lines or asked.line:
        return query
    if asked.passage is not allowed.OBJECT or request.method == "POST":
        if asked.changes:
            raise web.HTTPForbidden(
                text=f"The API key {caller.name!r} is bound to lines; this changes what all lines share."
            )
        return query
    named = query.getall("phone_number_id", [*caller.lines] if len(caller.lines) == 1 else [])
    if len(named) != 1 or not caller.reaches(named[0]):
        raise web.HTTPForbidden(
            text=f"The API key {caller.name!r} is bound to lines: name one as phone_number_id."
        )
    query["phone_number_id"] = named[0]
    return query
