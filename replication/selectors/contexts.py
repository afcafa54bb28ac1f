"""Contexts together with what replication knows about them: protection, newest job, disks."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from django.db.models import (
    Count,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Left

from contexts.clock import about_now
from contexts.compiled import CompiledOnce
from contexts.models import VMContext, VMDisk
from contexts.models.contexts import INDEXED_TEXT_LENGTH
from contexts.presence import contexts_with_presence
from contexts.states import ContextStatus
from replication.models import (
    DiskImage,
    RecoveryPoint,
    ReplicationJob,
)
from replication.selectors import protection
from replication.selectors.pauses import is_paused
from replication.selectors.protection import Terms, with_protection
from replication.selectors.subqueries import count_rows, sum_of_images
from replication.states import ImageState, RecoveryPointState

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    from contexts.presence import Presence

    class _InList(Presence):
        sort_name: str
        newest_point_at: datetime | None
        is_dated_ahead: bool
        untracked_disk_count: int
        protection: str
        risk: float | None
        newest_job_id: str | None
        newest_job_status: str | None
        newest_job_type: str | None
        newest_job_error: str | None
        newest_job_bytes: int | None
        newest_job_started_at: datetime | None
        newest_job_completed_at: datetime | None
        is_paused: bool

    ContextInList = WithAnnotations[VMContext, _InList]


_NEWEST_JOB = {
    "newest_job_id": "id",
    "newest_job_status": "status",
    "newest_job_type": "replication_type",
    "newest_job_error": "error_message",
    "newest_job_bytes": "bytes_transferred",
    "newest_job_started_at": "started_at",
    "newest_job_completed_at": "completed_at",
}


def contexts_for_list(terms: Terms | None = None) -> QuerySet[ContextInList]:
    """The managed contexts as the table shows them, with vCenter, current job and schedule.

    Adds what `protection.with_protection` adds (by `terms`, the present ones by default), the
    newest job, whatever its status, as `newest_job_…`, `untracked_disk_count` (disks that the last
    successful job found without a change ID), `is_paused` (nothing starts by itself), what
    `contexts_with_presence` adds, and `sort_name`, which the database can sort by without reading
    all rows.
    """
    return _by(terms, _managed_in_list())


def contexts_in_detail(terms: Terms | None = None) -> QuerySet[ContextInList]:
    """Contexts as in the list, with their repository; includes those no longer managed."""
    return _by(terms, _in_detail())


def removed_contexts() -> QuerySet[VMContext]:
    """The contexts that are no longer under management, last removed first, with their vCenter.

    Adds `point_count` (recovery points that are kept) and `stored_bytes` (what their files take).
    """
    points = RecoveryPoint.objects.filter(
        vm_context=OuterRef("pk"), state=RecoveryPointState.AVAILABLE
    )
    return (
        VMContext.objects.filter(unmanaged_at__isnull=False)
        .select_related("vcenter")
        .annotate(
            point_count=count_rows(points, "vm_context"),
            stored_bytes=sum_of_images(
                "vm_context", DiskImage.objects.filter(state=ImageState.COMMITTED)
            ),
        )
        .order_by("-unmanaged_at", "pk")
    )


def _by(terms: Terms | None, contexts: QuerySet[ContextInList]) -> QuerySet[ContextInList]:
    rows: Any = with_protection(contexts, terms or protection.terms(about_now()))
    listed: QuerySet[ContextInList] = rows
    return listed


@cache
def _managed_in_list() -> QuerySet[ContextInList]:
    contexts: Any = _with_newest_job().filter(unmanaged_at__isnull=True)
    listed: QuerySet[ContextInList] = (
        contexts.annotate(sort_name=Left("vm_name", INDEXED_TEXT_LENGTH))
        .select_related("vcenter", "current_job", "schedule")
        .order_by("sort_name", "context_id")
    )
    return listed


@cache
def _in_detail() -> QuerySet[ContextInList]:
    return _with_newest_job().select_related(
        "vcenter", "repository", "last_successful_job", "current_job", "schedule"
    )


@cache
def _with_newest_job() -> QuerySet[ContextInList]:
    newest = ReplicationJob.objects.filter(vm_context=OuterRef("pk")).order_by("-created_at", "-id")
    untracked = DiskImage.objects.filter(
        job=OuterRef("last_successful_job"), state=ImageState.COMMITTED, change_id__isnull=True
    )
    of_newest = {
        name: CompiledOnce(Subquery(newest.values(column)[:1]))
        for name, column in _NEWEST_JOB.items()
    }
    rows: Any = contexts_with_presence()
    listed: QuerySet[ContextInList] = rows.annotate(
        untracked_disk_count=CompiledOnce(count_rows(untracked, "job")),
        is_paused=CompiledOnce(is_paused()),
        **of_newest,
    )
    return listed


def context_counts(contexts: QuerySet[VMContext], terms: Terms | None = None) -> dict[str, int]:
    """The number of those of the contexts that are managed: `total`, by status and by state of
    protection; one query.

    The keys are the values of ContextStatus and Protection.
    """
    statuses = {
        str(status): Count("current_status", filter=Q(current_status=status))
        for status in ContextStatus.values
    }
    managed = contexts.filter(unmanaged_at__isnull=True)
    return protection.counts(
        managed, terms or protection.terms(about_now()), total=Count("*"), **statuses
    )


def disks_of(context: VMContext) -> QuerySet[VMDisk]:
    """The VM's current disks, each with its last committed image.

    Adds `change_id`, `last_sync_at` (the image's `consistent_at`), `last_sync_type`,
    `last_sync_bytes` and `stored_bytes` (of all its committed images).
    """
    newest = DiskImage.objects.filter(disk=OuterRef("pk"), state=ImageState.COMMITTED).order_by(
        "-id"
    )
    return context.disks.filter(removed_at__isnull=True).annotate(
        change_id=Subquery(newest.values("change_id")[:1]),
        last_sync_at=Subquery(newest.values("recovery_point__consistent_at")[:1]),
        last_sync_type=Subquery(newest.values("sync_type")[:1]),
        last_sync_bytes=Subquery(newest.values("planned_bytes")[:1]),
        stored_bytes=sum_of_images("disk", DiskImage.objects.filter(state=ImageState.COMMITTED)),
    )
