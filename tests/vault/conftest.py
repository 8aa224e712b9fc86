from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from buckets import Bucket, serving
from prometheus_client.parser import text_string_to_metric_families
from running import Running, running, start

__all__ = ["running", "start"]


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """URL and folder of an S3 server."""
    folder = tmp_path_factory.mktemp("buckets")
    with serving(folder) as url:
        yield url, folder


@pytest.fixture
def bucket(s3_server: tuple[str, Path]) -> Bucket:
    """An empty bucket."""
    url, folder = s3_server
    name = f"vault-{uuid4().hex[:12]}"
    (folder / name).mkdir()
    return Bucket(url, name, folder / name)


@pytest.fixture
def metric() -> Callable[..., Awaitable[float]]:
    """Sum of the samples of /metrics with this name and at least these labels."""

    async def read(gateway: Running, name: str, **labels: str) -> float:
        _, text = await gateway.get("/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    return read
