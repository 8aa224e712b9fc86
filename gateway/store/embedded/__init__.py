"""The embedded database: PostgreSQL from a wheel's binaries, shared by the processes of a data directory.

The last client stops it; a client that was killed leaves that to the guard. It is for one machine.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from gateway.store.embedded import cluster, guard
from gateway.store.embedded.files import secret
from gateway.store.embedded.locks import hold
from gateway.store.embedded.places import EmbeddedError, home_of, make_data_dir, owner_of, socket_folder
from gateway.store.embedded.programs import binaries
from gateway.store.embedded.server import keep_guarded, ready

__all__ = ["Embedded", "EmbeddedError", "master_key"]


class Embedded:
    """A client of the embedded server.

    `url` is a superuser's in a cluster that is ours alone, over a socket; asyncpg and psycopg take it.
    """

    def __init__(self, url: str, server: guard.Server, client: int) -> None:
        """Use `start`."""
        self.url = url
        self._home = server.home
        self._client: int | None = client
        self._guarding = asyncio.create_task(keep_guarded(server))

    @classmethod
    async def start(
        cls,
        data_dir: Path,
        *,
        say: Callable[[str], None] = print,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> Embedded:
        """Make, start or join the server of this data directory; EmbeddedError says what would help.

        It waits until the server is ready, a recovery included. `settings` are PostgreSQL's own; they count
        when the server is started, not when it is joined.
        """
        home = home_of(data_dir, say)
        user = owner_of(home)
        async with hold(home / "lock"):
            client = guard.try_lock(home / "clients", fcntl.LOCK_SH)
            if client is None:
                raise AssertionError("whoever holds `clients` alone holds `lock` too")
            try:
                programs = binaries(user)
                password = await cluster.prepare(programs, home, user, say)
                sockets = socket_folder(home, user)
                command = cluster.command(programs, home, sockets, settings)
                server = guard.Server(home, sockets, user.uid, user.gid, command)
                url = await ready(server, password, say)
            except BaseException:
                os.close(client)  # with no client left, the guard stops what was started
                raise
        return cls(url, server, client)

    async def stop(self) -> None:
        """Leave; the last client stops the server and waits until it is gone."""
        if self._client is None:
            return
        self._guarding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._guarding
        async with hold(self._home / "lock"):
            os.close(self._client)
            self._client = None
            if guard.is_held(self._home / "clients", by_anyone=True):
                return
            await asyncio.to_thread(guard.shut_down, self._home)
            while guard.is_held(self._home / "guard"):
                await asyncio.sleep(guard.PAUSE / 2)
                # One that was begun this very moment may have started the server once more.
                await asyncio.to_thread(guard.shut_down, self._home)


def master_key(data_dir: Path) -> str:
    """The master key kept beside the embedded cluster, 32 bytes in base64; made when there is none."""
    make_data_dir(data_dir)
    return secret(data_dir / "master.key", base64.b64encode(secrets.token_bytes(32)).decode())
