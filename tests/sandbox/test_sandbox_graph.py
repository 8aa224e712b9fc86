from __future__ import annotations

from typing import Any

import aiohttp

from gateway.sandbox import LINE, WABA


async def test_the_line_and_the_account_can_be_examined(sandbox: Any) -> None:
    _, number = await sandbox.get(f"/v26.0/{LINE}", params={"fields": "status,quality_rating"})
    assert number == {"id": LINE, "status": "CONNECTED", "quality_rating": "GREEN"}
    _, numbers = await sandbox.get(f"/v26.0/{WABA}/phone_numbers")
    assert [each["id"] for each in numbers["data"]] == [LINE]
    assert (await sandbox.get(f"/v26.0/{WABA}"))[1]["id"] == WABA
    _, templates = await sandbox.get(f"/v26.0/{WABA}/message_templates")
    assert ("login_code", "AUTHENTICATION") in {(t["name"], t["category"]) for t in templates["data"]}


async def test_subscribing_verifies_the_callback_url_first(sandbox: Any) -> None:
    path = f"/v26.0/{WABA}/subscribed_apps"
    assert len((await sandbox.get(path))[1]["data"]) == 1
    assert await sandbox.post(path, {}) == (200, {"success": True})
    sandbox.simulator.callbacks.url = sandbox.receiver.url + "/elsewhere"
    status, answer = await sandbox.post(path, {})
    assert (status, answer["error"]["code"]) == (400, 2200)


async def test_anything_else_is_unknown_to_graph(sandbox: Any) -> None:
    for path in ("/v26.0/1", "/v26.0/1/phone_numbers", f"/v26.0/{LINE}/groups"):
        status, answer = await sandbox.get(path)
        assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == (400, 100, 33)


async def test_a_file_is_uploaded_looked_up_fetched_and_deleted(sandbox: Any) -> None:
    url = f"{sandbox.simulator.graph_url}/v26.0/"
    form = aiohttp.FormData({"messaging_product": "whatsapp", "type": "image/png"})
    form.add_field("file", b"\x89PNG", filename="x.png", content_type="image/png")
    async with sandbox.http.post(f"{url}{LINE}/media", data=form) as answer:
        media_id = (await answer.json())["id"]
    _, about = await sandbox.get(f"/v26.0/{media_id}")
    assert (about["mime_type"], about["file_size"]) == ("image/png", "4")
    async with sandbox.http.get(about["url"]) as answer:
        assert await answer.read() == b"\x89PNG"
    async with sandbox.http.delete(url + media_id) as answer:
        assert await answer.json() == {"success": True}
    assert (await sandbox.get(f"/v26.0/{media_id}"))[0] == 400
