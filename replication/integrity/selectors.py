"""What pages and API read about runs of the integrity check."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import QuerySet

from contexts.clock import about_now
from replication.integrity.runs import SILENT_FOR
from replication.models import IntegrityFinding, IntegrityRun


class Integrity(NamedTuple):
    """`last` is the newest run that has ended, `active` the one that waits or works now."""

    last: IntegrityRun | None
    active: IntegrityRun | None

    @property
    def is_silent(self) -> bool:
        """The active run has reported nothing for so long that its process must be dead."""
        return self.active is not None and self.active.updated_at < about_now() - SILENT_FOR

    @property
    def look(self) -> str:
        """`ok`, `findings`, `broken_off` or `unknown`: one word for the last result."""
        if self.is_silent:
            return "broken_off"
        return "unknown" if self.last is None else str(self.last.outcome)


def integrity(runs: QuerySet[IntegrityRun]) -> Integrity:
    """The last result and the active run of these; one query."""
    newest = list(runs.order_by("-id")[:3])  # at most two of them are active
    return Integrity(
        last=next((run for run in newest if not run.is_active), None),
        active=next((run for run in newest if run.is_active), None),
    )


def findings_of(run: IntegrityRun) -> QuerySet[IntegrityFinding]:
    """Faults first, then repaired ones."""
    return run.findings.order_by("repaired", "severity", "id")
