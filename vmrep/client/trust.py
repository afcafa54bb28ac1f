"""How a server is recognised: by a certificate that an authority has signed, or by exactly one."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from requests.adapters import HTTPAdapter

from vmrep.client.errors import ClientError

CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class Trust:
    """`ca_file`: certificates of authorities to trust instead of the usual ones. `fingerprint`: the
    SHA-256 of the server's own certificate, and no other is accepted. `allow_http`: the token and
    all answers may travel unencrypted; to this machine itself they may anyway."""

    ca_file: str | None = None
    fingerprint: str | None = None
    allow_http: bool = False


class Pinned(HTTPAdapter):
    """Accepts the one certificate with this fingerprint, whoever signed it."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        super().__init__()

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        super().init_poolmanager(*given, **named, assert_fingerprint=self._fingerprint)


def checked_address(text: str, trust: Trust) -> str:
    """The address of a vmrep without a path. Raises ClientError."""
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        port = parts.port
    except ValueError as problem:
        raise ClientError(f"{text!r} is not an address: {problem}") from problem
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ClientError(f"{text!r} is not an address such as https://vmrep.example.org.")
    if parts.username is not None or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise ClientError("The address is that of the server alone: https://vmrep.example.org")
    if parts.scheme == "http" and not (trust.allow_http or _is_this_machine(parts.hostname)):
        raise ClientError(
            "Over http:// everybody on the way could read your token. Use https://, or allow it"
            " (VMREP_ALLOW_HTTP=1, vmrep login --allow-http)."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}"


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def checked_fingerprint(text: str) -> str:
    """64 hexadecimal digits. Raises ClientError."""
    digits = text.replace(":", "").strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ClientError("A fingerprint is a SHA-256: 64 hexadecimal digits, with or without “:”.")
    return digits


def presented_fingerprint(address: str) -> str | None:
    """Of the certificate that the server shows, whoever signed it; None if it shows none. For
    people to compare: nothing is sent to such a server."""
    parts: SplitResult = urlsplit(address)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    where = (parts.hostname or "", parts.port or 443)
    try:
        with (
            socket.create_connection(where, CONNECT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as connection,
        ):
            certificate = connection.getpeercert(binary_form=True)
    except OSError:
        return None
    digest = hashlib.sha256(certificate or b"").hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, 64, 2))
