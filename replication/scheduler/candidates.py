"""The VMs that are due and may be started, and what there is room for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    FloatField,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
    Window,
)
from django.db.models.functions import Cast, Coalesce, Least, RowNumber

from contexts.clock import database_now
from contexts.models import VMContext
from contexts.read_once import once
from replication.models import GroupRun, ReplicationJob, VMSchedule
from replication.scheduler.dates import is_fresh
from replication.scheduler.decide import (
    FAILING,
    LONG_SECONDS,
    MOST_AHEAD,
    SMALL_BYTES,
    UNKNOWN_SECONDS,
    WEIGHTS,
    WITHOUT_TARGET_SECONDS,
    Candidate,
    Capacity,
    Lane,
    Stand,
    Use,
)
from replication.selectors import health, limits, protection
from replication.selectors.pauses import holds_job_up, is_paused
from replication.states import (
    ACTIVE_JOB_STATUSES,
    DueWhy,
    GroupMemberState,
    GroupRunState,
    JobStatus,
    LimitKind,
)

USE = ("vcenter_id", "repository_id", "limits_policy", "most_running", "lane", "seconds")
_OF_HOSTS = (LimitKind.HOST_SESSIONS, LimitKind.DATASTORE_SNAPSHOTS)


@once
def moment() -> datetime:
    """The parts of a tick see the same moment, until one of them starts something."""
    return database_now()


@once
def capacity(now: datetime) -> Capacity:
    """Six statements."""
    found, away = limits.all_limits(), Away.at(now)
    return Capacity(
        slots=health.live_slots(health.COPIES, now),
        active=_active(now, away),
        vcenter_jobs=_own(found, LimitKind.VCENTER_JOBS),
        of_other_vcenters=found[limits.Resource(LimitKind.VCENTER_JOBS)],
        repository_jobs=_own(found, LimitKind.REPOSITORY_JOBS),
        of_other_repositories=found[limits.Resource(LimitKind.REPOSITORY_JOBS)],
        usual_load=_usual_load(now, away),
    )


class Away(NamedTuple):
    """The repositories and vCenters that nothing can be done with now."""

    repositories: tuple[int, ...]
    vcenters: tuple[int, ...]

    @classmethod
    def at(cls, now: datetime) -> Away:
        """Four statements, in a tick only once. What no worker has is not waited for by further
        jobs."""
        without = (repository for repository, _ in health.repositories_without_worker(now))
        return cls((*protection.away_repositories(), *without), health.away_vcenters())

    def concerns(self, context: str = "") -> Q:
        """Of VMs, or of what belongs to one."""
        away = {
            f"{context}repository__in": self.repositories,
            f"{context}vcenter__in": self.vcenters,
        }
        return Q(**away, _connector=Q.OR)


def _own(found: dict[limits.Resource, int], kind: LimitKind) -> dict[int, int]:
    return {int(each.key): value for each, value in found.items() if each.kind == kind and each.key}


def _active(now: datetime, away: Away) -> list[Use]:
    """The jobs that run or wait. One statement."""
    jobs = ReplicationJob.objects.filter(status__in=ACTIVE_JOB_STATUSES).order_by()
    rows = jobs.annotate(stand=_stand(now, away), **use_of_jobs()).values_list(
        "vm_context__vcenter", "repository", *USE[2:], "stand", "group_run_member__run"
    )
    led: set[int] = set()
    found = []
    for *use, named, run in rows:
        stand = Stand(named)
        if stand == Stand.GATHERED and run not in led:
            led.add(run)
            stand = Stand.READY  # the one worker that gathers all of them
        found.append(_use(use, stand))
    return found


def use_of_jobs() -> dict[str, Any]:
    """Of jobs: what `USE` names besides vCenter and repository."""
    return {
        "limits_policy": F("vm_context__effective_policy__limits_from__policy"),
        "most_running": _most_running("vm_context__"),
        "lane": _lane("vm_context__"),
        "seconds": _seconds("vm_context__"),
    }


def _stand(now: datetime, away: Away) -> Case:
    is_held_up = (
        Q(next_attempt_at__gt=now, waits_for_kind="")
        | Q(repository__in=away.repositories)
        | Q(vm_context__vcenter__in=away.vcenters)
        | holds_job_up()
    )
    is_running = Q(status=JobStatus.RUNNING)
    is_gathered = Q(group_run_member__state=GroupMemberState.WAITING)
    return Case(
        When(is_running & ~is_gathered, then=Value(Stand.READY)),
        When(waits_for_kind__in=_OF_HOSTS, then=Value(Stand.FOR_A_PLACE)),
        When(~is_running & is_held_up, then=Value(Stand.HELD_UP)),
        When(is_gathered, then=Value(Stand.GATHERED)),
        default=Value(Stand.READY),
        output_field=CharField(),
    )


def _usual_load(now: datetime, away: Away) -> float:
    """Of VMs that are due soon and can start then, each as often as its target says. One
    statement."""
    soon = VMSchedule.objects.filter(
        _is_short(),
        ~is_paused("vm_context__"),
        ~away.concerns("vm_context__"),
        _may_start("vm_context__"),
        due_at__lte=now + timedelta(seconds=LONG_SECONDS),
        failures_in_a_row__lt=FAILING,
        of_point_at__isnull=False,
        vm_context__unmanaged_at__isnull=True,
    )
    seconds = Coalesce("expected_seconds", UNKNOWN_SECONDS)
    every = Coalesce(
        Least(F("vm_context__rpo_target_seconds"), Value(int(LONG_SECONDS))), int(LONG_SECONDS)
    )
    share = ExpressionWrapper(seconds / Cast(every, FloatField()), output_field=FloatField())
    return float(soon.aggregate(load=Coalesce(Sum(share), 0.0))["load"])


def _is_short() -> Q:
    return Q(expected_seconds__isnull=True) | Q(expected_seconds__lte=LONG_SECONDS)


def due(now: datetime, room: Capacity) -> list[Candidate]:
    """The VMs that are due and may be started, most at risk first: those whose newest recovery
    point is oldest relative to their target, by the weight of their priority. Three statements.

    Of those that take part in the same, as many as there could be need of: so that those of a
    vCenter that is full, or those that take long, hide no others, however many they are."""
    most = MOST_AHEAD * room.slots
    rows = _startable(now, most, Away.at(now))
    return [Candidate(pk, _use(use), compare, group) for pk, compare, group, *use in rows]


def _use(row: Any, stand: Stand = Stand.READY) -> Use:
    vcenter, repository, policy, most, lane, seconds = row
    return Use(vcenter, repository, policy, most, Lane(lane), seconds, stand)


def _startable(now: datetime, most: int, away: Away) -> QuerySet[VMContext, tuple[Any, ...]]:
    """At most so many of those that take part in the same."""
    return (
        could_start(now)
        .filter(~Exists(_gathered_now()), ~away.concerns())
        .annotate(
            group_id=Case(When(starts_its_group(), then=F("group_member__group")), default=None),
            place=Window(
                RowNumber(),
                partition_by=["vcenter_id", "repository_id", "limits_policy", "lane"],
                order_by=[F("risk").desc(), F("pk").asc()],
            ),
        )
        .filter(place__lte=most)
        .values_list("pk", "schedule__compare", "group_id", *USE)
    )


def could_start(now: datetime) -> QuerySet[VMContext]:
    """Those of the idle VMs that are due, as far as they themselves are concerned."""
    return idle(now).filter(_may_start(), schedule__due_at__lte=now)


def starts_its_group() -> Q:
    """Not who tries again after a failure, which must not make its group run more often; and not
    whose first copy takes long: it would take workers that are left to VMs that are usual."""
    return ~Q(schedule__due_why=DueWhy.RETRY) & ~_is_copied_for_long()


def _may_start(context: str = "") -> Q:
    """Nothing about the VM has to be decided by somebody first."""
    return Q(
        **{
            f"{context}identity_asked_at__isnull": True,
            f"{context}repository__isnull": False,
            f"{context}vcenter__login_refused_at__isnull": True,
        }
    )


def _gathered_now() -> QuerySet[GroupRun]:
    return GroupRun.objects.filter(
        group=OuterRef("group_member__group"), state__in=GroupRunState.before_the_snapshots()
    )


def idle(now: datetime) -> QuerySet[VMContext]:
    """The VMs whose schedules hold, that are not being replicated and not paused, most at risk
    first. Adds what `USE` names, and `risk`."""
    return (
        VMContext.objects.filter(
            is_fresh(now), ~is_paused(), unmanaged_at__isnull=True, current_job__isnull=True
        )
        .annotate(
            limits_policy=F("effective_policy__limits_from__policy"),
            most_running=_most_running(),
            lane=_lane(),
            seconds=_seconds(),
            risk=_risk(now),
        )
        .order_by("-risk", "pk")
    )


def _most_running(context: str = "") -> Coalesce:
    return Coalesce(f"{context}effective_policy__most_running", 0)


def _lane(context: str = "") -> Case:
    """`decide.lane` in SQL."""
    is_long = _is_copied_for_long(context) | Q(
        **{f"{context}schedule__expected_seconds__gt": LONG_SECONDS}
    )
    return Case(
        When(**{f"{context}schedule__failures_in_a_row__gte": FAILING}, then=Value(Lane.FAILING)),
        When(is_long, then=Value(Lane.LONG)),
        default=Value(Lane.USUAL),
        output_field=CharField(),
    )


def _is_copied_for_long(context: str = "") -> Q:
    """Its first copy takes long."""
    return Q(
        **{
            f"{context}newest_recovery_point_at__isnull": True,
            f"{context}capacity_bytes__gt": SMALL_BYTES,
        }
    )


def _seconds(context: str = "") -> Coalesce:
    return Coalesce(f"{context}schedule__expected_seconds", Value(UNKNOWN_SECONDS))


def _risk(now: datetime) -> ExpressionWrapper[Any]:
    """`decide.risk` in SQL."""
    moment = Value(now, output_field=DateTimeField())
    target = ExpressionWrapper(F("rpo_target_seconds"), output_field=FloatField())
    age = protection.Age(moment, F("newest_recovery_point_at")) / target
    waits = protection.Age(moment, F("schedule__due_at"))
    weights = (
        When(effective_policy__priority=priority, then=Value(weight))
        for priority, weight in WEIGHTS.items()
    )
    return ExpressionWrapper(
        Case(
            When(rpo_target_seconds__isnull=True, then=waits / Value(WITHOUT_TARGET_SECONDS)),
            When(newest_recovery_point_at__isnull=True, then=waits / target + Value(1.0)),
            default=age,
        )
        * Case(*weights, default=Value(1.0)),
        output_field=FloatField(),
    )
