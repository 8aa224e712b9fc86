"""What every store of the vault must do: on a disk, and in a real S3 server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from buckets import Bucket

from gateway.vault import disk, s3
from gateway.vault.disk import Disk
from gateway.vault.place import tried
from gateway.vault.s3 import S3
from gateway.vault.store import MissingError, Store, StoreError

BOUNDS = sorted({0, 1, disk.PIECE, s3.PIECE - 1, s3.PIECE, s3.PIECE + 1, 2 * s3.PIECE + 5})


@dataclass(frozen=True)
class Case:
    store: Store
    left: Callable[[], list[str]]
    """Names of everything that lies in it."""


@pytest.fixture(params=["disk", "s3"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    if request.param == "disk":
        folder = tmp_path / "media"
        return Case(Disk(folder), lambda: [one.name for one in folder.rglob("*") if one.is_file()])
    bucket: Bucket = request.getfixturevalue("bucket")
    return Case(S3(bucket.store()), bucket.names)


def odd_bytes(size: int) -> bytes:
    """No two pieces of them are alike."""
    return b"".join(n.to_bytes(4, "big") for n in range(size // 4 + 1))[:size]


async def chunks(data: bytes, size: int = 65_552) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(store: Store, object_id: object, start: int, stop: int) -> bytes:
    return b"".join([piece async for piece in store.read(object_id, start, stop)])  # type: ignore[arg-type]


@pytest.mark.parametrize("size", BOUNDS)
async def test_what_was_written_is_read_in_any_part(case: Case, size: int) -> None:
    data, object_id = odd_bytes(size), uuid4()

    await case.store.write(object_id, chunks(data))

    assert await read(case.store, object_id, 0, size) == data
    for start, stop in ((size // 3, size // 2), (max(size - 7, 0), size), (0, min(size, 10))):
        assert await read(case.store, object_id, start, stop) == data[start:stop]


@pytest.mark.parametrize("good", [0, 1, 5 * 1024 * 1024])
async def test_a_content_that_breaks_off_leaves_nothing(case: Case, good: int) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for chunk in chunks(bytes(good)):
            yield chunk
        raise ValueError("not what was promised")

    with pytest.raises(ValueError, match="promised"):
        await case.store.write(uuid4(), broken())

    assert case.left() == []


async def test_what_is_removed_is_missing_and_may_be_removed_again(case: Case) -> None:
    object_id, other = uuid4(), uuid4()
    await case.store.write(object_id, chunks(bytes(s3.PIECE + 1)))
    await case.store.write(other, chunks(b"stays"))

    await case.store.remove(object_id)
    await case.store.remove(object_id)

    with pytest.raises(MissingError):
        await read(case.store, object_id, 0, 1)
    assert await read(case.store, other, 0, 5) == b"stays"


async def test_written_again_it_is_the_newer_one(case: Case) -> None:
    object_id = uuid4()
    await case.store.write(object_id, chunks(b"first"))
    await case.store.write(object_id, chunks(b"again"))

    assert await read(case.store, object_id, 0, 5) == b"again"


async def test_a_trial_leaves_nothing(case: Case) -> None:
    assert await tried(case.store)
    assert case.left() == []


async def test_what_a_killed_writer_left_on_the_disk_is_removed(tmp_path: Path) -> None:
    store, object_id = Disk(tmp_path), uuid4()
    part = tmp_path / object_id.hex[:2] / f"{object_id.hex}.part"
    part.parent.mkdir()
    part.write_bytes(b"half")

    await store.remove(object_id)

    assert not part.exists()


async def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    store, object_id = Disk(tmp_path / "media"), uuid4()
    await store.write(object_id, chunks(b"x"))

    modes = {oct(one.stat().st_mode & 0o777) for one in (tmp_path / "media").rglob("*")}
    assert modes == {"0o700", "0o600"}


async def test_a_place_that_is_no_folder_is_a_fault_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file")

    with pytest.raises(StoreError):
        await Disk(tmp_path / "media").write(uuid4(), chunks(b"x"))


async def test_a_wrong_secret_is_a_fault_of_the_store_that_names_no_secret(bucket: Bucket) -> None:
    with pytest.raises(StoreError) as caught:
        await S3(bucket.store("another-secret")).write(uuid4(), chunks(b"x"))

    assert "another-secret" not in str(caught.value)
    assert not isinstance(caught.value, MissingError)
    assert list(bucket.folder.iterdir()) == []
