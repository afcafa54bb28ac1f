"""The trail as a part of the integrity check: its newest events, and in a deep one all of them."""

from __future__ import annotations

from collections.abc import Iterator

from replication.integrity.findings import Code, Finding, Scope, SecondLook, check
from vmrep.trail.verify import verify

NEWEST = 5000

AUDIT_TRAIL_ALTERED = Code(
    "audit_trail_altered",
    "Somebody changed the audit trail behind vmrep's back. Keep the database as it is, compare it"
    " with a backup and with what was exported, and change the passwords of the database.",
)


@check(AUDIT_TRAIL_ALTERED, second_look=SecondLook.NONE)
def audit_trail_altered(scope: Scope) -> Iterator[Finding]:
    """The chain of digests, its seals and its head."""
    if scope.context_id is not None:
        return
    found = verify(newest=None if scope.deep else NEWEST, on_progress=lambda _: scope.on_progress())
    for fault in found.faults:
        yield AUDIT_TRAIL_ALTERED.finding(fault.what, key=(fault.number, fault.what))
