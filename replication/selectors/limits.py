"""How much there may be at once of what, and how much there is. A limit that is changed counts from
the next look on: nothing keeps it."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from django.conf import settings
from django.db.models import (
    Case,
    Count,
    Exists,
    Expression,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Concat, Left, Now

from contexts.models import VCenter, VMContext, VMDisk
from contexts.read_once import once
from replication.models import Limit, Place, Policy, Repository, VMSnapshot
from replication.models.limits import HIGHEST
from replication.states import LimitKind, SnapshotState

_DEFAULTS = {
    LimitKind.VCENTER_JOBS: 8,
    LimitKind.REPOSITORY_JOBS: 8,
    # VMware's advice for snapshots on one datastore that are made or removed at once is about this.
    LimitKind.DATASTORE_SNAPSHOTS: 15,
    # A policy says its own, or lets as many jobs run as there are.
    LimitKind.POLICY_JOBS: HIGHEST,
}
NAME_LENGTH = 250  # of a datastore, within a key; vSphere allows 80 characters


class Resource(NamedTuple):
    """What has places: of this kind the one with this key, or (empty) all without a limit of their
    own."""

    kind: LimitKind
    key: str = ""


def vcenter_jobs(vcenter_id: int) -> Resource:
    return Resource(LimitKind.VCENTER_JOBS, str(vcenter_id))


def repository_jobs(repository_id: int) -> Resource:
    return Resource(LimitKind.REPOSITORY_JOBS, str(repository_id))


def policy_jobs(policy_id: int) -> Resource:
    return Resource(LimitKind.POLICY_JOBS, str(policy_id))


def host_sessions(address: str) -> Resource:
    """`address`: of the host's NFC server, with its port."""
    return Resource(LimitKind.HOST_SESSIONS, address[:300])


def datastore_snapshots(vcenter_id: int, name: str) -> Resource:
    """Datastores of one name in several datacenters of a vCenter count as one: together they have
    no more snapshots than each of them could have."""
    return Resource(LimitKind.DATASTORE_SNAPSHOTS, f"{vcenter_id}:{name[:NAME_LENGTH]}")


def datastore_of(resource: Resource) -> tuple[int, str]:
    """The vCenter's ID and the datastore's name."""
    vcenter_id, _, name = resource.key.partition(":")
    return int(vcenter_id), name


def default(kind: LimitKind) -> int:
    """What holds where nobody has set anything."""
    if kind == LimitKind.HOST_SESSIONS:
        return int(settings.DISKS_PER_HOST)
    return _DEFAULTS[kind]


def limit(resource: Resource) -> int:
    """How many places the resource has now."""
    kind, key = resource
    if kind == LimitKind.POLICY_JOBS:
        return _limits_of_policies([resource]).get(resource, default(kind))
    rows = Limit.objects.filter(kind=kind, resource__in=["", key])
    values = dict(rows.values_list("resource", "value"))
    return values.get(key, values.get("", default(kind)))


def own(resource: Resource) -> int | None:
    """What somebody has set for just this resource."""
    kind, key = resource
    rows = Limit.objects.filter(kind=kind, resource=key)
    return rows.values_list("value", flat=True).first()


@once
def all_limits() -> dict[Resource, int]:
    """Every limit that somebody has set, and the defaults of all kinds."""
    found = {Resource(kind): default(kind) for kind in LimitKind}
    rows = Limit.objects.values_list("kind", "resource", "value")
    return found | {Resource(LimitKind(kind), key): value for kind, key, value in rows}


def _limits_of_policies(among: Collection[Resource]) -> dict[Resource, int]:
    """Of those of them that are policies with a limit. One query, or none."""
    keys = [key for kind, key in among if kind == LimitKind.POLICY_JOBS]
    if not keys:
        return {}
    policies = Policy.objects.filter(pk__in=keys, most_running__gt=0)
    return {policy_jobs(pk): most or 0 for pk, most in policies.values_list("pk", "most_running")}


def limit_in_sql(kind: str, resource: str) -> Expression:
    """For a query over rows that have a kind and a resource in these columns: the limit."""
    rows = Limit.objects.filter(kind=OuterRef(kind)).order_by()
    own = rows.filter(resource=OuterRef(resource)).values("value")
    of_all = rows.filter(resource="").values("value")
    usual = Case(*(When(**{kind: each}, then=Value(default(each))) for each in LimitKind))
    policies = Policy.objects.annotate(key=Cast("pk", TextField())).order_by()
    of_policy = policies.filter(key=OuterRef(resource), most_running__gt=0).values("most_running")
    said = Case(When(**{kind: LimitKind.POLICY_JOBS}, then=Subquery(of_policy)))
    return Coalesce(
        said, Subquery(own), Subquery(of_all), usual, Value(0), output_field=IntegerField()
    )


