"""The `ledgerline` command: each of its commands in a module of its name."""

from __future__ import annotations

import asyncio
import sys

import cyclopts

from gateway import doctor as examination
from gateway.audit import AuditError
from gateway.cli import audit, bills, destinations, imports, pings, projections, rates, report, serve
from gateway.cli.terminal import CannotStartError, DataDir, complain, given, leave_unread, say
from gateway.settings import SettingsError
from gateway.store.embedded import EmbeddedError
from gateway.store.keyring import WrongMasterKeyError

app = cyclopts.App(
    name="ledgerline", help="A messaging gateway in front of WhatsApp that remembers everything."
)
for command in (serve.serve, serve.simulate, projections.rebuild, destinations.redeliver):
    app.command(command)
for of_bills in (bills.billing, bills.charges, bills.reconcile, bills.close):
    report.app.command(of_bills)
destinations.app.command(pings.probe, name="test")
for group in (audit, destinations, imports, projections, rates, report):
    app.command(group.app)


@app.command
def doctor(*, data_dir: DataDir = None) -> None:
    """Name every setting that is missing or wrong; say whether database, upstream and webhook answer."""
    sys.exit(asyncio.run(examination.examine(given(data_dir), say=say)))


def main() -> None:
    """Entry point; what stands in the way is said in words, not as a trace."""
    try:
        app()
    except SettingsError as error:
        for problem in error.problems:
            complain(problem)
        sys.exit(2)
    except (CannotStartError, AuditError, EmbeddedError, WrongMasterKeyError) as error:
        complain(str(error))
        sys.exit(1)
    except BrokenPipeError:
        leave_unread()
