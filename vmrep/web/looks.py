"""The look of every state: an icon and a word as well as the colour, never the colour alone."""

from __future__ import annotations

from typing import NamedTuple

from contexts.states import ContextStatus, DiscoveryStatus
from replication.selectors.protection import Protection
from replication.states import (
    BulkItemState,
    BulkState,
    GroupMemberState,
    IntegrityOutcome,
    JobStatus,
    RecoveryPointState,
    Severity,
    StepStatus,
    VerificationState,
)
from vmrep.notifications.states import DeliveryState


class Look(NamedTuple):
    """`tone` is one of the CSS classes tone-… of vmrep.css; `word` is what people read."""

    icon: str
    tone: str
    word: str


_WAITING = Look("clock", "muted", "Waiting")
_RUNNING = Look("progress", "active", "Running")
_COMPLETED = Look("circle-check", "good", "Completed")
_FAILED = Look("circle-x", "bad", "Failed")
_CANCELLED = Look("circle-minus", "muted", "Cancelled")

CONTEXT = {
    ContextStatus.DISCOVERED: Look("circle-dashed", "muted", "Not replicated yet"),
    ContextStatus.REPLICATING: Look("progress", "active", "Replicating"),
    ContextStatus.READY: Look("circle-check", "good", "Ready"),
    ContextStatus.FAILED: _FAILED,
}

PROTECTION = {
    Protection.PROTECTED: Look("shield-check", "good", Protection.PROTECTED.label),
    Protection.OVER_TARGET: Look("shield-exclamation", "bad", Protection.OVER_TARGET.label),
    Protection.NO_TARGET: Look("shield-question", "muted", Protection.NO_TARGET.label),
    Protection.BROKEN: Look("shield-x", "bad", Protection.BROKEN.label),
    Protection.UNPROTECTED: Look("shield-off", "warn", Protection.UNPROTECTED.label),
}

WITH_WARNINGS = "completed_with_warnings"
"""In addition to the statuses: a completed job in which a step ended with a warning."""

JOB: dict[str, Look] = {
    JobStatus.PENDING: _WAITING,
    JobStatus.RUNNING: _RUNNING,
    JobStatus.COMPLETED: _COMPLETED,
    JobStatus.FAILED: _FAILED,
    JobStatus.CANCELLED: _CANCELLED,
    WITH_WARNINGS: Look("alert-triangle", "warn", "Completed with warnings"),
}

STEP = {
    StepStatus.RUNNING: _RUNNING,
    StepStatus.COMPLETED: _COMPLETED,
    StepStatus.WARNING: Look("alert-triangle", "warn", "Completed with a warning"),
    StepStatus.FAILED: _FAILED,
    StepStatus.CANCELLED: _CANCELLED,
    StepStatus.INTERRUPTED: Look("alert-triangle", "warn", "Interrupted"),
}

DISCOVERY = {
    DiscoveryStatus.PENDING: _WAITING,
    DiscoveryStatus.RUNNING: _RUNNING,
    DiscoveryStatus.COMPLETED: _COMPLETED,
    DiscoveryStatus.FAILED: _FAILED,
}

RECOVERY_POINT = {
    RecoveryPointState.WRITING: Look("progress", "active", "Writing"),
    RecoveryPointState.AVAILABLE: Look("circle-check", "good", "Available"),
    RecoveryPointState.EXPIRING: Look("hourglass", "muted", "Expiring"),
    RecoveryPointState.EXPIRED: Look("circle-minus", "muted", "Expired"),
}

INTEGRITY = {
    "unknown": Look("circle-dashed", "muted", "Not checked yet"),
    IntegrityOutcome.OK: Look("shield-check", "good", "OK"),
    IntegrityOutcome.FINDINGS: Look("alert-triangle", "bad", "Findings"),
    IntegrityOutcome.BROKEN_OFF: Look("circle-x", "warn", "Stopped early"),
}

LIFE = {
    "alive": Look("circle-check", "good", "Alive"),
    "dead": Look("alert-triangle", "bad", "Dead"),
    "ended": Look("circle-minus", "muted", "Ended"),
    "answering": Look("circle-check", "good", "Answers"),
    "away": Look("alert-triangle", "bad", "Does not answer"),
    "short": Look("alert-triangle", "warn", "Short of room"),
}

VERIFICATION = {
    VerificationState.WAITING: Look("clock", "muted", "Waits to be verified"),
    VerificationState.RUNNING: Look("progress", "active", "Being verified"),
    VerificationState.VERIFIED: Look("circle-check", "good", "Verified"),
    VerificationState.DAMAGED: Look("shield-x", "bad", "Damaged"),
    VerificationState.IMPOSSIBLE: Look("shield-question", "warn", "Cannot be verified"),
    VerificationState.FAILED: Look("alert-triangle", "warn", "Verification not finished"),
    VerificationState.CANCELLED: _CANCELLED,
}

DELIVERY = {
    DeliveryState.WAITING: _WAITING,
    DeliveryState.HELD: Look("clock", "muted", "Held: quiet hours"),
    DeliveryState.SENDING: Look("progress", "active", "Being sent"),
    DeliveryState.SENT: Look("circle-check", "good", "Sent"),
    DeliveryState.IN_DIGEST: Look("circle-check", "good", "In a digest"),
    DeliveryState.GIVEN_UP: Look("circle-x", "bad", "Not delivered"),
}

BULK = {
    BulkState.WAITING: _WAITING,
    BulkState.RUNNING: _RUNNING,
    BulkState.ENDED: Look("circle-check", "good", "Ended"),
    BulkState.CANCELLED: _CANCELLED,
}

BULK_ITEM = {
    BulkItemState.WAITING: Look("clock", "muted", "Not yet"),
    BulkItemState.DONE: Look("circle-check", "good", "Done"),
    BulkItemState.REFUSED: Look("circle-x", "bad", "Refused"),
}

GROUP_MEMBER = {
    GroupMemberState.WAITING: _WAITING,
    GroupMemberState.GOING: _RUNNING,
    GroupMemberState.TOGETHER: Look("circle-check", "good", GroupMemberState.TOGETHER.label),
    GroupMemberState.APART: Look("alert-triangle", "warn", GroupMemberState.APART.label),
    GroupMemberState.MISSING: Look("circle-minus", "warn", GroupMemberState.MISSING.label),
}

SEVERITY = {
    Severity.ERROR: Look("circle-x", "bad", "Error"),
    Severity.WARNING: Look("alert-triangle", "warn", "Warning"),
}

LOOKS: dict[str, dict[str, Look]] = {
    "context": {str(state): look for state, look in CONTEXT.items()},
    "protection": {str(state): look for state, look in PROTECTION.items()},
    "job": {str(state): look for state, look in JOB.items()},
    "step": {str(state): look for state, look in STEP.items()},
    "discovery": {str(state): look for state, look in DISCOVERY.items()},
    "integrity": {str(state): look for state, look in INTEGRITY.items()},
    "life": LIFE,
    "bulk": {str(state): look for state, look in BULK.items()},
    "bulk_item": {str(state): look for state, look in BULK_ITEM.items()},
    "delivery": {str(state): look for state, look in DELIVERY.items()},
    "group_member": {str(state): look for state, look in GROUP_MEMBER.items()},
    "severity": {str(state): look for state, look in SEVERITY.items()},
    "verification": {str(state): look for state, look in VERIFICATION.items()},
    "recovery_point": {str(state): look for state, look in RECOVERY_POINT.items()},
}
