"""What an operator says of a send whose outcome nobody knows."""

from __future__ import annotations

import json
from typing import Final, assert_never
from uuid import UUID

from aiohttp import web

from domain.sends import SettledAs
from gateway import answers, errors
from gateway.access import caller_of
from gateway.api import query
from gateway.auth import ApiKey, Scope
from gateway.gateway import GATEWAY, Gateway
from gateway.sends import posting, send, standing
from gateway.sends.reported import reported
from gateway.sends.standing import Standing
from gateway.store.outcomes import Appended, InDoubt, NotTaken
from gateway.store.postgres import DATABASE_GONE

WORDS: Final = ("accepted", "failed", "resend")


async def settle(request: web.Request) -> web.Response:
    """POST /api/messages/{send_id}/settle {"as": "accepted" | "failed" | "resend"}."""
    gateway = request.app[GATEWAY]
    caller = caller_of(request, Scope.ADMIN)
    word = await _word(request)
    found = await _found(gateway, request.match_info["send_id"])
    if found is None or not caller.reaches(found.asked.line or ""):
        raise query.not_found("This log knows no send with this id.")
    if await reported(gateway, found.send_id):
        raise _conflict("accepted")
    if found.unknown is None:
        raise _conflict(found.state)
    try:
        return await _settle(gateway, caller, found, word)
    except (NotTaken, InDoubt, *DATABASE_GONE):
        detail = "The log does not answer: look at the send again before anything else."
        return errors.problem(503, "not-taken", detail, headers={"Retry-After": "2"})


async def _found(gateway: Gateway, send_id: str) -> Standing | None:
    try:
        return await standing.read(gateway.log, UUID(send_id))
    except ValueError:
        return None


async def _word(request: web.Request) -> str:
    body = await query.json_object(request)
    word = body.get("as")
    if word not in WORDS:
        detail = "as must be accepted (it was sent), failed (it was not), or resend (send it again now)."
        raise errors.ProblemError(errors.problem(400, "bad-parameter", detail, parameter="as"))
    return str(word)


async def _settle(gateway: Gateway, caller: ApiKey, found: Standing, word: str) -> web.Response:
    one = found.send(gateway.log)
    if one is None:
        detail = "The person this send was for was forgotten: nothing is left to settle or to send."
        raise errors.ProblemError(errors.problem(410, "forgotten", detail))
    if word == "resend":
        return _told(await send.resend(gateway, one, caller=caller.name))
    settled_as: SettledAs = "accepted" if word == "accepted" else "failed"
    fact = one.settled(settled_as, "operator", gateway.clock(), caller=caller.name)
    [recording] = await gateway.log.record([fact], patience=posting.PATIENCE)
    if not isinstance(recording, Appended):
        raise _conflict((await standing.read(gateway.log, found.send_id) or found).state)
    gateway.metrics.settled.labels(settled_as, "operator").inc()
    return errors.json({"send_id": str(found.send_id), "state": settled_as})


def _told(answer: send.Answer) -> web.Response:
    match answer:
        case send.Accepted(send_id, body):
            message_id = json.loads(body)["messages"][0]["id"]
            return errors.json({"send_id": str(send_id), "state": "accepted", "message_id": message_id})
        case send.Failed(send_id, _, code, _):
            return errors.json({"send_id": str(send_id), "state": "failed", "code": code})
        case send.Unknown(send_id):
            return errors.json({"send_id": str(send_id), "state": "unknown"})
        case send.Refused(send_id, decision):
            detail = f"Not sent again, and not settled. {answers.refusal(decision)}"
            return errors.problem(409, "refused", detail, send_id=str(send_id))
        case send.NotPosted() | send.Replayed():
            return errors.problem(409, "conflict", "Somebody else has settled it meanwhile.")
        case _:
            assert_never(answer)


def _conflict(state: str) -> errors.ProblemError:
    detail = f"Only a send that counts as unknown can be settled; this one is {state}."
    return errors.ProblemError(errors.problem(409, "conflict", detail, state=state))
