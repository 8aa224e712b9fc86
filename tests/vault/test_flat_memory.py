"""A file of any size takes the same memory: it passes through in pieces, there and back."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web
from buckets import Bucket
from running import LINE, whatsapp

from domain.media import Media
from gateway.upstream import Upstream
from gateway.vault.disk import Disk
from gateway.vault.download import Download, Fetched
from gateway.vault.s3 import PIECE, S3
from gateway.vault.sealed import Seal, span_of
from gateway.vault.store import Store

MEGABYTES = 28
FLAT = 4 * PIECE
"""Bytes: little more than half of the file, and room for a piece that is gathered, copied and sent."""


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "disk":
        return Disk(tmp_path)
    bucket: Bucket = request.getfixturevalue("bucket")
    return S3(bucket.store())


@contextmanager
def flat() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < FLAT


async def megabytes() -> AsyncIterator[bytes]:
    for number in range(MEGABYTES):
        yield bytes([number]) * 1024 * 1024


async def test_a_large_file_passes_through_in_pieces(store: Store) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/file":
            return web.Response(body=megabytes())
        return web.json_response({"url": f"http://{request.host}/file"})

    object_id, key, size = uuid4(), bytes(32), MEGABYTES * 1024 * 1024
    async with whatsapp(answer) as (url, _):
        upstream = Upstream(url, "token", timeout=30)
        try:
            with flat():
                media = Media("1", None, None, None)
                fetched = await Download(upstream, store, LINE, media).run(object_id, Seal(key, object_id))
        finally:
            await upstream.close()
    assert isinstance(fetched, Fetched)
    assert fetched.size == size

    span, read = span_of(0, size, size), 0
    with flat():
        stored = store.read(object_id, span.start, span.stop)
        async for _, piece in Seal(key, object_id).open(stored, span, size):
            read += len(piece)
    assert read == size
