"""What a request asks for, by the path that it came by."""

from __future__ import annotations

from domain.hsm import UntranslatableError
from domain.legacy import to_cloud
from domain.outbound.body import json_object
from domain.outbound.request import CLOUD, ONPREM, Dialect, Json, Malformed, Read, SendRequest
from domain.outbound.send import send_of


def parse_cloud(body: bytes) -> SendRequest | Read | Malformed:
    """What a POST to `/messages` or `/marketing_messages` asks for."""
    parsed = json_object(body, CLOUD)
    if isinstance(parsed, Malformed):
        return parsed
    if "status" in parsed and not parsed.keys() & {"to", "recipient", "type"}:
        return _read(parsed, CLOUD)
    return send_of(parsed, CLOUD)


def parse_onprem(body: bytes) -> SendRequest | Malformed:
    """What a POST to `/v1/messages` asks for, in the Cloud API's shape (on-premises reference, section 3)."""
    parsed = json_object(body, ONPREM)
    if isinstance(parsed, Malformed):
        return parsed
    try:
        return send_of(to_cloud(parsed), ONPREM)
    except UntranslatableError as error:
        code = ONPREM.missing if error.missing else ONPREM.wrong
        return Malformed(code, error.field, error.details)


def parse_onprem_read(body: bytes, message_id: str) -> Read | Malformed:
    """What a PUT to `/v1/messages/{message_id}` asks for, in the Cloud API's shape."""
    parsed = json_object(body, ONPREM)
    if isinstance(parsed, Malformed):
        return parsed
    # Nothing else is passed on: a typing indicator or a message is no read receipt of the old API.
    asked = {"messaging_product": "whatsapp", "status": parsed.get("status"), "message_id": message_id}
    return _read(asked, ONPREM)


def _read(body: Json, dialect: Dialect) -> Read | Malformed:
    status = body.get("status")
    if status is None:
        return Malformed(dialect.missing, "status", "status is required and must be 'read'.")
    if status != "read":
        return Malformed(dialect.wrong, "status", "status must be 'read'.")
    message_id = body.get("message_id")
    if not message_id:
        return Malformed(dialect.missing, "message_id", "message_id is required with status 'read'.")
    if not isinstance(message_id, str):
        return Malformed(dialect.wrong, "message_id", "message_id must be a string.")
    return Read(body)
