"""Events for programs: as JSON, one a line, and as syslog (RFC 5424)."""

from __future__ import annotations

import json
import logging
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from contexts.trail import Outcome
from vmrep.trail.models import Event

log = logging.getLogger("vmrep.audit")
"""Every event is logged here as it is committed: `settings` says where that goes."""

_APP = "vmrep"
_LOCAL0 = 16 * 8
_NOTICE, _WARNING = 5, 4
_ENTERPRISE = 32473  # for examples and documentation: vmrep has no number of its own
_ESCAPED = re.compile(r'(["\\\]])')
_IN_BRACKETS = ("number", "actor", "via", "address", "verb", "outcome", "kind", "object_id")


def as_dict(event: Event) -> dict[str, Any]:
    """All that is told of an event, with the digests that prove its place."""
    names = ("number", "at", "verb", "outcome", "actor", "user_id", "via", "address", "request_id")
    about = ("kind", "object_id", "object_name", "vm_context_id", "vcenter_id", "folder", "job_id")
    proof = ("previous_digest", "digest", "seal")
    told = {name: getattr(event, name) for name in (*names, *about)}
    told |= {"at": event.at.isoformat(), "old": event.old_values, "new": event.new_values}
    return told | {name: getattr(event, name) for name in proof}


def json_line(event: Event) -> str:
    """Without an end of line; only ASCII, so that no name moves a terminal's cursor."""
    return json.dumps(as_dict(event), ensure_ascii=True, sort_keys=False)


def syslog_line(event: Event) -> str:
    """A message of RFC 5424 without its end: facility local0, the message ID is the act, all else
    is structured data and the JSON of the event."""
    severity = _NOTICE if event.outcome == Outcome.DONE else _WARNING
    said = " ".join(f'{name}="{_value(getattr(event, name))}"' for name in _IN_BRACKETS)
    return (
        f"<{_LOCAL0 + severity}>1 {event.at.isoformat()} {socket.gethostname() or '-'} {_APP} -"
        f" {event.verb} [audit@{_ENTERPRISE} {said}] {json_line(event)}"
    )


def _value(value: object) -> str:
    """In structured data three characters are escaped, and none ends the line."""
    text = json.dumps(str(value), ensure_ascii=True)[1:-1].replace('\\"', '"')
    return _ESCAPED.sub(r"\\\1", text)


FORMATS: Mapping[str, Callable[[Event], str]] = {"json": json_line, "syslog": syslog_line}


class EventFormatter(logging.Formatter):
    """Of a record with an event, its line. `style`: one of FORMATS. A handler of syslog writes the
    priority itself."""

    def __init__(self, line: str = "json", *, with_priority: bool = True) -> None:
        super().__init__()
        self._line = FORMATS[line]
        self._with_priority = with_priority

    def format(self, record: logging.LogRecord) -> str:
        event = getattr(record, "audit_event", None)
        if not isinstance(event, Event):
            return super().format(record)
        line = self._line(event)
        return line if self._with_priority else line.partition(">")[2]


def emit(events: Iterable[Event]) -> None:
    """After their commit. What a collector misses here (a process that dies, a network) it finds by
    the numbers, and `manage.py export_audit` has it."""
    if not log.isEnabledFor(logging.INFO):
        return
    for event in events:
        log.info("audit event %s", event.number, extra={"audit_event": event})
