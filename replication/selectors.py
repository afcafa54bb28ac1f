"""What pages, API and admin read of jobs, recovery points, and of contexts together with them.

Each selector is one query, or a constant number of them, however many rows there are.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db.models import (
    BigIntegerField,
    Count,
    Exists,
    IntegerField,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce, Left
from django.utils import timezone

from contexts import selectors as context_selectors
from contexts.errors import UnknownVM
from contexts.models import VMContext, VMDisk
from contexts.models.contexts import INDEXED_TEXT_LENGTH
from contexts.presence import with_presence
from contexts.states import ContextStatus
from replication.errors import UnknownJob
from replication.models import (
    CBTHistory,
    DiskImage,
    JobStep,
    RecoveryPoint,
    ReplicationJob,
    Repository,
)
from replication.rpo import RPOState, at_risk, unprotected, with_rpo
from replication.states import ImageState, RecoveryPointState, StepStatus

JOB_HISTORY_LENGTH = 10
CBT_HISTORY_LENGTH = 20
RECOVERY_POINTS_LENGTH = 100

# What the newest job of a context is annotated as, and where it comes from.
_NEWEST_JOB = {
    "newest_job_id": "id",
    "newest_job_status": "status",
    "newest_job_type": "replication_type",
    "newest_job_error": "error_message",
    "newest_job_bytes": "bytes_transferred",
    "newest_job_started_at": "started_at",
    "newest_job_completed_at": "completed_at",
}


def contexts_for_list(now: datetime | None = None) -> QuerySet[VMContext]:
    """The contexts under management as the table shows them, with vCenter and current job.

    Adds `newest_point_at`, `rpo_state` (as of `now`, the present by default), the newest job,
    whatever its status, as `newest_job_…`, what `with_presence` adds, and `sort_name`, which the
    database can sort by without reading all rows.
    """
    contexts = context_selectors.managed_contexts().annotate(
        sort_name=Left("vm_name", INDEXED_TEXT_LENGTH)
    )
    return _with_protection(contexts, now).order_by("sort_name", "context_id")


def context_detail(context_id: str, now: datetime | None = None) -> VMContext:
    """One context as in the list, with its repository; also one that is no longer managed.

    Raises UnknownVM.
    """
    contexts = VMContext.objects.select_related("vcenter", "repository", "last_successful_job")
    context: VMContext | None = _with_protection(contexts, now).filter(pk=context_id).first()
    if context is None:
        raise UnknownVM(f"There is no VM context {context_id!r}.")
    return context


def removed_contexts() -> QuerySet[VMContext]:
    """The contexts not under management any more, last removed first, with their vCenter.

    Adds `point_count` (recovery points that are kept) and `stored_bytes` (what their files take).
    """
    points = RecoveryPoint.objects.filter(
        vm_context=OuterRef("pk"), state=RecoveryPointState.AVAILABLE
    )
    return (
        VMContext.objects.filter(unmanaged_at__isnull=False)
        .select_related("vcenter")
        .annotate(
            point_count=_count(points, "vm_context"),
            stored_bytes=_sum_of_images(
                "vm_context", DiskImage.objects.filter(state=ImageState.COMMITTED)
            ),
        )
        .order_by("-unmanaged_at", "pk")
    )


def _with_protection(contexts: QuerySet[VMContext], now: datetime | None) -> QuerySet[VMContext]:
    newest = ReplicationJob.objects.filter(vm_context=OuterRef("pk")).order_by("-created_at", "-id")
    return (
        with_rpo(with_presence(contexts), now or timezone.now())
        .select_related("current_job")
        .annotate(
            **{name: Subquery(newest.values(column)[:1]) for name, column in _NEWEST_JOB.items()}
        )
    )


def context_counts(now: datetime | None = None) -> dict[str, int]:
    """How many managed contexts there are: `total`, of each status, of each RPO state; one query.

    The keys are the values of ContextStatus and RPOState.
    """
    statuses = {
        str(status): Count("current_status", filter=Q(current_status=status))
        for status in ContextStatus.values
    }
    counts = dict(
        VMContext.objects.filter(unmanaged_at__isnull=True).aggregate(
            total=Count("*"),
            **statuses,
            **{
                str(RPOState.UNPROTECTED): Count("current_status", filter=unprotected()),
                str(RPOState.AT_RISK): Count(
                    "current_status", filter=at_risk(now or timezone.now())
                ),
            },
        )
    )
    exposed = counts[RPOState.UNPROTECTED] + counts[RPOState.AT_RISK]
    return counts | {str(RPOState.PROTECTED): counts["total"] - exposed}


def jobs_for_list() -> QuerySet[ReplicationJob]:
    """All jobs, the newest first, with their context, its vCenter, the repository, and what
    `with_warnings` adds."""
    jobs = ReplicationJob.objects.select_related("vm_context__vcenter", "repository")
    return with_warnings(jobs).order_by("-created_at", "-id")


def with_warnings(jobs: QuerySet[ReplicationJob]) -> QuerySet[ReplicationJob]:
    """Add `has_warnings`: whether any step of the job ended with one."""
    warned = JobStep.objects.filter(job=OuterRef("pk"), status=StepStatus.WARNING)
    return jobs.annotate(has_warnings=Exists(warned))


def job_detail(job_id: str) -> ReplicationJob:
    """A job as in the list, with its steps and images (`images_with_disks`).

    Raises UnknownJob.
    """
    return _the_job(_with_steps(jobs_for_list()).prefetch_related(_images()), job_id)


def job(job_id: str) -> ReplicationJob:
    """A job with nothing beside it. Raises UnknownJob."""
    return _the_job(ReplicationJob.objects.all(), job_id)


def _the_job(jobs: QuerySet[ReplicationJob], job_id: str) -> ReplicationJob:
    found: ReplicationJob | None = jobs.filter(pk=job_id).first()
    if found is None:
        raise UnknownJob(f"There is no replication job {job_id!r}.")
    return found


def job_history(context: VMContext, limit: int = JOB_HISTORY_LENGTH) -> list[ReplicationJob]:
    """The context's newest jobs with their steps and `has_warnings`; two queries."""
    jobs = ReplicationJob.objects.filter(vm_context=context).order_by("-created_at", "-id")
    return list(_with_steps(with_warnings(jobs))[:limit])


