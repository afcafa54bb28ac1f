"""The demo's last step: vmrep's integrity check must find nothing once no job is running."""

from __future__ import annotations

from collections.abc import Iterator

from replication.integrity.findings import Scope
from replication.integrity.look import find


def problems() -> Iterator[str]:
    """Everything that is wrong, one line each. No job may be running."""
    for finding in find(Scope(deep=True, quiet=True)):
        subject = f" ({finding.subject})" if finding.subject else ""
        yield f"{finding.code}{subject}: {finding.what}"
