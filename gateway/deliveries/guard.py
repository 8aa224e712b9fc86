"""Where deliveries may go: to the open internet, and to private networks only where that is allowed.

Judged when a destination is made, and again for the very address of each connection: a name may lead
elsewhere later.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

from yarl import URL

from gateway.deliveries.names import looked_up

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

RECEIVED: Final = 16 * 1024
"""Bytes of an answer that the kernel holds: one without end is read in small parts, between others' work."""
PATIENCE: Final = 5.0
"""Seconds until a name counts as unknown, when somebody waits for the answer."""
_TRANSLATED: Final = ip_network("64:ff9b::/96")
"""IPv4 addresses in IPv6 (RFC 6052): what counts is where they lead."""


class RefusedAddressError(OSError):
    """An address that deliveries may not go to."""


@dataclass(frozen=True, slots=True)
class Guard:
    """`private`: networks that are allowed although they are not the open internet, without TLS as well."""

    private: Sequence[Network] = ()

    def allows(self, address: str, *, tls: bool) -> bool:
        """Whether a connection may go to an address."""
        found = ip_address(address.partition("%")[0])
        real = _real(found)
        if any(one in network for one in (found, real) for network in self.private):
            return True
        return tls and real.is_global and not (real.is_multicast or real.is_reserved or _is_site_local(real))

    async def refusal(self, url: str) -> str | None:
        """What is wrong with where a URL leads now; None when nothing is."""
        try:
            target = URL(url)
            tls, host = target.scheme == "https", target.host or ""
        except ValueError:
            return "the host is not written as a host is"
        try:
            async with asyncio.timeout(PATIENCE):
                found = await looked_up(host, target.port or 443)
        except (OSError, UnicodeError):  # UnicodeError: no name could be like that
            return f"the host {host!r} is not known to the resolver"
        addresses = [str(one[4][0]) for one in found]
        if all(self.allows(one, tls=tls) for one in addresses):
            return None
        if not tls and all(self.allows(one, tls=True) for one in addresses):
            return "http:// is for private networks that are allowed; use https://"
        return (
            f"the host {host!r} is in a private, loopback or link-local network; "
            "LEDGERLINE_DESTINATIONS_PRIVATE allows networks by name, such as 10.0.0.0/8"
        )

    def socket_for(self, *, tls: bool) -> Any:
        """Makes the sockets of a connector (aiohttp's `socket_factory`). Raises RefusedAddressError."""

        def make(info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
            family, kind, protocol, _, address = info
            if not self.allows(str(address[0]), tls=tls):
                raise RefusedAddressError("not an address that deliveries may go to")
            made = socket.socket(family, kind, protocol)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)
            return made

        return make


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks as CIDR. ValueError names the one that is none."""
    return tuple(ip_network(text) for text in texts)


def _is_site_local(address: Address) -> bool:
    """fec0::/10, which counts as global since it is deprecated."""
    return isinstance(address, IPv6Address) and address.is_site_local


def _real(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address.sixtofour:
        return address.sixtofour
    return IPv4Address(address.packed[-4:]) if address in _TRANSLATED else address