def current_job(context: VMContext) -> ReplicationJob | None:
    """The active job with its steps and images, for live progress disk by disk."""
    if context.current_job_id is None:
        return None
    return job_detail(context.current_job_id)


def _with_steps(jobs: QuerySet[ReplicationJob]) -> QuerySet[ReplicationJob]:
    return jobs.prefetch_related(Prefetch("steps", JobStep.objects.order_by("attempt", "id")))


def _images() -> Prefetch:
    return Prefetch(
        "images",
        DiskImage.objects.select_related("disk").order_by("disk__device_key", "id"),
        to_attr="images_with_disks",
    )


def disks_of(context: VMContext) -> QuerySet[VMDisk]:
    """The disks that the VM has now, each with its last committed image.

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
        stored_bytes=_sum_of_images("disk", DiskImage.objects.filter(state=ImageState.COMMITTED)),
    )


def cbt_history(context: VMContext, limit: int = CBT_HISTORY_LENGTH) -> QuerySet[CBTHistory]:
    """What each sync of each disk was, the newest first."""
    return context.cbt_history.select_related("disk", "job").order_by("-id")[:limit]


def recovery_points(
    context: VMContext, limit: int | None = RECOVERY_POINTS_LENGTH
) -> QuerySet[RecoveryPoint]:
    """What the VM can be brought back to, the newest first, with `images_with_disks`.

    Without a limit it is for whoever cuts it into pages.

    Adds `stored_bytes` (what the point's own files take) and `capacity_bytes` (of its disks).
    """
    images = DiskImage.objects.all()
    return (
        context.recovery_points.filter(
            state__in=[RecoveryPointState.AVAILABLE, RecoveryPointState.EXPIRING]
        )
        .select_related("repository", "job")
        .annotate(
            stored_bytes=_sum_of_images("recovery_point", images),
            capacity_bytes=_sum_of_images("recovery_point", images, "capacity_bytes"),
        )
        .prefetch_related(_images())
        .order_by("-consistent_at", "-id")[:limit]
    )


def repositories_for_list() -> QuerySet[Repository]:
    """All repositories with `context_count`, `point_count` and `stored_bytes`."""
    points = RecoveryPoint.objects.filter(
        repository=OuterRef("pk"), state=RecoveryPointState.AVAILABLE
    )
    contexts = VMContext.objects.filter(repository=OuterRef("pk"), unmanaged_at__isnull=True)
    return Repository.objects.annotate(
        context_count=_count(contexts),
        point_count=_count(points),
        stored_bytes=_sum_of_images(
            "repository", DiskImage.objects.filter(state=ImageState.COMMITTED)
        ),
    ).order_by("name")


class RepositoryDependents(NamedTuple):
    """What keeps a repository from being removed, in numbers of rows."""

    contexts: int
    points: int
    images: int
    jobs: int


def dependents_of_repository(repository: Repository) -> RepositoryDependents:
    """VM records (managed or not), recovery points and images in any state, jobs."""
    return RepositoryDependents(
        *(
            model.objects.filter(repository=repository).count()
            for model in (VMContext, RecoveryPoint, DiskImage, ReplicationJob)
        )
    )


def _count(
    rows: QuerySet[VMContext] | QuerySet[RecoveryPoint], key: str = "repository"
) -> Coalesce:
    counted = rows.order_by().values(key).annotate(rows=Count("pk")).values("rows")
    return Coalesce(Subquery(counted, output_field=IntegerField()), Value(0))


def _sum_of_images(
    key: str, images: QuerySet[DiskImage], column: str = "allocated_bytes"
) -> Coalesce:
    summed = (
        images.filter(**{key: OuterRef("pk")})
        .order_by()
        .values(key)
        .annotate(total=Sum(column))
        .values("total")
    )
    return Coalesce(Subquery(summed, output_field=BigIntegerField()), Value(0))
