"""One pass over the log up to where it ends at the start, however much comes meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from domain.events import Recorded
from gateway.store.postgres import Pool
from gateway.verification.chain import Chain
from gateway.verification.findings import Findings
from gateway.verification.pages import pages
from gateway.verification.sends import Sends
from gateway.verification.tables import Rebuild
from projections.sql import load


async def verify(
    pool: Pool, schema: str, *, now: datetime, patience: timedelta, say: Callable[[str], None]
) -> int:
    """Say what was checked and what is wrong; how many things are.

    `pool`: of one connection, since the rebuilt tables are of its session. `patience`: how old a dispatch
    without an outcome may be at `now`.
    """
    sql = load("gateway.verification", "verification.sql", schema)
    findings = Findings(say)
    rebuild = Rebuild(pool, sql, findings)
    await rebuild.begin()
    log_id, floor, head = await pool.fetchrow(sql["head"]) or (None, 0, 0)
    say(f"log {log_id} up to position {head}")
    chain, sends = Chain(pool, sql, findings, floor=floor), Sends(findings)
    async for page in pages(pool, sql, 0, head):
        await chain.follow(page)
        sends.follow(one.item for one in page if isinstance(one.item, Recorded))
        await rebuild.follow(page)
    await chain.close(head)
    sends.close(now, patience)
    _conclude(findings, chain, sends, head)
    await rebuild.close()
    say(f"{findings.total} wrong" if findings.total else "all is well")
    return findings.total


def _conclude(findings: Findings, chain: Chain, sends: Sends, head: int) -> None:
    findings.conclude("events", f"{chain.events} can be read")
    findings.conclude("positions", f"1 to {head}, none missing")
    findings.conclude("commits", f"{chain.commits}, the events of each together")
    findings.conclude("versions", f"{chain.streams} streams, none missing")
    findings.conclude("keys", f"{chain.keys}, each leads to its event")
    known = f"{sends.dispatches} dispatches, {sends.outcomes} outcomes, one for each"
    findings.conclude("sends", f"{known}; {sends.on_their_way} on their way, {sends.unknown} unknown")
