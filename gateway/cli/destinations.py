"""`ledgerline destinations` and `ledgerline redeliver`: internal systems that get every event."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import cyclopts

from domain.destinations.asked import LISTS, NoDestinationError
from domain.destinations.model import Destination
from gateway.cli.database import now_of, open_log, settings_for_log
from gateway.cli.terminal import CannotStartError, DataDir, run, say
from gateway.deliveries.guard import Guard, networks
from gateway.destinations.destinations import Destinations, Made, NameTakenError
from gateway.settings import Settings
from gateway.store.destinations import Standing

app = cyclopts.App(name="destinations", help="Internal systems to which every event is delivered.")

CALLER = "command line"
Several = Annotated[list[str], cyclopts.Parameter(negative="")]
Form = Literal["whatsapp", "events"]


@cyclopts.Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Wanted:
    """What a destination gets; several of a kind by repeating the option."""

    format: Form = "whatsapp"
    line: Several = field(default_factory=list)
    topic: Several = field(default_factory=list)
    type: Several = field(default_factory=list)
    source: Several = field(default_factory=list)
    header: Several = field(default_factory=list)
    """NAME:VALUE with every delivery; NAME:@FILE keeps a token out of the list of processes."""
    start: Annotated[str, cyclopts.Parameter(name=("--from", "--start"))] = "head"
    """Or a position of the log to begin at."""


@app.command
def add(
    name: str,
    url: str,
    /,
    *,
    wanted: Wanted | None = None,
    secret_file: Path | None = None,
    data_dir: DataDir = None,
) -> None:
    """Deliver events to a URL from now on; prints the secret that it made, which is never shown again.

    --secret-file: what signs, such as the app secret that a consumer knows; without it one is made.
    """
    wanted = wanted or Wanted()
    lists = zip(LISTS, (wanted.line, wanted.topic, wanted.type, wanted.source), strict=True)
    given: dict[str, object] = {
        "name": name,
        "url": url,
        "format": wanted.format,
        "filter": {one: values for one, values in lists if values},
        "headers": dict(header_of(text) for text in wanted.header),
        "secret": secret_of(secret_file),
        "from": int(wanted.start) if wanted.start.isdigit() else wanted.start,
    }
    run(_add(settings_for_log(data_dir), given))


@app.command(name="list")
def listing(*, data_dir: DataDir = None) -> None:
    """List the destinations."""
    run(_list(settings_for_log(data_dir)))


@app.command
def show(destination: str, /, *, data_dir: DataDir = None) -> None:
    """Show a destination (name or id), and how far its deliveries are."""
    run(_show(settings_for_log(data_dir), destination))


@app.command
def pause(destination: str, /, *, data_dir: DataDir = None) -> None:
    """Deliver nothing more to it until it is resumed; nothing is lost meanwhile."""
    run(_pause(settings_for_log(data_dir), destination))


@app.command
def resume(destination: str, /, *, data_dir: DataDir = None) -> None:
    """Go on where the deliveries stand, at once."""
    run(_resume(settings_for_log(data_dir), destination))


@app.command
def remove(destination: str, /, *, data_dir: DataDir = None) -> None:
    """Remove it with everything that waits for it."""
    run(_remove(settings_for_log(data_dir), destination))


@app.command
def rotate(destination: str, /, *, secret_file: Path | None = None, data_dir: DataDir = None) -> None:
    """Give it another secret, and print one that was made; with `events` the old one signs for a day."""
    run(_rotate(settings_for_log(data_dir), destination, secret_of(secret_file)))


def redeliver(
    destination: str,
    /,
    *,
    start: Annotated[int | None, cyclopts.Parameter(name="--from")] = None,
    since: datetime | None = None,
    failed: bool = False,
    data_dir: DataDir = None,
) -> None:
    """Deliver again, in order and with the same ids: from a position, since a time, or what had failed."""
    if (start is not None) + (since is not None) + failed != 1:
        raise CannotStartError("give one of --from POSITION, --since TIME and --failed")
    if start is not None and start < 1:
        raise CannotStartError("--from is a position of the log, from 1 on")
    run(_redeliver(settings_for_log(data_dir), destination, start, since))


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Destinations]:
    """The destinations of the settings' log; what is asked wrongly is said in words."""
    async with open_log(settings) as (pool, log):
        guard = Guard(networks(settings.destinations_private))
        try:
            yield Destinations(
                log,
                pool,
                settings.schema_name,
                clock=partial(now_of, settings),
                guard=guard,
                lines=settings.lines,
            )
        except NoDestinationError as error:
            raise CannotStartError(str(error)) from None
        except NameTakenError:
            raise CannotStartError("there is a destination with this name; each has its own") from None


