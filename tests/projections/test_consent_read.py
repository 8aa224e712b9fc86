from __future__ import annotations

from functools import reduce
from uuid import uuid4

from histories import STREAMS, histories
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import SCHEMA
from test_window_read import as_stored

from domain import consent
from domain.consent import NOTHING_KNOWN
from domain.events import Event
from gateway.store.codec import decode
from gateway.store.postgres import Pool
from projections.window import WindowProjection

projection = WindowProjection(SCHEMA)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories, data=st.data())
async def test_the_consent_is_exact_however_far_its_projection_is_behind(
    history: list[Event], data: st.DataObject, admin: str, pool: Pool
) -> None:
    streams, log = await as_stored(pool, admin, history)
    seen = data.draw(st.integers(0, len(log)))

    async with pool.acquire() as db:
        await projection.fold(db, log[:seen])
        read = (await projection.read(db, streams[:1], decode, elsewhere=streams[1:])).consent
        nobody = (await projection.read(db, [uuid4()], decode)).consent

    told = [event for event in history if event.originator_id in STREAMS]
    assert read == reduce(consent.fold, told, NOTHING_KNOWN)
    assert nobody == NOTHING_KNOWN
