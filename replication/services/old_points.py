"""Forgetting recovery points that have long gone: of each its row is left, with what it says of its
VM's snapshots, and its job, which is kept for it.

Both go at once, and only where the schedule made them: a completed job without a point would look
like a loss. How well a VM was protected is in its spells, which are kept longer.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import DateTimeField, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from contexts.services import statuses
from contexts.services.transactions import one_transaction
from replication.models import (
    DiskImage,
    PointRemoval,
    PointSnapshot,
    RecoveryPoint,
    RecoveryPointHold,
)
from replication.services import old_jobs
from replication.states import RecoveryPointState, Trigger

BATCH = 200  # points per transaction: other writers never wait for long


def forget_old_points(older_than: timedelta) -> int:
    """Delete the rows of the schedule's points that expired longer ago than this, and their jobs,
    unless something of them is still to be removed; returns the number of points. Safe while
    workers run, and when interrupted."""
    forgotten, last = 0, 0
    while batch := list(
        _old(older_than).filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]
    ):
        forgotten += _forget(batch, older_than)
        last = batch[-1]
    return forgotten


def _old(older_than: timedelta) -> QuerySet[RecoveryPoint]:
    """Of those that expired before it was noted when, the time when they were made counts."""
    files = DiskImage.objects.filter(recovery_point=OuterRef("pk"))
    held = RecoveryPointHold.objects.filter(recovery_point=OuterRef("pk")).filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=Now())
    )
    return (
        RecoveryPoint.objects.filter(
            state=RecoveryPointState.EXPIRED, job__trigger=Trigger.SCHEDULE
        )
        .annotate(gone_at=Coalesce("expired_at", "created_at", output_field=DateTimeField()))
        .filter(gone_at__lt=Now() - older_than)
        .exclude(Exists(files))
        .exclude(Exists(held))
    )


@one_transaction
def _forget(batch: list[int], older_than: timedelta) -> int:
    contexts = RecoveryPoint.objects.filter(pk__in=batch).order_by("vm_context")
    statuses.hold(*contexts.values_list("vm_context", flat=True).distinct())
    job_of = dict(_old(older_than).filter(pk__in=batch).values_list("pk", "job"))
    jobs = old_jobs.kept_by_points_alone(list(job_of.values()))
    points = [point for point, job in job_of.items() if job in jobs]
    PointRemoval.objects.filter(recovery_point__in=points).delete()
    PointSnapshot.objects.filter(recovery_point__in=points).delete()
    RecoveryPointHold.objects.filter(recovery_point__in=points).delete()
    RecoveryPoint.objects.filter(pk__in=points).delete()
    old_jobs.delete(jobs)
    if points:
        old_jobs.tell(points=len(points), jobs=len(jobs))
    return len(points)
