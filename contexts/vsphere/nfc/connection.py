"""One connection that several threads use at once: one sends while another receives."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time

_READ, _WRITE = select.POLLIN, select.POLLOUT


class Connection:
    """Takes a connected socket over, with or without TLS.

    OpenSSL forbids two calls at once on one TLS session, even a read beside a write, and Python's
    ssl does not prevent it. So each call here is short and under a lock, and the waiting happens
    outside the lock. One thread at a time may send, and one receive. Calls raise OSError:
    TimeoutError when the deadline (of time.monotonic) passes, ConnectionError when the peer closed
    the connection.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._socket.setblocking(False)
        self._lock = threading.Lock()

    def send_all(self, data: bytes | memoryview, deadline: float) -> None:
        view = memoryview(data)
        while view:
            try:
                with self._lock:
                    sent = self._socket.send(view)
            except (ssl.SSLWantWriteError, BlockingIOError):
                self._wait(_WRITE, deadline)
            except ssl.SSLWantReadError:
                self._wait(_READ, deadline)
            else:
                view = view[sent:]

    def receive_into(self, view: memoryview, deadline: float) -> None:
        """Fill the whole of `view`."""
        while view:
            count = self._receive_some(view, deadline)
            if not count:
                raise ConnectionError("the host closed the connection")
            view = view[count:]

    def await_end(self, deadline: float) -> None:
        """Throw away what still comes until the peer closes the connection. Closing it before would
        reset it, and the peer might lose what was sent last."""
        rest = memoryview(bytearray(1 << 16))
        while self._receive_some(rest, deadline):
            if time.monotonic() > deadline:  # a peer that sends without a pause
                raise TimeoutError

    def _receive_some(self, view: memoryview, deadline: float) -> int:
        """How many bytes came; 0 when the peer closed the connection."""
        while True:
            try:
                with self._lock:
                    return self._socket.recv_into(view)
            except (ssl.SSLWantReadError, BlockingIOError):
                self._wait(_READ, deadline)
            except ssl.SSLWantWriteError:
                self._wait(_WRITE, deadline)

    def abort(self) -> None:
        """Whoever waits for the connection gets an error. It is closed by `close`. Never raises."""
        with contextlib.suppress(OSError, ValueError):
            # The TCP connection below TLS: this waits for no thread and sends nothing.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Only when no other thread is in a call: the descriptor may be reused at once."""
        self._socket.close()

    def _wait(self, events: int, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        waiting = select.poll()
        waiting.register(self._socket.fileno(), events)
        if not waiting.poll(left * 1000):
            raise TimeoutError
