"""What ended jobs left behind, according to the database. The clean-up removes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Exists, Q, QuerySet
from django.db.models.functions import Now

from contexts.clock import database_now
from replication.models import DiskImage, JobStep, VMSnapshot
from replication.services import leases
from replication.states import ACTIVE_JOB_STATUSES, ImageState, SnapshotState, StepStatus

CLEAN_AGAIN_AFTER = timedelta(minutes=2)
# How late a request may still reach the vCenter: its sender was paused, or the network was down.
SNAPSHOT_MAY_COME_FOR = timedelta(minutes=10)


def may_still_appear(row: VMSnapshot) -> bool:
    """Whether a snapshot that its VM does not have may still appear: it was requested recently, and
    no answer was recorded."""
    return (
        row.state == SnapshotState.INTENDED
        and not row.moref
        and row.consistent_at > database_now() - SNAPSHOT_MAY_COME_FOR  # just before the request
    )


def images() -> Any:
    """Images that are in no recovery point and never will be: abandoned, or of an ended job.

    The latter belong to a paused worker that began one after another worker had ended its job.
    """
    return DiskImage.objects.filter(
        Q(state=ImageState.DELETING)
        | Q(state=ImageState.WRITING) & ~Q(job__status__in=ACTIVE_JOB_STATUSES)
    )


def running_steps() -> QuerySet[JobStep]:
    """Steps of ended jobs that count as running: they belong to a clean-up that holds the lease, or
    were left by a process that was killed."""
    return JobStep.objects.filter(status=StepStatus.RUNNING).exclude(
        job__status__in=ACTIVE_JOB_STATUSES
    )


def contexts_to_clean(context_id: str | None = None) -> list[str]:
    """Contexts (or that one) without an active job or a holder that have a snapshot or a file left
    to remove, or a step or a lease that a killed process left.

    A snapshot whose removal failed is left alone for `CLEAN_AGAIN_AFTER`: each attempt costs the
    vCenter work.
    """
    snapshots = VMSnapshot.objects.exclude(state=SnapshotState.REMOVED).exclude(
        ~Q(problem=""), updated_at__gt=Now() - CLEAN_AGAIN_AFTER
    )
    return sorted(
        {
            *_contexts_of(snapshots, "vm_context", context_id),
            *_contexts_of(images(), "vm_context", context_id),
            *_contexts_of(running_steps(), "job__vm_context", context_id),
            *_contexts_of(leases.expired(), "vm_context", context_id),
        }
    )


def _contexts_of(rows: QuerySet[Any], path: str, context_id: str | None) -> Iterator[str]:
    """The contexts of these rows (`path` leads to them), except those that somebody works on."""
    free = rows.filter(**{f"{path}__current_job__isnull": True})
    if context_id is not None:
        free = free.filter(**{path: context_id})
    yield from free.filter(~Exists(leases.live_lease(path))).values_list(path, flat=True)
