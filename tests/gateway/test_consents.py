"""What a person wants to be sent: told by callbacks, keywords and the API, and minded by every line."""

from __future__ import annotations

from typing import Any

import pytest
from running import ANN, LINE, Running, Start

SALE = {"name": "winter_sale", "language": {"code": "en_GB"}}
ORDER = {"name": "order_update", "language": {"code": "en_GB"}}
LINE_B = "106540352242999"
WABA = "102290129340398"
BSUID = "GB.7700900123456789012"


def template(what: dict[str, Any], to: str = ANN) -> dict[str, Any]:
    return {"messaging_product": "whatsapp", "to": f"+{to}", "type": "template", "template": what}


def now(running: Running) -> int:
    return int(running.gateway.clock().timestamp())


async def tells(running: Running, field: str, line: str | None = LINE, **value: Any) -> None:
    """A callback with one field."""
    metadata = {"display_phone_number": "15550783881", "phone_number_id": line}
    where = {"messaging_product": "whatsapp", "metadata": metadata} if line else {}
    change = {"field": field, "value": where | value}
    assert await running.callback({"entry": [{"id": WABA, "time": 1, "changes": [change]}]}) == 200


async def knows(running: Running, name: str, category: str) -> None:
    """WhatsApp told the template's category."""
    about = {"message_template_name": name, "message_template_language": "en_GB", "new_category": category}
    await tells(running, "template_category_update", line=None, **about)
    await running.settled()


async def prefers(running: Running, value: str, ago: int = 0, **whom: Any) -> None:
    """The person stops or resumes marketing in the app."""
    choice = {"category": "marketing_messages", "value": value, "timestamp": now(running) - ago}
    line = whom.pop("line", LINE)
    await tells(running, "user_preferences", line, user_preferences=[{"wa_id": ANN} | whom | choice])


def refusal(answer: Any) -> tuple[int, str]:
    return answer["error"]["code"], answer["error"]["error_data"]["details"]


@pytest.fixture
async def shop(running: Running) -> Running:
    """A gateway that knows both templates' categories."""
    await knows(running, "winter_sale", "MARKETING")
    await knows(running, "order_update", "UTILITY")
    return running


async def test_marketing_is_refused_to_who_stopped_it_and_nothing_else(shop: Running) -> None:
    assert (await shop.send(template(SALE)))[0] == 200
    await prefers(shop, "stop")

    status, answer = await shop.send(template(SALE))
    assert (status, refusal(answer)[0]) == (400, 131050)
    assert "stopped such messages at" in refusal(answer)[1]
    assert (await shop.send(template(ORDER)))[0] == 200
    await shop.writes()
    assert (await shop.text())[0] == 200

    [refused] = await shop.events("SendRefused")
    seen = refused["data"]["decision"]["consent"]
    assert (seen["state"], seen["source"]) == ("stop", "whatsapp")
    assert refused["data"]["decision"]["reason"] == "opted_out"
    assert await shop.events("ConsentChanged")


async def test_what_goes_out_as_marketing_is_marketing_whatever_the_registry_knows(running: Running) -> None:
    path = f"/v26.0/{LINE}/marketing_messages"
    assert (await running.post(path, template(SALE)))[0] == 200
    await prefers(running, "stop")

    assert refusal((await running.post(path, template(SALE)))[1])[0] == 131050
    assert (await running.send(template(SALE)))[0] == 200, "nothing told its category so far"


async def test_a_resume_lifts_the_stop(shop: Running) -> None:
    await prefers(shop, "resume")
    await prefers(shop, "stop", ago=60)

    assert (await shop.send(template(SALE)))[0] == 200


async def test_the_old_face_says_it_in_its_own_words(shop: Running) -> None:
    await prefers(shop, "stop")
    old = {"to": ANN, "type": "template", "template": SALE | {"namespace": "x"}}

    status, answer = await shop.post("/v1/messages", old)

    assert (status, answer["errors"][0]["code"]) == (400, 1005)
    assert "stopped" in answer["errors"][0]["details"]


async def test_a_stop_on_one_line_binds_every_line(start: Start) -> None:
    async with start(lines=(LINE, LINE_B)) as both:
        await knows(both, "winter_sale", "MARKETING")
        await prefers(both, "stop", line=LINE_B, user_id=BSUID)

        by_number = await both.send(template(SALE))
        by_id = await both.send({"recipient": BSUID, "type": "template", "template": SALE})

        assert [refusal(answer)[0] for _, answer in (by_number, by_id)] == [131050, 131050]


