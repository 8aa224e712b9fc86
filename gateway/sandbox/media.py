"""Media files: uploaded, looked up, fetched and deleted; kept in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from gateway.sandbox import ids
from gateway.sandbox.refusal import Refusal, no_such_object
from gateway.sandbox.requests import VERSION, authorised, of_line


@dataclass(frozen=True, slots=True)
class File:
    """What was uploaded."""

    content: bytes
    mime_type: str


FILES: Final = web.AppKey("files", dict[str, File])
ID: Final = r"/{media:\d{16}}"


def add_routes(app: web.Application) -> None:
    """Mount the media routes."""
    app[FILES] = {}
    app.router.add_post(VERSION + "/{line}/media", upload)
    app.router.add_get(VERSION + ID, look_up)
    app.router.add_delete(VERSION + ID, delete)
    app.router.add_get("/media" + ID, fetch)


async def upload(request: web.Request) -> web.Response:
    """Take a file."""
    of_line(request)
    try:
        form = await request.post() if request.content_type == "multipart/form-data" else {}
    except ValueError:
        raise Refusal(100, "The form can't be read.") from None
    file = form.get("file")
    if not isinstance(file, web.FileField):
        raise Refusal(131008, "The parameter file is required.")
    media_id = ids.object_id()
    mime_type = str(form.get("type") or file.content_type)
    request.app[FILES][media_id] = File(file.file.read(), mime_type)
    return web.json_response({"id": media_id})


async def look_up(request: web.Request) -> web.Response:
    """Where a file can be fetched, and what it is."""
    simulator = authorised(request)
    media_id, file = _file(request)
    about: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "url": f"{simulator.graph_url}/media/{media_id}",
        "mime_type": file.mime_type,
        "sha256": hashlib.sha256(file.content).hexdigest(),
        "file_size": str(len(file.content)),
        "id": media_id,
    }
    return web.json_response(about)


async def fetch(request: web.Request) -> web.Response:
    """The file itself, for the bearer of the token."""
    authorised(request)
    _, file = _file(request)
    return web.Response(body=file.content, headers={"Content-Type": file.mime_type})


async def delete(request: web.Request) -> web.Response:
    """Throw a file away."""
    authorised(request)
    media_id, _ = _file(request)
    del request.app[FILES][media_id]
    return web.json_response({"success": True})


def _file(request: web.Request) -> tuple[str, File]:
    media_id = request.match_info["media"]
    file = request.app[FILES].get(media_id)
    if file is None:
        raise no_such_object(request.path)
    return media_id, file