async def _add(settings: Settings, given: dict[str, object]) -> None:
    async with opened(settings) as destinations:
        made = await destinations.add(given, caller=CALLER)
        _tell(made, is_known=given["secret"] is not None)


async def _list(settings: Settings) -> None:
    async with opened(settings) as destinations:
        for one in await destinations.all():
            say(_line(one))


async def _show(settings: Settings, named: str) -> None:
    async with opened(settings) as destinations:
        one = await found(destinations, named)
        say(_line(one))
        say(_filter(one))
        for text in _standing(await destinations.standing(one), await destinations.head()):
            say(text)


async def _pause(settings: Settings, named: str) -> None:
    async with opened(settings) as destinations:
        one = await found(destinations, named)
        await destinations.pause(one.id, caller=CALLER)
        say(f"{one.name}: paused")


async def _resume(settings: Settings, named: str) -> None:
    async with opened(settings) as destinations:
        one = await found(destinations, named)
        await destinations.resume(one.id, caller=CALLER)
        say(f"{one.name}: active")


async def _remove(settings: Settings, named: str) -> None:
    async with opened(settings) as destinations:
        one = await found(destinations, named)
        await destinations.remove(one.id, caller=CALLER)
        say(f"{one.name}: removed")


async def _rotate(settings: Settings, named: str, secret: str | None) -> None:
    async with opened(settings) as destinations:
        one = await found(destinations, named)
        if made := await destinations.rotate(one.id, {"secret": secret}, caller=CALLER):
            _tell(made, is_known=secret is not None)


async def _redeliver(settings: Settings, named: str, start: int | None, since: datetime | None) -> None:
    async with opened(settings) as destinations:
        one = await found(destinations, named)
        if start is None and since is None:
            count = await destinations.redelivery.failed(one, caller=CALLER)
            say(f"{one.name}: dead letters to be tried again: {count}")
        else:
            after = start - 1 if start is not None else 0
            if since is not None:
                after = await destinations.redelivery.position_before(since.astimezone())
            count = await destinations.redelivery.everything(one, after=after, caller=CALLER)
            say(f"{one.name}: events to be looked at again, from position {after + 1} on: {count}")
        if one.state != "active":
            say(f"It is {one.state}: it gets them after `ledgerline destinations resume {one.name}`.")


async def found(destinations: Destinations, named: str) -> Destination:
    """A destination by name or id. Raises CannotStartError."""
    one = await destinations.find(named)
    if one is None:
        names = ", ".join(known.name for known in await destinations.all()) or "none yet"
        raise CannotStartError(f"there is no destination {named!r}; there are: {names}")
    return one


def _tell(made: Made, *, is_known: bool) -> None:
    """`is_known`: whether the secret was given, so that nobody has to read it."""
    say(_line(made.destination))
    if not is_known:
        say(f"secret: {made.secret}")
        say("It is not shown again.")


def _line(one: Destination) -> str:
    state = f"{one.state} ({one.reason})" if one.reason else one.state
    return f"{one.name}  {one.id}  {one.format}  {one.url}  {state}"


def _filter(one: Destination) -> str:
    lists = [(name, sorted(getattr(one.filter, name))) for name in LISTS]
    return "takes " + (
        "; ".join(f"{name} {', '.join(words)}" for name, words in lists if words) or "everything"
    )


def _standing(found: Standing, head: int) -> Sequence[str]:
    progress = found.progress
    tried = f", tried again at {found.next_try:%Y-%m-%dT%H:%M:%SZ}" if found.next_try else ""
    answers = sorted((answer for one in progress for answer in one.answers), key=lambda one: str(one["at"]))
    return [
        f"delivered or parked up to position {min((one.position for one in progress), default=0)} of {head}",
        f"delivered {sum(one.delivered for one in progress)}, skipped {sum(one.skipped for one in progress)}",
        f"parked {found.waiting}{tried}, dead letters {found.dead}",
        *(f"{one['at']}  position {one['position']}  {_said(one)}" for one in answers[-10:]),
    ]


def _said(answer: dict[str, object]) -> str:
    return str(answer.get("error") or f"HTTP {answer.get('status')}")


def header_of(text: str) -> tuple[str, str]:
    """NAME:VALUE, or NAME:@FILE with the value in a file. Raises CannotStartError."""
    name, colon, value = text.partition(":")
    if not colon:
        raise CannotStartError("--header is written NAME:VALUE or NAME:@FILE")
    value = value.strip()
    return name.strip(), _of_file(Path(value[1:])) if value.startswith("@") else value


def secret_of(file: Path | None) -> str | None:
    """What a file holds: a secret among the words of a command could be seen by anybody on the machine."""
    return None if file is None else _of_file(file)


def _of_file(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise CannotStartError(f"{file}: can't be read") from None
