"""A gateway dies between the steps of keeping a file; another one keeps it, once, and nothing else stays."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import FormData
from processes import House, Process, house
from running import ANN, LINE, until

PICTURE = bytes(range(256)) * 4096


async def sent(home: House, gateway: Process) -> str:
    """A customer sends a file: its media id."""
    form = FormData()
    form.add_field("messaging_product", "whatsapp")
    form.add_field("file", PICTURE, filename="x", content_type="image/png")
    async with home.http.post(f"{gateway.url}/v26.0/{LINE}/media", data=form) as answer:
        media_id = str((await answer.json())["id"])
    image = {"id": media_id, "mime_type": "image/png", "sha256": hashlib.sha256(PICTURE).hexdigest()}
    home.simulator.callbacks.url = f"{gateway.url}/webhooks/whatsapp"
    home.simulator.write(ANN, {"type": "image", "image": image})
    return media_id


async def outcomes(gateway: Process) -> list[dict[str, Any]]:
    answer = await gateway.ask("/api/events?topic=MediaKept&topic=MediaLost")
    return list(answer.body["events"]) if answer else []


@pytest.mark.parametrize("at", ["before MediaKept", "after MediaKept"])
async def test_a_file_is_kept_once_whenever_its_gateway_dies(database: str, tmp_path: Path, at: str) -> None:
    folder = tmp_path / "media"
    async with house(database, KEEP_MEDIA="true", VAULT=str(folder)) as home:
        home.more = {**home.more, "UPSTREAM_URL": home.simulator.graph_url}
        async with home.gateway(at) as dying:
            media_id = await sent(home, dying)
            await dying.died()
        async with home.gateway() as living:
            [event] = await until(lambda: outcomes(living))
            assert event["topic"] == "MediaKept"
            name = UUID(event["data"]["object"]).hex

            async def tidy() -> bool:
                return [one.name for one in folder.rglob("*") if one.is_file()] == [name]

            await until(tidy)
            about = await living.ask(f"/v26.0/{media_id}")
            assert about is not None
            async with home.http.get(about.body["url"]) as answer:
                assert await answer.read() == PICTURE
            assert len(await outcomes(living)) == 1
