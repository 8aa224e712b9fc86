"""`ledgerline audit`: questions to the log."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import cyclopts

from gateway import audit as auditing
from gateway.app import utc_now
from gateway.cli.database import databases_for
from gateway.cli.terminal import DataDir, given, run, say
from gateway.sends import settler
from gateway.settings import Settings
from gateway.settings.loading import load

SendId = Annotated[str, cyclopts.Parameter(help="The Ledgerline-Send-Id of the answer.")]

app = cyclopts.App(name="audit", help="Ask the log; nothing in it is changed.")


@app.command
def explain(send_id: SendId, *, data_dir: DataDir = None) -> None:
    """Say what was asked, what the policy saw and decided, and what became of a send."""
    try:
        wanted = UUID(send_id)
    except ValueError:
        wrong = f"{send_id!r} is no send_id: that is the UUID in the answer's Ledgerline-Send-Id"
        raise auditing.AuditError(wrong) from None
    run(_explain(load(**given(data_dir)), wanted))


async def _explain(settings: Settings, send_id: UUID) -> None:
    async with databases_for(settings, begin=False) as databases:
        await auditing.explain_send(databases, settings.schema_name, send_id, say)


@app.command
def verify(
    *, log: Annotated[bool, cyclopts.Parameter(negative="")] = False, data_dir: DataDir = None
) -> None:
    """Check with --log that nothing is missing, doubled or out of place; exit code 1 where something is."""
    if not log:
        raise auditing.AuditError("say what to verify: --log")
    run(_verify(load(**given(data_dir))))


@app.command
def export(
    *,
    out: Path,
    from_position: Annotated[int, cyclopts.Parameter(name="--from")] = 1,
    to_position: Annotated[int | None, cyclopts.Parameter(name="--to")] = None,
    open_: Annotated[bool, cyclopts.Parameter(name="--open", negative="")] = False,
    data_dir: DataDir = None,
) -> None:
    """Write the log, or the positions from --from to --to, to the folder --out as JSON Lines with a manifest.

    What is sealed stays sealed. --open adds names, numbers and texts in the clear: guard the folder.
    """
    settings = load(**given(data_dir))
    run(_export(settings, out, from_position, to_position, opened=open_))


async def _export(settings: Settings, out: Path, first: int, last: int | None, *, opened: bool) -> None:
    async with databases_for(settings, begin=False) as databases:
        await auditing.export_log(
            databases, settings.schema_name, out, first=first, last=last, opened=opened, say=say
        )


async def _verify(settings: Settings) -> None:
    patience = timedelta(seconds=settings.upstream_timeout + settler.GRACE + 2 * settler.SWEEP)
    async with databases_for(settings, begin=False) as databases:
        wrong = await auditing.verify_log(
            databases, settings.schema_name, now=utc_now(), patience=patience, say=say
        )
    if wrong:
        sys.exit(1)
