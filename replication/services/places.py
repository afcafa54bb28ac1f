"""Places for jobs, disk sessions and snapshots, which all workers together share.

A vCenter, a repository, an ESXi host and a datastore each bear only so much at once
(`selectors.limits`). A place is held under a lease of a context and renewed with it, so that a
worker that dies gives its places back as it gives back the context. Nobody waits for a place while
holding what another one needs to give one back: a job that gets none goes back to the queue, and is
claimed again, the oldest first, when one is free.

All who want a place of a resource insert the lowest free number: the unique constraint lets one
through and makes the others look again, so that no two of them see the same place free, not even
while a limit is lowered below what is held.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Now
from django.db.models.lookups import LessThan

from contexts.database_errors import is_race
from contexts.services.transactions import lock_free, one_transaction
from replication import models
from replication.models import ReplicationJob
from replication.selectors import limits
from replication.selectors.limits import Resource
from replication.services import leases
from replication.services.leases import DURATION, Lease, this_worker
from replication.states import JobStatus, LimitKind

TRIES = 20  # each lost try is a place that somebody else got


@dataclass(frozen=True)
class Place:
    """Proof of holding a place, as long as the lease lasts."""

    key: int
    resource: Resource


@one_transaction
def take(
    lease: Lease,
    job_id: str,
    resource: Resource,
    *,
    is_extra: bool = False,
    is_there: bool = False,
) -> Place | None:
    """A place of the resource, or None when there is none. Never waits for one.

    `is_extra`: the job can go on without; what jobs that have none wait for is left to them.
    `is_there`: what takes the place exists already, so that it is counted, whatever the limit.
    Others who want the same place wait for the end of the transaction, so that several are taken
    by `take_all`, in one order for all.
    Raises LeaseLost when the lease is lost.
    """
    leases.require(lease)
    for _ in range(TRIES):
        # How many are held and which number is free must be seen at one moment.
        numbers = set(_rows(resource).filter(expires_at__gt=Now()).values_list("number", flat=True))
        if not is_there and _free(resource, len(numbers), is_extra) <= 0:
            return None
        number = next(each for each in range(1, len(numbers) + 2) if each not in numbers)
        if place := _add(lease, job_id, resource, number):
            return place
    return None


def _free(resource: Resource, held: int, is_extra: bool) -> int:
    free = limits.limit(resource) - held - limits.count_left_snapshots(resource)
    return free - _waiting_for(resource).count() if is_extra else free


def _add(lease: Lease, job_id: str, resource: Resource, number: int) -> Place | None:
    """The place with this number; None when another one was faster."""
    try:
        with transaction.atomic():
            # Of a holder who did not renew it, if nobody takes it over or renews it just now.
            left = _expired().filter(kind=resource.kind, resource=resource.key, number=number)
            left.filter(pk__in=lock_free(left)).delete()
            row = models.Place.objects.create(
                kind=resource.kind,
                resource=resource.key,
                number=number,
                job_id=job_id,
                holder=this_worker(),
                token=lease.token,
                acquired_at=Now(),
                expires_at=Now() + DURATION,
            )
    except IntegrityError as problem:
        if not is_race(problem):
            raise
        return None
    return Place(row.pk, resource)


@one_transaction
def take_all(
    lease: Lease, job_id: str, resources: Iterable[Resource], *, is_there: bool = False
) -> Resource | None:
    """A place of each that the lease has none of yet, or none at all. Returns a resource whose
    places are all taken, None when all were got. Raises LeaseLost."""
    has = {place.resource for place in held(lease)}
    got: list[Place] = []
    for resource in sorted(set(resources) - has):
        place = take(lease, job_id, resource, is_there=is_there)
        if place is None:
            release(lease, *got)
            return resource
        got.append(place)
    return None


def held(lease: Lease, kind: LimitKind | None = None) -> list[Place]:
    """The places under the lease, of this kind or of all."""
    rows = models.Place.objects.filter(token=lease.token).order_by("pk")
    if kind is not None:
        rows = rows.filter(kind=kind)
    return [
        Place(key, Resource(LimitKind(of_kind), name))
        for key, of_kind, name in rows.values_list("pk", "kind", "resource")
    ]


def renew(lease: Lease) -> None:
    """Renew all places under the lease, for as long as the lease itself."""
    models.Place.objects.filter(token=lease.token).update(expires_at=Now() + DURATION)


def release(lease: Lease, *places: Place) -> None:
    """Give these places back."""
    keys = [place.key for place in places]
    if keys:
        models.Place.objects.filter(token=lease.token, pk__in=keys).delete()


def release_all(lease: Lease) -> None:
    """Give back all places under the lease."""
    models.Place.objects.filter(token=lease.token).delete()


def forget_expired() -> None:
    """Remove the places of workers that died."""
    with transaction.atomic():
        _expired().filter(pk__in=lock_free(_expired())).delete()


def one_is_free() -> Q:
    """Of jobs: those that wait for a place of a resource that has a free one again."""
    held = models.Place.objects.filter(
        kind=OuterRef("waits_for_kind"), resource=OuterRef("waits_for"), expires_at__gt=Now()
    )
    used = _count(held) + _count(limits.left_snapshots(OuterRef(OuterRef("waits_for"))))
    limit = limits.limit_in_sql("waits_for_kind", "waits_for")
    return ~Q(waits_for_kind="") & Q(LessThan(used, limit))


def _count(rows: QuerySet[Any]) -> Coalesce:
    """How many rows there are, within another query."""
    together = rows.order_by().annotate(every=Value(1)).values("every")
    counts = together.annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counts, output_field=IntegerField()), 0)


def _rows(resource: Resource) -> QuerySet[models.Place]:
    return models.Place.objects.filter(kind=resource.kind, resource=resource.key)


def _expired() -> QuerySet[models.Place]:
    return models.Place.objects.filter(expires_at__lte=Now())


def _waiting_for(resource: Resource) -> QuerySet[ReplicationJob]:
    return ReplicationJob.objects.filter(
        status=JobStatus.PENDING, waits_for_kind=resource.kind, waits_for=resource.key
    )
