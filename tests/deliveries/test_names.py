"""Names of destinations that nobody answers for hold up nothing else."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from gateway.deliveries.guard import Guard, networks
from gateway.deliveries.names import Resolver, looked_up
from gateway.deliveries.poster import Poster

GUARD = Guard(networks(["127.0.0.0/8"]))
MANY = 64


async def test_names_without_an_answer_hold_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    known, answered = socket.getaddrinfo, threading.Event()

    def getaddrinfo(host: str, *more: Any, **named: Any) -> Any:
        if host.startswith("slow"):
            answered.wait()
            raise socket.gaierror
        return known("127.0.0.1", *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    slow = [asyncio.create_task(looked_up(f"slow{number}.example", 443)) for number in range(MANY)]
    await asyncio.sleep(0)
    try:
        assert await GUARD.refusal("http://fast.example/hook") is None
        assert await asyncio.get_running_loop().getaddrinfo("upstream.example", 443)
    finally:
        answered.set()
    assert {type(one) for one in await asyncio.gather(*slow, return_exceptions=True)} == {socket.gaierror}


async def test_a_name_that_leads_elsewhere_later_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    leads_to = ["93.184.216.34", "169.254.169.254", "::ffff:127.0.0.1"]

    def getaddrinfo(_host: str, port: int, *_: Any) -> Any:
        address = leads_to.pop(0)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port, 0, 0)[: 4 if ":" in address else 2])]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert await GUARD.refusal("https://rebound.example/") is None
    for _ in range(2):
        poster = Poster("https://rebound.example/", {}, Guard())
        assert (await poster.post(b"{}", {})).error == "RefusedAddress"
        await poster.close()
    assert leads_to == []


async def test_a_link_local_address_keeps_its_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 443, 0, 2))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)

    assert [one["host"] for one in await Resolver().resolve("link.example", 443)] == ["fe80::1%2"]