async def test_a_preference_without_a_line_binds_them_too(shop: Running) -> None:
    await prefers(shop, "stop", line=None)

    assert refusal((await shop.send(template(SALE)))[1])[0] == 131050


async def test_who_answers_stop_gets_codes_only_until_start(shop: Running) -> None:
    await knows(shop, "login_code", "AUTHENTICATION")
    await shop.writes(type="text", text={"body": "STOP!"})

    assert refusal((await shop.send(template(SALE)))[1])[0] == 131050
    assert refusal((await shop.send(template(ORDER)))[1])[0] == 131050
    assert (await shop.send(template(ORDER | {"name": "login_code"})))[0] == 200
    assert (await shop.text())[0] == 200, "who writes is answered"

    await shop.advance(60)
    await shop.writes(type="text", text={"body": "start"})
    assert (await shop.send(template(SALE)))[0] == 200

    first, second = await shop.events("ConsentChanged")
    assert [one["data"]["source"] for one in (first, second)] == ["keyword", "keyword"]
    assert (first["data"]["category"], first["data"]["value"]) == ("all", "stop")
    assert first["data"]["opened"]["text"] == "STOP!"


def message(source: str, **more: Any) -> dict[str, Any]:
    return {"from": ANN, "id": f"wamid.{source}", "timestamp": "1795309200"} | more


async def test_only_a_live_message_of_the_person_itself_is_a_choice(running: Running) -> None:
    text = {"type": "text", "text": {"body": "STOP"}}
    await tells(running, "standby", messages=[message("a", **text)])
    await tells(running, "smb_message_echoes", message_echoes=[message("b", to=ANN, **text)])
    threads = [{"id": ANN, "messages": [message("c", **text)]}]
    await tells(running, "history", history=[{"metadata": {"phase": 0}, "threads": threads}])
    await tells(running, "messages", messages=[message("d", group_id="G1", **text)])
    await tells(running, "messages", messages=[message("e", type="edit", edit={"text": {"body": "STOP"}})])
    await tells(running, "messages", messages=[message("f", type="text", text={"body": "stop it?!"})])
    assert await running.events("ConsentChanged") == []

    button = {"type": "button", "button": {"payload": "x", "text": "Stop promotions"}}
    for _ in range(2):
        await tells(running, "messages", messages=[message("g", **button)])
    [choice] = await running.events("ConsentChanged")
    assert (choice["data"]["category"], choice["data"]["value"]) == ("marketing", "stop")


async def test_the_words_are_the_operators_to_switch(start: Start) -> None:
    async with start(consent_words=False) as deaf:
        await deaf.writes(type="text", text={"body": "STOP"})
        assert await deaf.events("ConsentChanged") == []
    async with start(stop_words=("genug",)) as keen:
        await keen.writes(type="text", text={"body": "Genug."})
        assert len(await keen.events("ConsentChanged")) == 1


async def test_opt_in_is_required_where_the_line_says_so(start: Start) -> None:
    async with start(consent="optin") as strict:
        await knows(strict, "winter_sale", "MARKETING")
        status, answer = await strict.send(template(SALE))
        assert (status, refusal(answer)[0]) == (403, 131005)
        assert "opt-in" in refusal(answer)[1]
        status, old = await strict.post("/v1/messages", {"to": ANN, "type": "template", "template": SALE})
        assert (status, old["errors"][0]["code"]) == (403, 1005)

        told = {"category": "marketing", "value": "resume", "at": "2026-11-01T10:00:00+01:00"}
        proof = {"source": "checkout page", "text": "Yes, send me offers", "by": "Ann herself"}
        assert (await strict.post(f"/api/people/{ANN}/consents", told | proof))[0] == 201
        assert (await strict.send(template(SALE)))[0] == 200


async def test_whatsapps_refusal_is_a_stop_from_then_on(shop: Running) -> None:
    fault = {"kind": "error", "code": 131050, "http_status": 400, "times": 1}
    assert (await shop.post("/sandbox/faults", fault))[0] in (200, 201)
    assert (await shop.send(template(SALE)))[0] == 400
    assert shop.headers["Ledgerline-Outcome"] == "failed"

    assert refusal((await shop.send(template(SALE)))[1])[0] == 131050
    assert shop.headers["Ledgerline-Outcome"] == "refused"


