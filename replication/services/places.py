"""Places for disk sessions on ESXi hosts, which all workers together share.

A host has memory for few NFC sessions (`settings.DISKS_PER_HOST`). A place is held under a lease of
a context and renewed with it, so that a worker that dies gives its places back as it gives back the
context. Nobody waits for a place while holding what another one needs to give one back: a job that
gets none goes back to the queue, and is claimed again, the oldest first, when one is free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now
from django.db.models.lookups import LessThan

from contexts.database_errors import is_race
from contexts.services.transactions import lock_free, one_transaction
from replication.models import HostPlace, ReplicationJob
from replication.services import leases
from replication.services.leases import DURATION, Lease, this_worker
from replication.states import JobStatus


@dataclass(frozen=True)
class Place:
    """Proof of holding a place, as long as the lease lasts."""

    key: int
    host: str


def limit() -> int:
    """How many disk sessions vmrep has with one host at most."""
    return int(settings.DISKS_PER_HOST)


@one_transaction
def take(lease: Lease, job_id: str, host: str, *, is_extra: bool = False) -> Place | None:
    """A place on the host (address:port), or None when there is none. Never waits for one.

    `is_extra`: the job can go on without; what jobs that have none wait for is left to them.
    Raises LeaseLost when the lease is lost.
    """
    leases.require(lease)
    free = limit() - in_use(host)
    if is_extra:
        free -= _waiting_for(host).count()
    if free <= 0:
        return None
    values = {
        "job_id": job_id,
        "holder": this_worker(),
        "token": lease.token,
        "acquired_at": Now(),
        "expires_at": Now() + DURATION,
    }
    return _take_over(host, values) or _add(host, values)


def _take_over(host: str, values: dict[str, Any]) -> Place | None:
    """A place whose holder did not renew it."""
    for key in lock_free(_expired().filter(host=host, number__lte=limit())):
        if _expired().filter(pk=key).update(**values):
            return Place(key, host)
    return None


def _add(host: str, values: dict[str, Any]) -> Place | None:
    taken = set(HostPlace.objects.filter(host=host).values_list("number", flat=True))
    for number in range(1, limit() + 1):
        if number not in taken:
            try:
                with transaction.atomic():
                    row = HostPlace.objects.create(host=host, number=number, **values)
            except IntegrityError as problem:
                if not is_race(problem):
                    raise
            else:
                return Place(row.pk, host)
    return None


def held(lease: Lease) -> list[Place]:
    """The places under the lease."""
    rows = HostPlace.objects.filter(token=lease.token).order_by("pk")
    return [Place(key, host) for key, host in rows.values_list("pk", "host")]


def in_use(host: str) -> int:
    """How many of the host's places are held."""
    return HostPlace.objects.filter(host=host, expires_at__gt=Now()).count()


def renew(lease: Lease) -> None:
    """Renew all places under the lease, for as long as the lease itself."""
    HostPlace.objects.filter(token=lease.token).update(expires_at=Now() + DURATION)


def release(lease: Lease, *places: Place) -> None:
    """Give places back; all that the lease holds when none is named."""
    rows = HostPlace.objects.filter(token=lease.token)
    if places:
        rows = rows.filter(pk__in=[place.key for place in places])
    rows.delete()


def forget_expired() -> None:
    """Remove the places of workers that died."""
    with transaction.atomic():
        _expired().filter(pk__in=lock_free(_expired())).delete()


def one_is_free() -> Q:
    """Of jobs: those that wait for a host that has a free place again."""
    used = HostPlace.objects.filter(host=OuterRef("waits_for_host"), expires_at__gt=Now())
    count = used.order_by().values("host").annotate(count=Count("pk")).values("count")
    in_use = Coalesce(Subquery(count, output_field=IntegerField()), 0)
    return ~Q(waits_for_host="") & Q(LessThan(in_use, limit()))


def _expired() -> QuerySet[HostPlace]:
    return HostPlace.objects.filter(expires_at__lte=Now())


def _waiting_for(host: str) -> QuerySet[ReplicationJob]:
    return ReplicationJob.objects.filter(status=JobStatus.PENDING, waits_for_host=host)
