"""Where the events of the audit trail go besides the database, for `settings`.

A line that is lost on its way (a collector that is away, a process that dies) is missed by its
number, and `manage.py export_audit --after` has it.
"""

from __future__ import annotations

import logging.handlers
import socket
import time
from typing import Any

SYSLOG_PORT = 514
LOOK_AGAIN_SECONDS = 60
log = logging.getLogger(__name__)


def audit_handlers(file: str, syslog: str) -> dict[str, Any]:
    """The handlers of the logger `vmrep.audit`, as `logging.config` wants them. `file`: to append
    JSON to; `syslog`: a socket's path, or a host with or without a port. Empty: none."""
    handlers: dict[str, Any] = {}
    if file:
        handlers["audit_file"] = {"()": AuditFile, "filename": file}
    if syslog:
        handlers["audit_syslog"] = {"()": AuditSyslog, "address": _address(syslog)}
    return handlers


def _address(text: str) -> str | tuple[str, int]:
    if text.startswith("/"):
        return text
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdigit() and host else (text, SYSLOG_PORT)


def why_unknown(syslog: str) -> str:
    """Why the host of a collector cannot be looked up; empty: it can."""
    address = _address(syslog) if syslog else ""
    if not isinstance(address, tuple):
        return ""
    try:
        socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as problem:
        return str(problem)
    return ""


class AuditFile(logging.handlers.WatchedFileHandler):
    """Appends, one event a line; goes on with a new file when the old one was moved away. One that
    cannot be opened is told of where errors of logging go, and hinders nobody: what was done is
    committed by then."""

    def __init__(self, filename: str) -> None:
        super().__init__(filename, encoding="utf-8", delay=True)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def format(self, record: logging.LogRecord) -> str:
        from vmrep.trail import lines  # models are not there yet when settings are read

        return lines.json_line(record.__dict__["audit_event"])


class AuditSyslog(logging.handlers.SysLogHandler):
    """Datagrams: whoever writes an event never waits for whoever collects it. A collector whose
    name cannot be looked up hinders nobody, least of all vmrep's start: it is looked for again, at
    most once in a while, as a look-up takes seconds."""

    append_nul = False
    _look_again_at = 0.0

    def __init__(self, address: str | tuple[str, int]) -> None:
        super().__init__(address, facility=self.LOG_LOCAL0)

    def createSocket(self) -> None:
        """At first, and for each event while there is none."""
        if time.monotonic() < self._look_again_at:
            return
        try:
            super().createSocket()
        except (OSError, UnicodeError) as problem:
            self._look_again_at = time.monotonic() + LOOK_AGAIN_SECONDS
            log.warning(
                "the audit trail does not reach %s (VMREP_AUDIT_SYSLOG): %s", self.address, problem
            )

    def emit(self, record: logging.LogRecord) -> None:
        if self._has_none():
            self.createSocket()
        if not self._has_none():
            super().emit(record)

    def _has_none(self) -> bool:
        return getattr(self, "socket", None) is None

    def format(self, record: logging.LogRecord) -> str:
        """Without the priority, which the handler itself writes."""
        from vmrep.trail import lines

        return lines.syslog_line(record.__dict__["audit_event"]).partition(">")[2]