async def test_after_131049_marketing_waits_a_day_or_for_the_person(shop: Running) -> None:
    fault = {"kind": "error", "code": 131049, "http_status": 400, "times": 1}
    await shop.post("/sandbox/faults", fault)
    assert (await shop.send(template(SALE)))[0] == 400

    status, answer = await shop.send(template(SALE))
    assert (status, refusal(answer)[0], shop.headers["Ledgerline-Outcome"]) == (400, 131049, "refused")
    assert "may be tried again from" in refusal(answer)[1]
    await shop.writes()
    assert (await shop.send(template(SALE)))[0] == 200


async def test_a_choice_is_recorded_once_with_its_proof_sealed(running: Running) -> None:
    path = f"/api/people/+{ANN}/consents"
    told = {"category": "all", "value": "stop", "at": "2026-11-01T10:00:00Z", "text": "Leave me alone"}

    first, answer = await running.post(path, told)
    again, repeated = await running.post(path, told)

    assert (first, again, answer["recorded"], repeated["recorded"]) == (201, 200, True, False)
    assert answer["key"] == repeated["key"]
    status, known = await running.get(f"/api/people/{ANN}/consents")
    assert status == 200
    stop = {"state": "stop", "source": "api", "at": "2026-11-01T10:00:00Z", "key": answer["key"]}
    assert (known["marketing"], known["all"], known["opted_in"]) == (stop, stop, False)
    [event] = known["history"]
    assert (event["data"]["by"], event["data"]["opened"]["text"]) == ("sandbox", "Leave me alone")
    assert "Leave" not in str({name: value for name, value in event["data"].items() if name != "opened"})

    _, by_id = await running.post(f"/api/people/{event['stream']}/consents", told)
    assert (by_id["recorded"], by_id["key"]) == (False, answer["key"])
    [line] = (await running.get("/api/lines"))[1]["lines"]
    assert line["last_webhook_at"] is None, "our own word is no sign of WhatsApp"


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"category": "utility"}, "category"),
        ({"value": "pause"}, "value"),
        ({"at": "yesterday"}, "at"),
        ({"at": "2026-11-01T10:00:00"}, "at"),
        ({"at": "2999-01-01T00:00:00Z"}, "at"),
        ({"at": 5}, "at"),
        ({"text": ""}, "text"),
        ({"source": 7}, "source"),
        ({"line": "1"}, "line"),
    ],
)
async def test_what_is_wrong_is_named(running: Running, wrong: dict[str, Any], name: str) -> None:
    told = {"category": "all", "value": "resume", "at": "2026-11-01T10:00:00Z", "text": "x", "source": "y"}

    status, answer = await running.post(f"/api/people/{ANN}/consents", told | wrong)

    assert (status, answer["parameter"]) == (400, name)
    assert await running.events("ConsentChanged") == []


async def test_a_body_that_is_no_object_and_a_person_that_is_none_are_refused(running: Running) -> None:
    told = {"category": "all", "value": "stop", "at": "2026-11-01T10:00:00Z"}
    for body in (b"[]", b"{"):
        assert (await running.post(f"/api/people/{ANN}/consents", body))[0] == 400
    for contact in ("4fd1e6a0-0000-8000-8000-000000000000", "ann@example.com"):
        assert (await running.post(f"/api/people/{contact}/consents", told))[0] == 404
    assert (await running.get(f"/api/people/{ANN}/consents"))[0] == 404


async def test_a_key_needs_the_scope_and_the_line(start: Start) -> None:
    told = {"category": "all", "value": "stop", "at": "2026-11-01T10:00:00Z"}
    keys = "all:sandbox-key:send+read+content+admin,r:r:read,a:a:admin@106540352242999"
    async with start(api_keys=keys, lines=(LINE, LINE_B)) as running:
        path = f"/api/people/{ANN}/consents"
        assert (await running.post(path, told, headers={"Authorization": "Bearer r"}))[0] == 403
        bound = {"Authorization": "Bearer a"}
        assert (await running.post(path, told | {"line": LINE}, headers=bound))[0] == 400
        assert (await running.post(path, told, headers=bound))[0] == 201
        assert (await running.get(path))[0] == 200
        [event] = await running.events("ConsentChanged")
        assert event["data"]["line"] == LINE_B