def in_use(resource: Resource) -> int:
    """How many of the resource's places are held. Snapshots that nobody works with, but that are
    still there, take places of their datastores, too."""
    kind, key = resource
    held = Place.objects.filter(kind=kind, resource=key, expires_at__gt=Now())
    return held.count() + count_left_snapshots(resource)


def count_left_snapshots(resource: Resource) -> int:
    """How many of those there are: none, unless it is a datastore."""
    if resource.kind != LimitKind.DATASTORE_SNAPSHOTS:
        return 0
    return left_snapshots(resource.key).count()


def full(among: Collection[Resource]) -> list[Resource]:
    """Those of them that have no place for one more. None of them is a datastore. Takes as many
    queries with many."""
    most = all_limits() | _limits_of_policies(among)
    places = Place.objects.filter(
        kind__in={kind for kind, _ in among},
        resource__in={key for _, key in among},
        expires_at__gt=Now(),
    )
    rows = places.order_by().values_list("kind", "resource").annotate(Count("pk"))
    held = {Resource(LimitKind(kind), key): count for kind, key, count in rows}
    return [
        each
        for each in sorted(among)
        if held.get(each, 0) >= most.get(each, most[Resource(each.kind)])
    ]


def left_snapshots(key: str | OuterRef) -> QuerySet[VMSnapshot]:
    """Snapshots on the datastore with this key which are of no job that has places on its
    datastores. An OuterRef is one of the query around the disks'."""
    disks = VMDisk.objects.filter(removed_at=None, vm_context=OuterRef("vm_context"))
    return _without_places().filter(Exists(disks.annotate(key=DATASTORE_KEY).filter(key=key)))


def left_snapshots_by_datastore(contexts: QuerySet[VMContext]) -> list[tuple[str, int]]:
    """How many of them these VMs have, by the keys of datastores."""
    disks = VMDisk.objects.filter(removed_at=None, vm_context__in=contexts).exclude(datastore=None)
    left = _without_places().filter(vm_context=OuterRef("vm_context"))
    rows = disks.filter(Exists(left)).annotate(key=DATASTORE_KEY).order_by()
    # A VM's snapshots are counted once on a datastore that has several of its disks.
    count = Count(
        "vm_context__snapshots",
        distinct=True,
        filter=Q(vm_context__snapshots__in=_without_places()),
    )
    return list(rows.values("key").annotate(count=count).values_list("key", "count"))


def _without_places() -> QuerySet[VMSnapshot]:
    works = Place.objects.filter(
        kind=LimitKind.DATASTORE_SNAPSHOTS,
        expires_at__gt=Now(),
        job__vm_context=OuterRef("vm_context"),
    )
    return VMSnapshot.objects.exclude(state=SnapshotState.REMOVED).filter(~Exists(works))


DATASTORE_KEY = Concat(
    Cast("vm_context__vcenter", TextField()),
    Value(":"),
    Left("datastore", NAME_LENGTH),
    output_field=TextField(),
)
"""Of a disk: the key of its datastore."""


def sentence(resource: Resource, name: str = "") -> str:
    """What a job that waits for a place says, in the same words everywhere; without a full stop.
    `name`: of a host."""
    counts = f"{in_use(resource)} of {limit(resource)}"
    kind, key = resource
    if kind == LimitKind.HOST_SESSIONS:
        return f"Waiting for a place on host {name or key}: {counts} disk sessions in use"
    if kind == LimitKind.DATASTORE_SNAPSHOTS:
        datastore = datastore_of(resource)[1]
        return f"Waiting for a snapshot to go from datastore {datastore}: {counts} are there"
    if kind == LimitKind.VCENTER_JOBS:
        vcenters = VCenter.objects.filter(pk=int(key))
        where = vcenters.values_list("name", flat=True).first() or key
        return f"Waiting for a job of vCenter {where} to end: {counts} are running"
    if kind == LimitKind.POLICY_JOBS:
        policy = Policy.objects.filter(pk=int(key)).first()
        return f"Waiting for a job of policy {policy or key} to end: {counts} are running"
    repositories = Repository.objects.filter(pk=int(key))
    where = repositories.values_list("name", flat=True).first() or key
    return f"Waiting for a job into repository {where} to end: {counts} are running"
