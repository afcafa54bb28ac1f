"""Who may write to a context's replica: one holder at a time, as long as it renews the lease.

All times are the database's: workers' clocks may differ. An expired lease still belongs to its
holder until another one takes it, which changes the token.
"""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, QuerySet
from django.db.models.functions import Now

from contexts.database_errors import is_race
from contexts.services import statuses
from replication.errors import LeaseLost
from replication.models import ContextLease, Place
from replication.states import LeaseHolder

DURATION = timedelta(seconds=40)
RENEW_EVERY_SECONDS = 10.0
# After this long without an answer from the database, a holder must assume that the lease is lost.
TRUSTED_FOR_SECONDS = DURATION.total_seconds() - 10.0


@dataclass(frozen=True)
class Lease:
    """Proof of holding the lease: a process that knows the token may write."""

    context_id: str
    kind: str
    token: uuid.UUID


def this_worker() -> str:
    """`host:pid` of this process."""
    return f"{this_host()}:{os.getpid()}"


def this_host() -> str:
    return socket.gethostname()


def acquire(context_id: str, kind: LeaseHolder, *, job_id: str | None = None) -> Lease | None:
    """Take the lease if it is free or has expired; None otherwise.

    Locks the context's row first, in the order that all code follows.
    """
    lease = Lease(context_id, str(kind), uuid.uuid4())
    values = {
        "holder_kind": lease.kind,
        "job_id": job_id,
        "holder": this_worker(),
        "token": lease.token,
        "acquired_at": Now(),
        "expires_at": Now() + DURATION,
    }
    with transaction.atomic():
        statuses.hold(context_id)
        left = ContextLease.objects.filter(vm_context_id=context_id, expires_at__lte=Now())
        # Its places go with it: they are proofs only as long as the lease lasts.
        Place.objects.filter(token__in=left.values("token")).delete()
        if left.update(**values):
            return lease
        try:
            with transaction.atomic():
                ContextLease.objects.create(vm_context_id=context_id, **values)
        except IntegrityError as problem:
            if not is_race(problem):
                raise
            return None
    return lease


def live_lease(path: str = "vm_context") -> QuerySet[ContextLease]:
    """For `Exists` in a query over rows from which `path` leads to a context: a lease of that
    context that has not expired."""
    return ContextLease.objects.filter(vm_context=OuterRef(path), expires_at__gt=Now())


def expired() -> QuerySet[ContextLease]:
    """Expired leases. Each still belongs to its holder until another one takes it."""
    return ContextLease.objects.filter(expires_at__lte=Now())


def renew(lease: Lease) -> bool:
    """Renew the lease for another `DURATION`; False when it belongs to another holder."""
    return bool(ContextLease.objects.filter(token=lease.token).update(expires_at=Now() + DURATION))


def release(lease: Lease) -> None:
    """Release the lease. It is no error if it was lost before."""
    ContextLease.objects.filter(token=lease.token).delete()


def require(lease: Lease) -> None:
    """Within a transaction: no other holder can take the lease until it ends. Raises LeaseLost.

    Locks the context's row first, since rows written under the lease may refer to it.
    """
    statuses.hold(lease.context_id)
    if not ContextLease.objects.select_for_update().filter(token=lease.token).exists():
        raise LeaseLost(f"the lease on {lease.context_id} belongs to another worker")
