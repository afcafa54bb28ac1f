"""Every limit with how much of it is in use now, and how fast disks are read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Exists, OuterRef, QuerySet, Sum
from django.db.models.functions import Now

from contexts.models import VCenter, VMContext, VMDisk
from replication.models import (
    BandwidthWindow,
    JobStep,
    Limit,
    Place,
    ReplicationJob,
    Repository,
)
from replication.selectors import bandwidth, limits
from replication.selectors.limits import Resource
from replication.states import JobStatus, LimitKind, StepName, StepStatus

MOST_DATASTORES = 1000


class Limited(NamedTuple):
    """The rows that somebody may see."""

    vcenters: QuerySet[VCenter]
    repositories: QuerySet[Repository]
    limits: QuerySet[Limit]
    windows: QuerySet[BandwidthWindow]
    jobs: QuerySet[ReplicationJob]
    contexts: QuerySet[VMContext]


class Use(NamedTuple):
    """A limit of one resource, or (`resource` is empty) that of all others of its kind, which has
    no use. `is_own`: somebody has set it. `waiting`: how many jobs wait for a place."""

    kind: LimitKind
    resource: str
    name: str
    limit: int
    is_own: bool
    in_use: int | None
    waiting: int | None

    @property
    def is_full(self) -> bool:
        return self.in_use is not None and self.in_use >= self.limit


class Reading(NamedTuple):
    """A vCenter, or (`vcenter_id` is None) all that have no windows of their own. The last three
    are what holds now; None for all others, and the first of them without a limit."""

    vcenter_id: int | None
    name: str
    windows: tuple[BandwidthWindow, ...]
    bytes_per_second: int | None
    reading_bytes_per_second: int | None
    reading_jobs: int | None


ALL_OTHERS = "All others"


def uses(seen: Limited) -> list[Use]:
    """By kind: all others first, then each vCenter or repository, and the hosts and datastores that
    have a limit of their own, are in use or are waited for. Takes as many queries with many."""
    own = {
        Resource(LimitKind(kind), key): value
        for kind, key, value in seen.limits.values_list("kind", "resource", "value")
    }
    vcenters = dict(seen.vcenters.values_list("pk", "name"))
    repositories = dict(seen.repositories.values_list("pk", "name"))
    in_use, waiting = _in_use(seen), _waiting(seen)
    always = [
        *(Resource(kind) for kind in LimitKind.settable()),
        *map(limits.vcenter_jobs, vcenters),
        *map(limits.repository_jobs, repositories),
    ]
    found = []
    for resource in sorted({*always, *own, *in_use, *waiting}):
        name = _name(resource, vcenters, repositories)
        if name is None:
            continue
        kind, key = resource
        usual = own.get(Resource(kind), limits.default(kind))
        counts = (in_use[resource], waiting[resource]) if key else (None, None)
        found.append(Use(kind, key, name, own.get(resource, usual), resource in own, *counts))
    order = LimitKind.settable()
    return sorted(found, key=lambda use: (order.index(use.kind), bool(use.resource), use.name))


def _name(
    resource: Resource, vcenters: Mapping[int, str], repositories: Mapping[int, str]
) -> str | None:
    """For people; None for what they may not see."""
    kind, key = resource
    if not key:
        return ALL_OTHERS
    if kind == LimitKind.HOST_SESSIONS:
        return key
    if kind == LimitKind.DATASTORE_SNAPSHOTS:
        vcenter_id, datastore = limits.datastore_of(resource)
        vcenter = vcenters.get(vcenter_id)
        return f"{datastore} ({vcenter})" if vcenter is not None else None
    if kind == LimitKind.POLICY_JOBS:
        return None  # it says its own limit
    return (vcenters if kind == LimitKind.VCENTER_JOBS else repositories).get(int(key))


def _in_use(seen: Limited) -> Counter[Resource]:
    places = Place.objects.filter(expires_at__gt=Now(), job__in=seen.jobs)
    rows = places.order_by().values_list("kind", "resource").annotate(Count("pk"))
    found = Counter({Resource(LimitKind(kind), key): count for kind, key, count in rows})
    for key, count in limits.left_snapshots_by_datastore(seen.contexts):
        found[Resource(LimitKind.DATASTORE_SNAPSHOTS, key)] += count
    return found


def _waiting(seen: Limited) -> Counter[Resource]:
    jobs = seen.jobs.filter(status=JobStatus.PENDING).exclude(waits_for_kind="")
    rows = jobs.order_by().values_list("waits_for_kind", "waits_for").annotate(Count("pk"))
    return Counter({Resource(LimitKind(kind), key): count for kind, key, count in rows})


def reading(seen: Limited, now: datetime) -> list[Reading]:
    """All others first, then each vCenter."""
    windows: dict[int | None, list[BandwidthWindow]] = defaultdict(list)
    for window in seen.windows.order_by("pk"):
        windows[window.vcenter_id].append(window)
    rates = _rates(seen)
    found = [Reading(None, ALL_OTHERS, tuple(windows[None]), None, None, None)]
    for vcenter_id, name in seen.vcenters.order_by("name").values_list("pk", "name"):
        holds = bandwidth.lowest(windows[vcenter_id] or windows[None], now)
        rate, jobs = rates.get(vcenter_id, (0, 0))
        found.append(Reading(vcenter_id, name, tuple(windows[vcenter_id]), holds, rate, jobs))
    return found


def _rates(seen: Limited) -> dict[int, tuple[int, int]]:
    """By vCenter: how fast its jobs read now, and how many of them read."""
    steps = JobStep.objects.filter(
        job=OuterRef("pk"), status=StepStatus.RUNNING, name=StepName.TRANSFER
    )
    jobs = seen.jobs.filter(Exists(steps), status=JobStatus.RUNNING).order_by()
    by_vcenter = jobs.values("vm_context__vcenter").annotate(
        rate=Sum("transfer_speed_bps"), count=Count("pk")
    )
    rows = by_vcenter.values_list("vm_context__vcenter", "rate", "count")
    return {vcenter: (rate or 0, count) for vcenter, rate, count in rows}


def datastores(contexts: QuerySet[VMContext]) -> list[tuple[str, str]]:
    """The keys and names of datastores that have disks of these VMs, for choices."""
    disks = VMDisk.objects.filter(removed_at=None, vm_context__in=contexts)
    keys = disks.exclude(datastore=None).annotate(key=limits.DATASTORE_KEY)
    rows = keys.order_by("vm_context__vcenter__name", "datastore")
    pairs = rows.values_list("key", "datastore", "vm_context__vcenter__name").distinct()
    return [(key, f"{name} ({vcenter})") for key, name, vcenter in pairs[:MOST_DATASTORES]]
