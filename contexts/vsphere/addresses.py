"""Addresses of servers as people copy them: from a browser, a ticket, another tool."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import NamedTuple

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


class Address(NamedTuple):
    """A host name (lower case, ASCII) or an IP address without brackets, and the port if one was
    said."""

    host: str
    port: int | None


def parse(text: str) -> Address:
    """Accepts `vc.example.com`, `VC.example.com.`, `host:8443`, `[::1]:443`, `::1`, and pages' own
    addresses such as `https://host:port/ui/`; blanks around it, and names in any script.

    Raises ValueError with words for people.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if _is_ip(plain):
        return Address(str(ipaddress.ip_address(plain)), None)
    scheme, separator, rest = plain.rpartition("://")
    if separator and scheme.lower() not in ("https", "http"):
        raise ValueError(f"A vCenter has no {scheme}:// address. Enter its host name.")
    where = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in where:
        raise ValueError("Enter the host name alone; the user name has a field of its own.")
    name, port = _split(where)
    if _is_ip(name):
        return Address(str(ipaddress.ip_address(name)), port)
    return Address(_ascii(name), port)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _split(where: str) -> tuple[str, int | None]:
    found = re.fullmatch(
        r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[0-9]{0,9}))?", where
    )
    if found is None:
        raise ValueError(f"{where!r} is neither a host name nor an IP address.")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 65536:
        raise ValueError(f"{port} is not a port: it must be between 1 and 65535.")
    return found["v6"] or found["name"] or "", port


def _ascii(name: str) -> str:
    try:
        host = name.removesuffix(".").encode("idna").decode().lower()
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host):
        raise ValueError(f"{name!r} is neither a host name nor an IP address.")
    return host
