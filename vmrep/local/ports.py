"""TCP ports on this machine."""

from __future__ import annotations

import errno
import socket

from vmrep.local.errors import LocalError

LOCALHOST = "127.0.0.1"
THIS_MACHINE = "127.0.0.0/8"
"""Where a lab is, for VMREP_ALLOW_ADDRESSES."""


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1, to be handed to the web server; port 0 means any free port.

    Having the socket before anything starts is the only check for a free port without a race.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOCALHOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise LocalError(
                f"port {port} on {LOCALHOST} is taken by another program; "
                f"choose another one: script/demo --port {port + 1 if port < 65535 else port - 1}"
            ) from error
        raise LocalError(f"cannot listen on {LOCALHOST}:{port}: {error.strerror}") from error
    return listener


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOCALHOST, 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether a program listens on the port."""
    try:
        with socket.create_connection((LOCALHOST, port), timeout=1):
            return True
    except OSError:
        return False
