"""`ledgerline destinations test`: what a destination answers, in plain words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import cyclopts

from domain.destinations import ping
from domain.destinations.model import Destination
from gateway.app import utc_now
from gateway.cli.database import settings_for_log
from gateway.cli.destinations import Form, Several, found, header_of, opened, secret_of
from gateway.cli.terminal import DataDir, run, say
from gateway.deliveries.poster import Answer
from gateway.settings import Settings

TAKEN: Final = range(200, 300)


def probe(
    destination: str,
    /,
    *,
    form: Annotated[Form, cyclopts.Parameter(name="--format")] = "whatsapp",
    secret_file: Path | None = None,
    header: Several | None = None,
    data_dir: DataDir = None,
) -> None:
    """Send a signed ping to a destination (name or id) or to a URL, and explain the answer.

    For a URL: --format, --secret-file and --header say how; without a secret one is made, which nobody knows.
    """
    given: dict[str, object] = {
        "name": "ping",
        "url": destination,
        "format": form,
        "headers": dict(header_of(text) for text in header or []),
        "secret": secret_of(secret_file),
    }
    if not run(_test(settings_for_log(data_dir), destination, given)):
        sys.exit(1)


async def _test(settings: Settings, named: str, given: dict[str, object]) -> bool:
    """Whether it was taken."""
    async with opened(settings) as destinations:
        one = destinations.thought_of(given) if "://" in named else await found(destinations, named)
        if why := await destinations.refusal(one.url):
            say(f"not sent: {why}")
            return False
        answer = await destinations.ping(one, signed_at=utc_now())
    for text in _explained(one, answer, is_made="://" in named and given["secret"] is None):
        say(text)
    return answer.status in TAKEN


def _explained(one: Destination, answer: Answer, *, is_made: bool) -> list[str]:
    told = f"sent a ping in the format {one.format} to {one.url}: an answer after {answer.seconds:.2f} s"
    if answer.status is None:
        return [told.replace("an answer", "none"), ping.of_error(answer.error or "")]
    said = [told, ping.of_status(answer.status)]
    if pause := ping.of_pause(answer.status, answer.retry_after, utc_now()):
        said.append(pause)
    if answer.location:
        said.append(f"it leads to {answer.location}")
    if answer.status in TAKEN:
        said += ping.doubts(answer.seconds, answer.content_type)
    elif is_made:
        said.append("it was signed with a secret that was made for it: --secret-file gives the right one")
    return said
