"""From a ticket to a connection that speaks NFC: the ESXi host's authentication daemon.

The host greets in the clear, TLS begins, its certificate is held against the ticket's thumbprint,
and only then is the ticket sent. With `…ssl` that TLS session is dropped without a closing
handshake and a second one begins on the same TCP connection, so that no disk content ever travels
in the clear.
"""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import time

from contexts.vsphere import reach
from contexts.vsphere.errors import AddressNotAllowed
from contexts.vsphere.nfc.errors import NfcBroken, NfcError, NfcRefused, OtherCertificate
from contexts.vsphere.nfc.tickets import Ticket

CONNECT_SECONDS = 15.0
_LONGEST_LINE = 1024


def connect(ticket: Ticket, doing: str) -> socket.socket:
    """A connection on which the host's NFC server listens; its timeout is `CONNECT_SECONDS`.

    Raises NfcRefused (ticket, certificate, service) and NfcBroken.
    """
    where = f"{doing}: {ticket.address}"
    raw = _dial(ticket, where)
    opened: socket.socket = raw
    try:
        deadline = time.monotonic() + CONNECT_SECONDS
        greeting = _line(raw, deadline, where)
        if not greeting.startswith("220 "):
            raise _unexpected(f"{where} greets with {greeting!r}", greeting)
        control = opened = _tls(raw, where)
        _require_thumbprint(control, ticket, where)
        _authorise(control, ticket, deadline, where)
        opened = _take_over(control, where)
        opened = second = _tls(opened, where)
        # The daemon hands the connection to another program: it must be the same host's.
        _require_thumbprint(second, ticket, where)
        return opened
    except (OSError, ValueError) as problem:
        opened.close()
        raise NfcBroken(
            f"{where}: the connection broke while it was set up ({problem})."
        ) from problem
    except NfcError:
        opened.close()
        raise


def _dial(ticket: Ticket, where: str) -> socket.socket:
    try:
        return reach.connect(ticket.host, ticket.port, lambda: CONNECT_SECONDS)
    except AddressNotAllowed as problem:
        raise NfcRefused(f"{where}: {problem}") from problem
    except socket.gaierror as problem:
        raise NfcRefused(
            f"{where}: the host's name cannot be resolved here ({problem.strerror}). Workers need"
            " the ESXi hosts' names in their DNS.",
            transient=problem.errno == socket.EAI_AGAIN,
        ) from problem
    except OSError as problem:
        raise NfcBroken(
            f"{where} cannot be reached ({problem}). Open TCP {ticket.port} from this machine to"
            " the ESXi hosts."
        ) from problem


def _tls(raw: socket.socket, where: str) -> ssl.SSLSocket:
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    settings.check_hostname = False
    settings.verify_mode = ssl.CERT_NONE  # the ticket's thumbprint says whom to trust
    settings.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        return settings.wrap_socket(raw)
    except ssl.SSLError as problem:
        raise NfcBroken(
            f"{where} and vmrep cannot agree on TLS ({problem.reason or problem})."
        ) from problem


def _require_thumbprint(control: ssl.SSLSocket, ticket: Ticket, where: str) -> None:
    der = control.getpeercert(binary_form=True) or b""
    found = hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()
    presented = ":".join(re.findall("..", found))
    if presented != ticket.thumbprint_sha1:
        raise OtherCertificate(
            f"{where} presents a certificate with the thumbprint {presented}; vSphere's ticket says"
            f" {ticket.thumbprint_sha1}. Either another server answers, or the host's certificate"
            " was renewed; if so, reconnect the host in vCenter. Nothing was sent."
        )


def _authorise(control: ssl.SSLSocket, ticket: Ticket, deadline: float, where: str) -> None:
    control.sendall(f"SESSION {ticket.session_id}\r\n".encode())  # no answer comes
    _ask(control, "BANNER ", "220", deadline, where)
    _ask(control, "THUMBPRINT_SHA2 PlainText", "200", deadline, where)
    _ask(control, f"PROXY {ticket.service}ssl", "200", deadline, where)


def _ask(control: ssl.SSLSocket, command: str, expected: str, deadline: float, where: str) -> None:
    control.sendall(f"{command}\r\n".encode())
    answer = _line(control, deadline, where)
    if answer.startswith(f"{expected} ") or answer == expected:
        return
    if answer.startswith("530"):
        raise NfcRefused(
            f"{where} does not accept the ticket ({answer!r}). It may have expired.", transient=True
        )
    raise _unexpected(f"{where} answers {command.strip()!r} with {answer!r}", answer)


def _unexpected(what: str, answer: str) -> NfcRefused:
    """With 4xx and 5xx the daemon says that it cannot, which passes: it is busy, or about to start.
    500 to 502 say that it does not understand, which stays."""
    if re.match(r"(4\d\d|5(?!0[0-2])\d\d)([ -]|$)", answer):
        return NfcRefused(
            f"{what}. If this continues, look at the load and the log (vpxa, hostd) of the host.",
            transient=True,
        )
    return NfcRefused(f"{what}, which no known ESXi host does. Is another service on that port?")


def _line(connection: socket.socket, deadline: float, where: str) -> str:
    """One line ending in CR LF, and not a byte more: what follows belongs to the next stage."""
    found = bytearray()
    while not found.endswith(b"\r\n"):
        left = deadline - time.monotonic()
        if left <= 0 or len(found) > _LONGEST_LINE:
            raise NfcBroken(f"{where} sends a line that does not end ({bytes(found[:80])!r}).")
        connection.settimeout(left)
        try:
            byte = connection.recv(1)
        except TimeoutError:
            if found:
                continue
            raise
        if not byte:
            raise NfcBroken(f"{where} closed the connection in the middle of a line.")
        found += byte
    connection.settimeout(CONNECT_SECONDS)
    return found[:-2].decode("ascii", errors="replace")


def _take_over(control: ssl.SSLSocket, where: str) -> socket.socket:
    """The TCP connection below a TLS session, which is forgotten: nothing more is sent in it."""
    if control.pending():
        raise NfcBroken(f"{where} sends more than it was asked for before NFC begins.")
    raw = socket.socket(fileno=control.detach())
    raw.settimeout(CONNECT_SECONDS)
    return raw
