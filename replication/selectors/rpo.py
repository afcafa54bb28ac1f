"""RPO: how old the newest recovery point is, by the clock, against the VM's target.

It is computed when somebody looks, never stored: it goes on growing when every worker is dead. Only
when the newest recovery point was consistent stands in the context's row, kept by the database.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    IntegerField,
    Q,
    QuerySet,
    TextChoices,
    Value,
    When,
)

from contexts.models import VMContext


class RPOState(TextChoices):
    """How well a VM is protected. Without a target, having a recovery point is enough."""

    PROTECTED = "protected", "Protected"
    AT_RISK = "at_risk", "At risk"
    UNPROTECTED = "unprotected", "Unprotected"


def with_rpo(contexts: QuerySet[VMContext], now: datetime) -> QuerySet[VMContext]:
    """Add `newest_point_at` (null: there is no recovery point) and `rpo_state` as of `now`."""
    return contexts.annotate(newest_point_at=F("newest_recovery_point_at")).annotate(
        rpo_state=Case(
            When(unprotected(), then=Value(RPOState.UNPROTECTED)),
            When(at_risk(now), then=Value(RPOState.AT_RISK)),
            default=Value(RPOState.PROTECTED),
            output_field=CharField(),
        )
    )


def unprotected() -> Q:
    """Of a context: there is no recovery point."""
    return Q(newest_recovery_point_at__isnull=True)


def at_risk(now: datetime) -> Q:
    """Of a context: its newest recovery point is older than its target allows."""
    # Each type is named: on SQLite, Django knows how to calculate with durations only then.
    seconds = ExpressionWrapper(F("rpo_target_seconds"), output_field=IntegerField())
    target = ExpressionWrapper(
        seconds * Value(timedelta(seconds=1), output_field=DurationField()),
        output_field=DurationField(),
    )
    oldest_allowed = ExpressionWrapper(
        Value(now, output_field=DateTimeField()) - target, output_field=DateTimeField()
    )
    return Q(newest_recovery_point_at__lt=oldest_allowed)


def rpo_seconds(newest_point_at: datetime | None, now: datetime) -> int | None:
    """Age of the newest recovery point; None: there is none. A clock behind it makes it 0."""
    if newest_point_at is None:
        return None
    return max(0, int((now - newest_point_at).total_seconds()))
