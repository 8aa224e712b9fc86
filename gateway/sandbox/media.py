"""Media files: uploaded, looked up, fetched and deleted; kept in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from gateway.sandbox import ids
from gateway.sandbox.refusal import Refusal, no_such_object
from gateway.sandbox.requests import VERSION, authorised, of_line
from gateway.sandbox.simulator import Simulator


@dataclass(frozen=True, slots=True)
class File:
    """What was uploaded."""

    content: bytes
    mime_type: str


FILES: Final = web.AppKey("files", dict[str, File])


def add_routes(app: web.Application) -> None:
    """Mount the media routes."""
    app[FILES] = {}
    app.router.add_post(VERSION + "/{line}/media", upload)
    app.router.add_get("/media/{media}", fetch)


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


def about(simulator: Simulator, media_id: str, file: File) -> dict[str, Any]:
    """Where a file can be fetched, and what it is."""
    return {
        "messaging_product": "whatsapp",
        "url": f"{simulator.graph_url}/media/{media_id}",
        "mime_type": file.mime_type,
        "sha256": hashlib.sha256(file.content).hexdigest(),
        "file_size": str(len(file.content)),
        "id": media_id,
    }


async def fetch(request: web.Request) -> web.Response:
    """The file itself, for the bearer of the token."""
    authorised(request)
    file = request.app[FILES].get(request.match_info["media"])
    if file is None:
        raise no_such_object(request.path)
    return web.Response(body=file.content, headers={"Content-Type": file.mime_type})
