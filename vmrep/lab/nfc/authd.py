"""authd, the host's authentication daemon: greeting, TLS, ticket, and the way to NFC."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

from vmrep.lab.nfc.tickets import Ticket, Tickets

_BANNER = (
    "220 VMware Authentication Daemon Version 1.10: SSL Required, ServerDaemonProtocol:SOAP,"
    " MKSDisplayProtocol:VNC , VMXARGS supported, NFCSSL supported/t\r\n"
)
_LONGEST_LINE = 1024


class Refused(Exception):
    """The client was told why, or did something that ends the connection."""


@dataclass(frozen=True)
class Door:
    """A host's: its certificate's SHA-256, and the service that is behind it."""

    host: str
    tls: ssl.SSLContext
    fingerprint_sha256: str
    service: str


def admit(raw: socket.socket, door: Door, tickets: Tickets) -> tuple[Ticket, socket.socket]:
    """The ticket that was used, and the connection on which NFC begins. Closes it on failure."""
    opened: socket.socket = raw
    try:
        raw.sendall(_BANNER.encode())
        control = opened = door.tls.wrap_socket(raw, server_side=True)
        ticket, encrypted = _converse(control, tickets, door)
        opened = socket.socket(fileno=control.detach())
        opened.settimeout(raw.gettimeout() or 30.0)
        if encrypted:
            opened = door.tls.wrap_socket(opened, server_side=True)
        return ticket, opened
    except BaseException:
        opened.close()
        raise


def _converse(control: ssl.SSLSocket, tickets: Tickets, door: Door) -> tuple[Ticket, bool]:
    ticket: Ticket | None = None
    while True:
        command, _, argument = _line(control).partition(" ")
        if command == "SESSION":
            ticket = tickets.use(argument, door.host)  # only the next command is answered
        elif ticket is None:
            _say(control, "530 Please login with USER and PASS.")
            raise Refused("no valid ticket")
        elif command == "BANNER" and argument == "":
            control.sendall(_BANNER.encode())
        elif command == "THUMBPRINT_SHA2" and argument:
            _say(control, f"200 {door.fingerprint_sha256}")
        elif command == "PROXY" and argument in (door.service, f"{door.service}ssl"):
            encrypted = argument.endswith("ssl")
            _say(control, f"200 Connect ha-nfc{'ssl' if encrypted else ''}")
            return ticket, encrypted
        else:
            _say(control, "501 Malformed command or argument.")
            raise Refused(f"{command} {argument}")


def _say(control: ssl.SSLSocket, line: str) -> None:
    control.sendall(f"{line}\r\n".encode())


def _line(control: ssl.SSLSocket) -> str:
    found = bytearray()
    while not found.endswith(b"\r\n"):
        byte = control.recv(1)
        if not byte or len(found) > _LONGEST_LINE:
            raise Refused("no whole line")
        found += byte
    return found[:-2].decode("latin-1")
