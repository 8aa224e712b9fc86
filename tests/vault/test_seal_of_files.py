"""A sealed file opens in any part, and not when anything of it was changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from uuid import UUID, uuid4

import pytest
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.vault.sealed import CHUNK, DamagedError, Seal, sealed_size, span_of

KEY = bytes(range(32))
NAME = UUID(int=7)
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17]


async def pieces(data: bytes, cuts: Iterable[int] = ()) -> AsyncIterator[bytes]:
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    for start, stop in zip([0, *ends], ends, strict=False):
        yield data[start:stop]


async def sealed(data: bytes, cuts: Iterable[int] = (), key: bytes = KEY, name: UUID = NAME) -> bytes:
    return b"".join([chunk async for chunk in Seal(key, name).close(pieces(data, cuts))])


async def opened(
    stored: bytes,
    size: int,
    part: range,
    *,
    cuts: Iterable[int] = (),
    key: bytes = KEY,
    name: UUID = NAME,
) -> bytes:
    span = span_of(part.start, part.stop, size)
    found = Seal(key, name).open(pieces(stored[span.start : span.stop], cuts), span, size)
    return b"".join([piece[max(part.start - at, 0) : part.stop - at] async for at, piece in found])


@settings(max_examples=examples(60), deadline=None)
@given(st.sampled_from(SIZES), st.data())
async def test_any_part_opens_however_it_came_in_pieces(size: int, data: st.DataObject) -> None:
    content = b"".join(n.to_bytes(4, "big") for n in range(size // 4 + 1))[:size]
    cuts = st.lists(st.integers(0, size + 64), max_size=4)
    start = data.draw(st.integers(0, size))
    stop = data.draw(st.integers(start, size))

    stored = await sealed(content, data.draw(cuts))

    assert len(stored) == sealed_size(size)
    assert await opened(stored, size, range(size), cuts=data.draw(cuts)) == content
    if start < stop:
        assert await opened(stored, size, range(start, stop), cuts=data.draw(cuts)) == content[start:stop]


@settings(max_examples=examples(60), deadline=None)
@given(st.sampled_from(SIZES), st.integers(0, 7), st.data())
async def test_a_changed_bit_is_noticed(size: int, bit: int, data: st.DataObject) -> None:
    stored = bytearray(await sealed(bytes(size)))
    stored[data.draw(st.integers(0, len(stored) - 1))] ^= 1 << bit

    with pytest.raises(DamagedError):
        await opened(bytes(stored), size, range(size))


CHUNKS = CHUNK + 16


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda s: s[CHUNKS : 2 * CHUNKS] + s[:CHUNKS] + s[2 * CHUNKS :], id="swapped"),
        pytest.param(lambda s: s[:CHUNKS] + s[2 * CHUNKS :], id="left out"),
        pytest.param(lambda s: s[: 2 * CHUNKS], id="cut off behind a chunk"),
        pytest.param(lambda s: s[:-1], id="cut off"),
        pytest.param(lambda s: s + b"x", id="longer"),
        pytest.param(lambda _: b"", id="empty"),
    ],
)
async def test_chunks_stand_in_their_place_and_are_all_there(changed: object) -> None:
    assert callable(changed)
    size = 3 * CHUNK
    stored = await sealed(bytes(size))

    async def whole() -> bytes:
        span = span_of(0, size, size)
        return b"".join([x async for _, x in Seal(KEY, NAME).open(pieces(changed(stored)), span, size)])

    with pytest.raises(DamagedError):
        await whole()


async def test_a_shorter_file_is_not_the_beginning_of_a_longer_one() -> None:
    """Its own last chunk is marked as the last, so a wrong size does not pass it off as whole."""
    stored = await sealed(bytes(2 * CHUNK))

    with pytest.raises(DamagedError):
        await opened(stored[: CHUNK + 16], CHUNK, range(CHUNK))


async def test_another_key_or_object_does_not_open() -> None:
    stored = await sealed(b"damaged box")

    with pytest.raises(DamagedError):
        await opened(stored, 11, range(11), key=bytes(32))
    with pytest.raises(DamagedError):
        await opened(stored, 11, range(11), name=uuid4())
