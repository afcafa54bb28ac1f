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
_INFO, _WARNING = 6, 4
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
    severity = _INFO if event.outcome == Outcome.DONE else _WARNING
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


def emit(events: Iterable[Event]) -> None:
    """After their commit. What a collector misses here (a process that dies, a network) it finds by
    the numbers, and `manage.py export_audit` has it."""
    if not log.isEnabledFor(logging.INFO):
        return
    for event in events:
        level = logging.INFO if event.outcome == Outcome.DONE else logging.WARNING
        log.log(level, "audit event %s", event.number, extra={"audit_event": event})
