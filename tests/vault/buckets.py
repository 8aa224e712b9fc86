"""A real S3 server (rclone's), with keys that it checks, for the tests of the media vault."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import obstore
from obstore.store import S3Store

KEY_ID, SECRET = "LEDGERLINETEST", "not-a-secret-at-all"


@dataclass(frozen=True)
class Bucket:
    """A bucket of its own for a test; its objects are files of `folder`."""

    url: str
    name: str
    folder: Path

    @property
    def settings(self) -> dict[str, str]:
        """As a gateway is told of it."""
        return {
            "vault": f"s3://{self.name}/media",
            "vault_s3_url": self.url,
            "vault_s3_key_id": KEY_ID,
            "vault_s3_secret": SECRET,
        }

    def store(self, secret: str = SECRET) -> S3Store:
        """A client of the bucket, at the place that `settings` name."""
        return S3Store(
            self.name,
            prefix="media",
            config={
                "endpoint": self.url,
                "region": "us-east-1",
                "access_key_id": KEY_ID,
                "secret_access_key": secret,
            },
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )

    def names(self) -> list[str]:
        """Everything in it."""
        return [one["path"] for one in obstore.list(self.store()).collect()]


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The server's URL; each folder in `folder` is a bucket."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    program = Path(sys.executable).parent / "rclone"
    # It looks at the folder anew each time; with 0s it would turn in circles for as long as it lives.
    options = ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY_ID},{SECRET}", "--vfs-cache-mode", "off"]
    server = subprocess.Popen(  # noqa: S603 - of our own environment
        [program, "serve", "s3", *options, "--dir-cache-time", "1ms", folder], stderr=subprocess.DEVNULL
    )
    try:
        _until_open(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def _until_open(port: int) -> None:
    for _ in range(600):
        with closing(socket.socket()) as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("the S3 server does not listen")
