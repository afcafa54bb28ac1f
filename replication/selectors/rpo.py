"""RPO: how old the newest recovery point is, by the database's clock, against the VM's target.

It is computed on request and never stored, so that it keeps growing when every worker is dead. Only
the newest recovery point's `consistent_at` is in the context's row; the database maintains it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import (
    BooleanField,
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

# A database that moved to another machine may be a little behind itself. A point that is dated
# further ahead was dated by a wrong clock: its age is unknown.
CLOCKS_MAY_DIFFER = timedelta(minutes=1)


class RPOState(TextChoices):
    """How well a VM is protected. Without a target, having a recovery point is enough, unless it is
    dated in the future: then its age is unknown, so the VM is at risk."""

    PROTECTED = "protected", "Protected"
    AT_RISK = "at_risk", "At risk"
    UNPROTECTED = "unprotected", "Unprotected"


def with_rpo(contexts: QuerySet[VMContext], now: datetime) -> QuerySet[VMContext]:
    """Add `newest_point_at` (null: there is no recovery point), `is_dated_ahead` (that point is
    dated in the future, so its age is unknown) and `rpo_state`, as of `now`."""
    return contexts.annotate(newest_point_at=F("newest_recovery_point_at")).annotate(
        is_dated_ahead=Case(
            When(dated_ahead(now), then=Value(True)),
            default=Value(False),
            output_field=BooleanField(),
        ),
        rpo_state=Case(
            When(unprotected(), then=Value(RPOState.UNPROTECTED)),
            When(at_risk(now), then=Value(RPOState.AT_RISK)),
            default=Value(RPOState.PROTECTED),
            output_field=CharField(),
        ),
    )


def unprotected() -> Q:
    """For a context: it has no recovery point."""
    return Q(newest_recovery_point_at__isnull=True)


def at_risk(now: datetime) -> Q:
    """For a context: its newest recovery point is older than its target allows, or of unknown
    age."""
    # Each type is given explicitly: on SQLite Django needs it to calculate with durations.
    seconds = ExpressionWrapper(F("rpo_target_seconds"), output_field=IntegerField())
    target = ExpressionWrapper(
        seconds * Value(timedelta(seconds=1), output_field=DurationField()),
        output_field=DurationField(),
    )
    oldest_allowed = ExpressionWrapper(
        Value(now, output_field=DateTimeField()) - target, output_field=DateTimeField()
    )
    return Q(newest_recovery_point_at__lt=oldest_allowed) | dated_ahead(now)


def dated_ahead(now: datetime) -> Q:
    """For a context: its newest recovery point is dated in the future."""
    return Q(newest_recovery_point_at__gt=now + CLOCKS_MAY_DIFFER)


def rpo_seconds(newest_point_at: datetime | None, now: datetime) -> int | None:
    """Age of the newest recovery point; None if there is none, or if it is dated in the future and
    its age is therefore unknown."""
    if newest_point_at is None or newest_point_at > now + CLOCKS_MAY_DIFFER:
        return None
    return max(0, int((now - newest_point_at).total_seconds()))
