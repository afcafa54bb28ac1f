"""Where connections may lead: the one rule for vCenters, ESXi hosts, and whatever else was named by
a user or by another server.

This machine itself, its own links (with the clouds' metadata services), multicast and no address at
all are refused, unless an administrator allowed them. The address that is checked is the one that
is connected to, so that a name cannot lead elsewhere in between.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Iterable

from contexts.vsphere.errors import AddressNotAllowed

VARIABLE = "VMREP_ALLOW_ADDRESSES"

# The clouds' metadata services that are not link-local: Amazon's over IPv6, Alibaba's, Oracle's,
# and Azure's.
_METADATA = frozenset(
    map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"))
)
# What a translator makes an IPv4 address of: its last four bytes (RFC 6052; RFC 4291, 2.5.5.1).
_TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(texts: Iterable[str]) -> tuple[_Network, ...]:
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts if text.strip())


# Programs without Django's settings, such as those of script/bench, have only the variable.
_allowed = _networks(os.environ.get(VARIABLE, "").split(","))


def allow(networks: Iterable[str]) -> None:
    """From now on these addresses and networks, and no others, are excepted from the rule in this
    process."""
    global _allowed
    _allowed = _networks(networks)


def leads_inside(address: str) -> bool:
    """Whether the rule refuses the address, whatever is allowed."""
    found = _read(address)
    return (
        found.is_loopback
        or found.is_link_local
        or found.is_multicast
        or found.is_unspecified
        or found in _METADATA
    )


def connect(host: str, port: int, patience: Callable[[], float]) -> socket.socket:
    """A TCP connection to the first of the host's addresses that answers. `patience`: the seconds
    for the next attempt; it may raise. Raises AddressNotAllowed, and OSError for what the network
    does."""
    failure: OSError | None = None
    for family, kind, protocol, _, place in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        _require_allowed(host, str(place[0]))
        seconds = patience()
        plain = socket.socket(family, kind, protocol)
        try:
            plain.settimeout(seconds)
            plain.connect(place)
            # Requests are small: each would wait for the acknowledgement of the one before.
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return plain
        except OSError as error:
            plain.close()
            failure = error
    raise failure or OSError(f"{host} has no address")


def _require_allowed(host: str, address: str) -> None:
    found = _read(address)
    if not leads_inside(address) or any(found in network for network in _allowed):
        return
    raise AddressNotAllowed(
        f"{host} leads to {found}: to the machine that vmrep runs on, to its own link, or to none."
        " Nothing was sent. Correct the name, the address or DNS; if it is meant, an administrator"
        f" can allow it with {VARIABLE}."
    )


def _read(address: str) -> _Address:
    """Without the interface that may follow it; IPv4 also where it is written as IPv6, or where
    IPv6 leads to it through a translator or a tunnel."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and int(found) > 1:  # not :: and ::1
        if any(found in network for network in _TRANSLATED):
            return ipaddress.IPv4Address(found.packed[-4:])
        return found.ipv4_mapped or found.sixtofour or found
    return found
