"""What monitoring reads: few numbers of each VM, and sums of all else.

As many queries with ten thousand VMs as with one; each reads one table, or sums it up.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Min, OuterRef, Q, QuerySet, Subquery, Sum

from contexts.models import Discovery, VCenter, VMContext
from contexts.states import DiscoveryStatus
from replication.models import (
    BulkItem,
    Incident,
    IntegrityFinding,
    IntegrityRun,
    PointRemoval,
    ReplicationJob,
    Repository,
    RepositorySpace,
    Tally,
    VCenterSign,
)
from replication.selectors.health import CONTROL, COPIES, STORAGE, Parts
from replication.selectors.protection import Terms, age_seconds, with_protection
from replication.states import (
    ACTIVE_JOB_STATUSES,
    BulkItemState,
    BulkState,
    IntegrityOutcome,
    JobStatus,
    Protection,
    RemovalState,
)

ALTERED = frozenset({"audit_trail_altered", "vm_events_altered"})
"""The findings of the integrity check that tell of a chain that is not what was written."""


class Seen(NamedTuple):
    """The rows that somebody may see. `runs`: None for whoever sees no integrity check."""

    contexts: QuerySet[VMContext]
    jobs: QuerySet[ReplicationJob]
    vcenters: QuerySet[VCenter]
    repositories: QuerySet[Repository]
    parts: Parts
    tallies: QuerySet[Tally]
    incidents: QuerySet[Incident]
    bulk_items: QuerySet[BulkItem]
    runs: QuerySet[IntegrityRun] | None


class VM(NamedTuple):
    """`point_age_seconds`: of the newest usable recovery point; None: there is none, or nobody can
    say. `over_seconds`: how much older it is than the target allows; None without a target or an
    age."""

    context_id: str
    name: str
    vcenter: str
    state: Protection
    point_age_seconds: int | None
    target_seconds: int | None

    @property
    def over_seconds(self) -> int | None:
        if self.point_age_seconds is None or self.target_seconds is None:
            return None
        return max(0, self.point_age_seconds - self.target_seconds)


class Waiting(NamedTuple):
    """What waits in a queue, and since when the oldest of it does."""

    queue: str
    number: int
    since: datetime | None


class Space(NamedTuple):
    """As a worker last saw a repository; None: none has, or it was not noted yet."""

    id: int
    name: str
    free_bytes: int | None
    total_bytes: int | None
    stored_bytes: int | None


class Summed(NamedTuple):
    """The tallies that say the same."""

    kind: str
    vcenter: str
    outcome: str
    replication_type: str
    error_code: str
    at_most_seconds: float | None
    number: int
    microseconds: int
    bytes: int


class Checked(NamedTuple):
    """The last integrity check that ended: when, how many faults of each severity are left, and
    whether the audit trail is what was written."""

    at: datetime | None
    findings: dict[str, int]
    trail_is_intact: bool


def vms(seen: Seen, terms: Terms) -> Iterator[VM]:
    """Those under management, by their keys. One query."""
    rows = with_protection(seen.contexts.filter(unmanaged_at__isnull=True), terms)
    columns = rows.order_by("pk").values_list(
        *("pk", "vm_name", "vcenter__name", "protection"),
        *("usable_recovery_point_at", "rpo_target_seconds"),
    )
    for pk, name, vcenter, state, point_at, target in columns.iterator(chunk_size=2000):
        age = age_seconds(point_at, terms.now)
        yield VM(pk, name or "", vcenter, Protection(state), age, target)


def states(seen: Seen, terms: Terms) -> dict[tuple[str, str], int]:
    """How many VMs are in each state, by vCenter. One query over an index."""
    rows = with_protection(seen.contexts.filter(unmanaged_at__isnull=True), terms)
    counts = {state: Count("pk", filter=Q(protection=state)) for state in Protection.values}
    by_vcenter = rows.order_by().values("vcenter__name").annotate(**counts)
    found = by_vcenter.order_by("vcenter__name").values_list("vcenter__name", *counts)
    return {
        (vcenter, state): number
        for vcenter, *numbers in found
        for state, number in zip(counts, numbers, strict=True)
    }


def active_jobs(seen: Seen) -> dict[str, int]:
    """By status. One query."""
    rows = seen.jobs.filter(status__in=ACTIVE_JOB_STATUSES).order_by().values_list("status")
    return dict.fromkeys(ACTIVE_JOB_STATUSES, 0) | dict(rows.annotate(Count("pk")))


def waiting(seen: Seen) -> list[Waiting]:
    """In each queue that does work of which the database knows. Four queries."""
    jobs = seen.jobs.filter(status=JobStatus.PENDING)
    removals = PointRemoval.objects.filter(state__in=[RemovalState.WANTED, RemovalState.UNDER_WAY])
    discoveries = Discovery.objects.filter(vcenter__in=seen.vcenters.order_by().values("pk"))
    of_control = [
        _oldest(discoveries.filter(status=DiscoveryStatus.PENDING), "created_at"),
        _oldest(
            seen.bulk_items.filter(
                action__state__in=BulkState.active(), state=BulkItemState.WAITING
            ),
            "action__created_at",
        ),
    ]
    return [
        Waiting(COPIES, *_oldest(jobs, "created_at")),
        Waiting(
            STORAGE, *_oldest(removals.filter(vm_context__in=_keys(seen.contexts)), "created_at")
        ),
        Waiting(
            CONTROL,
            sum(count for count, _ in of_control),
            min((since for _, since in of_control if since), default=None),
        ),
    ]


def _keys(contexts: QuerySet[VMContext]) -> QuerySet[VMContext]:
    return contexts.order_by().only("pk")


def _oldest(rows: QuerySet[Any], column: str) -> tuple[int, datetime | None]:
    found = rows.order_by().aggregate(count=Count("pk"), since=Min(column))
    return found["count"], found["since"]


def spaces(seen: Seen) -> list[Space]:
    """By name. Two queries."""
    stored = RepositorySpace.objects.filter(repository=OuterRef("pk")).order_by("-hour")
    repositories = seen.repositories.order_by("name").annotate(
        stored_lately=Subquery(stored.values("stored_bytes")[:1])
    )
    newest = {
        repository: (free, total)
        for repository, free, total in seen.parts.repositories.filter(total_bytes__isnull=False)
        .order_by("reached_at")
        .values_list("repository", "free_bytes", "total_bytes")
    }
    return [
        Space(pk, name, *newest.get(pk, (None, None)), stored_bytes)
        for pk, name, stored_bytes in repositories.values_list("pk", "name", "stored_lately")
    ]


def tallies(seen: Seen) -> list[Summed]:
    """One query."""
    alike = ("kind", "vcenter__name", "outcome", "replication_type", "error_code")
    rows = (
        seen.tallies.order_by()
        .values(*alike, "at_most_seconds")
        .annotate(of_all=Sum("count"), took=Sum("microseconds"), read=Sum("bytes"))
        .values_list(*alike, "at_most_seconds", "of_all", "took", "read")
    )
    return [Summed(*row[:6], *map(int, row[6:])) for row in rows]


def answer_seconds(seen: Seen) -> dict[int, float]:
    """By vCenter: how long the last answer took that a worker had of it. One query."""
    signs: QuerySet[VCenterSign] = seen.parts.vcenters.filter(answer_seconds__isnull=False)
    rows = signs.order_by("reached_at").values_list("vcenter", "answer_seconds")
    return {vcenter: seconds for vcenter, seconds in rows if seconds is not None}


def open_incidents(seen: Seen) -> dict[str, int]:
    """By kind. One query."""
    rows = seen.incidents.filter(ended_at__isnull=True).order_by().values_list("kind")
    return dict(rows.annotate(Count("pk")))


def last_check(runs: QuerySet[IntegrityRun]) -> Checked:
    """Two queries."""
    last = (
        runs.filter(outcome__in=[IntegrityOutcome.OK, IntegrityOutcome.FINDINGS])
        .order_by("-pk")
        .values_list("pk", "completed_at")
        .first()
    )
    if last is None:
        return Checked(None, {}, True)
    found = IntegrityFinding.objects.filter(run=last[0], repaired="").order_by()
    by_severity: dict[str, int] = {}
    intact = True
    for severity, code, count in found.values_list("severity", "code").annotate(Count("pk")):
        by_severity[severity] = by_severity.get(severity, 0) + count
        intact = intact and code not in ALTERED
    return Checked(last[1], by_severity, intact)
