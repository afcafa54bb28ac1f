"""The one state of protection of a VM, computed from the clock when somebody asks.

It is never stored, so that it stays true when every worker is dead: a VM goes over its target by
time alone. What it depends on is in the context's row, kept there by triggers
(`replication.database.figures`) and by what follows from the policies
(`replication.policies.settle`), so that counts and filters read an index and no other table; and in
`Terms`, which hold for all VMs.

`with_protection` (SQL) and `state_of` are the same rule; a test compares them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Count,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    FloatField,
    Func,
    IntegerField,
    Max,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.expressions import CombinedExpression

from contexts.compiled import CompiledOnce
from contexts.models import VMContext
from contexts.read_once import once
from replication.models import RepositorySign
from replication.states import Protection

# A database that moved to another machine may be a little behind itself. A point that is dated
# further ahead was dated by a wrong clock: its age is unknown.
CLOCKS_MAY_DIFFER = timedelta(minutes=1)
# One look that fails may be a short outage: workers look every few seconds.
AWAY_AFTER = timedelta(seconds=20)


class Terms(NamedTuple):
    """What holds for all VMs at a moment: which repositories no worker reaches."""

    now: datetime
    away: tuple[int, ...] = ()


class Facts(NamedTuple):
    """What the state of one VM depends on besides the terms: the columns of its context."""

    newest_recovery_point_at: datetime | None
    newest_point_damaged: bool
    newest_point_repository_id: int | None
    undecided_disk_count: int
    rpo_target_seconds: int | None


def terms(now: datetime) -> Terms:
    """One query of a few rows."""
    return Terms(now, away_repositories())


def away_repositories() -> tuple[int, ...]:
    """The repositories that the workers of no machine have reached lately. When nobody looks any
    more, the last answer stands."""
    return tuple(repository for repository, _ in repositories_away_since())


@once
def repositories_away_since() -> list[tuple[int, datetime | None]]:
    """Each of them with when it was last reached; None: never. One query."""
    signs = (
        RepositorySign.objects.order_by("repository")
        .values("repository")
        .annotate(looked=Max("looked_at"), reached=Max("reached_at"))
        .values_list("repository", "looked", "reached")
    )
    return [
        (repository, reached)
        for repository, looked, reached in signs
        if reached is None or looked - reached > AWAY_AFTER
    ]


def state_of(facts: Facts, terms: Terms) -> Protection:
    """The first rule that applies. Broken is about the newest point, even when an older one is
    usable: what the next replication builds on, and a failover would take first."""
    target = facts.rpo_target_seconds
    newest = facts.newest_recovery_point_at
    if newest is None:
        return Protection.UNPROTECTED
    if facts.newest_point_damaged or facts.newest_point_repository_id in terms.away:
        return Protection.BROKEN
    if facts.undecided_disk_count:
        return Protection.UNPROTECTED
    if newest > terms.now + CLOCKS_MAY_DIFFER:
        return Protection.OVER_TARGET  # of unknown age: nobody can say that it is young enough
    if target is None:
        return Protection.NO_TARGET
    if newest < terms.now - timedelta(seconds=target):
        return Protection.OVER_TARGET
    return Protection.PROTECTED


def facts_of(context: VMContext) -> Facts:
    return Facts(*(getattr(context, name) for name in Facts._fields))


def with_protection(contexts: QuerySet[VMContext], terms: Terms) -> QuerySet[VMContext]:
    """Add `protection`, `newest_point_at` (null: there is no recovery point), `is_dated_ahead`
    (that point is dated in the future, so its age is unknown), and `risk` (its age as a share of
    the target; null: one of them is unknown)."""
    return contexts.annotate(
        newest_point_at=F("newest_recovery_point_at"),
        is_dated_ahead=Case(
            When(_dated_ahead(terms), then=Value(True)),
            default=Value(False),
            output_field=BooleanField(),
        ),
        protection=CompiledOnce(_state(terms)),
        risk=ExpressionWrapper(
            Age(Value(terms.now, output_field=DateTimeField()), F("newest_recovery_point_at"))
            / F("rpo_target_seconds"),
            output_field=FloatField(),
        ),
    )


def counts(contexts: QuerySet[VMContext], terms: Terms, **more: Count) -> dict[str, int]:
    """How many of the contexts are in each state, and what else is to be counted; one query over
    an index."""
    by_state = {state: Count("pk", filter=Q(protection=state)) for state in Protection.values}
    return contexts.annotate(protection=CompiledOnce(_state(terms))).aggregate(**by_state, **more)


def _state(terms: Terms) -> Case:
    """`state_of` in SQL."""
    return Case(
        When(newest_recovery_point_at__isnull=True, then=Value(Protection.UNPROTECTED)),
        When(
            Q(newest_point_damaged=True) | Q(newest_point_repository_id__in=terms.away),
            then=Value(Protection.BROKEN),
        ),
        When(undecided_disk_count__gt=0, then=Value(Protection.UNPROTECTED)),
        When(_dated_ahead(terms), then=Value(Protection.OVER_TARGET)),
        When(rpo_target_seconds__isnull=True, then=Value(Protection.NO_TARGET)),
        When(
            newest_recovery_point_at__lt=_oldest_allowed(terms), then=Value(Protection.OVER_TARGET)
        ),
        default=Value(Protection.PROTECTED),
        output_field=CharField(),
    )


def _dated_ahead(terms: Terms) -> Q:
    return Q(newest_recovery_point_at__gt=terms.now + CLOCKS_MAY_DIFFER)


def _oldest_allowed(terms: Terms) -> ExpressionWrapper[CombinedExpression]:
    # Each type is given explicitly: on SQLite Django needs it to calculate with durations.
    seconds = ExpressionWrapper(F("rpo_target_seconds"), output_field=IntegerField())
    target = ExpressionWrapper(
        seconds * Value(timedelta(seconds=1), output_field=DurationField()),
        output_field=DurationField(),
    )
    return ExpressionWrapper(
        Value(terms.now, output_field=DateTimeField()) - target, output_field=DateTimeField()
    )


class Age(Func):
    """The seconds from the second moment to the first."""

    output_field = FloatField()
    arity = 2

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self._compiled(compiler, "((julianday({}) - julianday({})) * 86400.0)")

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self._compiled(compiler, "EXTRACT(EPOCH FROM ({} - {}))::float8")

    def _compiled(self, compiler: Any, template: str) -> tuple[str, tuple[Any, ...]]:
        sqls, parameters = zip(*map(compiler.compile, self.source_expressions), strict=True)
        return template.format(*sqls), tuple(it for each in parameters for it in each)


def age_seconds(newest_point_at: datetime | None, now: datetime) -> int | None:
    """Age of the newest recovery point; None if there is none, or if it is dated in the future and
    its age is therefore unknown."""
    if newest_point_at is None or newest_point_at > now + CLOCKS_MAY_DIFFER:
        return None
    return max(0, int((now - newest_point_at).total_seconds()))


def over_by_seconds(
    newest_point_at: datetime | None, target_seconds: int | None, now: datetime
) -> int | None:
    """By how much the newest recovery point is older than the target allows; None if it is not, or
    if one of them is unknown."""
    age = age_seconds(newest_point_at, now)
    if age is None or target_seconds is None or age <= target_seconds:
        return None
    return age - target_seconds
