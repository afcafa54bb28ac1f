"""From which address a request comes.

A header says whatever its sender likes. So the addresses that `X-Forwarded-For` names are believed
only as far as proxies that were named in VMREP_TRUSTED_PROXIES wrote them: read from the right, the
first one that is no such proxy is the client.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

from vmrep.environment import UNIX_SOCKET

LONGEST = 45
"""Characters of an address."""
_MOST_HOPS = 20


def client_address(request: HttpRequest) -> str | None:
    """The client's IP address as text; None if it has none that can be known."""
    address = _clean(request.META.get("REMOTE_ADDR", ""))
    if not _is_trusted(address):
        return address
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")[-_MOST_HOPS:]
    for hop in reversed(hops):
        named = _clean(hop)
        if named is None:
            return address  # the proxy wrote nothing, or what is no address
        address = named
        if not _is_trusted(address):
            break
    return address


def _clean(text: str) -> str | None:
    """An address in the one form in which it is compared and stored."""
    bare = text.strip()
    if bare.startswith("["):  # [2001:db8::1]:1234
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:  # 192.0.2.1:1234
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _is_trusted(address: str | None) -> bool:
    networks, over_socket = _proxies(tuple(settings.TRUSTED_PROXIES))
    if address is None:
        return over_socket
    return any(ip_address(address) in network for network in networks)


@lru_cache(maxsize=8)
def _proxies(named: tuple[str, ...]) -> tuple[tuple[IPv4Network | IPv6Network, ...], bool]:
    networks = tuple(ip_network(each, strict=False) for each in named if each != UNIX_SOCKET)
    return networks, UNIX_SOCKET in named
