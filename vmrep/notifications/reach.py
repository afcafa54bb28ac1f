"""Connections to servers that a user named: only to where they may lead, and only for so long."""

from __future__ import annotations

import socket
import ssl
import threading
from types import TracebackType
from typing import Any

from django.conf import settings

from contexts.vsphere.reach import leads_inside
from vmrep.notifications.errors import ChannelRefused, NotDelivered

CONNECT_SECONDS = 10.0
SECONDS = 30.0
_current = threading.local()


class Deadline:
    """Within it, this thread's connections are cut when the time is over: whatever waits for the
    other side fails then, however slowly that side sends."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self.is_over = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        _current.deadline = self
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        _current.deadline = None
        self._timer.cancel()
        with self._lock:
            for each in self._sockets:
                each.close()
            self._sockets.clear()

    def watch(self, connection: socket.socket) -> None:
        """A copy of its handle is kept: TLS takes the socket itself away."""
        with self._lock:
            self._sockets.append(connection.dup())
            if self.is_over:
                _shut(self._sockets[-1])

    def _cut(self) -> None:
        with self._lock:
            self.is_over = True
            for each in self._sockets:
                _shut(each)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the other side was faster
        return


def is_sending() -> bool:
    """Whether this thread is within a Deadline."""
    return getattr(_current, "deadline", None) is not None


def connect(address: tuple[str, int], *ignored: Any, **also_ignored: Any) -> socket.socket:
    """As `socket.create_connection`. The address that is checked is the one that is connected to,
    so that a name cannot lead elsewhere in between. Raises OSError or NotDelivered."""
    host, port = address
    deadline: Deadline | None = getattr(_current, "deadline", None)
    last: OSError | None = None
    for family, kind, protocol, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        _require_allowed(host, str(place[0]))
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(CONNECT_SECONDS)
            if deadline is not None:
                deadline.watch(connection)
            connection.connect(place)
        except OSError as problem:
            connection.close()
            last = problem
            continue
        connection.settimeout(SECONDS)
        return connection
    raise last or OSError(f"{host} has no address")


def _require_allowed(host: str, address: str) -> None:
    if leads_inside(address) and not settings.NOTIFY_PRIVATE:
        raise NotDelivered(
            f"{host} leads to {address}, an address of this machine or its own link. An"
            " administrator can allow that with VMREP_NOTIFY_PRIVATE=1."
        )


def tls(ca: str = "") -> ssl.SSLContext:
    """Certificates are verified, by what this machine trusts and by `ca` (PEM) in addition."""
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(cadata=ca)
    return context


def require_certificate(ca: str) -> None:
    """Raises ChannelRefused."""
    if not ca.isascii():
        raise ChannelRefused(
            "A certificate in PEM form has no letters beyond ASCII.", "ca_certificate"
        )
    try:
        tls(ca)
    except (ssl.SSLError, ValueError) as problem:
        raise ChannelRefused(
            f"This is not a certificate in PEM form: {problem}", "ca_certificate"
        ) from problem
