"""Checks of jobs, their steps, and leases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Case, Exists, F, OuterRef, Q, Sum, Value, When
from django.db.models.functions import Coalesce, Now

from replication.integrity.findings import LEASE_GRACE, Code, Finding, Scope, check
from replication.models import (
    CBTHistory,
    ContextLease,
    DiskImage,
    JobStep,
    RecoveryPoint,
    ReplicationJob,
)
from replication.models.cbt import BLOCK_BYTES
from replication.states import (
    ACTIVE_JOB_STATUSES,
    ImageState,
    JobStatus,
    LeaseHolder,
    RecoveryPointState,
    ReplicationType,
    StepStatus,
    SyncType,
)

# The tick takes over within a minute, wherever beat and a worker of the queue "tick" are alive.
TAKEN_OVER_WITHIN = timedelta(minutes=10)

COMPLETED_WITHOUT_POINT = Code(
    "completed_without_point",
    "The job is marked as completed, but there is nothing to fail over to. Replicate this VM now; "
    "restore the row from a backup if the older state matters.",
)
RUNNING_STEP_OF_ENDED_JOB = Code(
    "running_step_of_ended_job",
    "--repair marks the step as interrupted.",
    repairable=True,
)
RUNNING_JOB_WITHOUT_LEASE = Code(
    "running_job_without_lease",
    "Its worker is gone and no other worker resumes the job. Check that beat, a worker of the "
    "queue “tick” and a worker of the queue “copies” are running.",
)
LEASE_OF_ENDED_JOB = Code("lease_of_ended_job", "--repair removes the lease.", repairable=True)
LEASE_LEFT_BEHIND = Code(
    "lease_left_behind",
    "Its holder died. The next job or clean-up takes it over; --repair removes it.",
    repairable=True,
)
JOB_BYTES_DIFFER = Code(
    "job_bytes_differ",
    "The figures of this job cannot be trusted. Replicate the VM; the recovery point itself is "
    "checked separately.",
)
JOB_TYPE_DIFFERS = Code(
    "job_type_differs",
    "The job's type does not match its disks. Only the display is wrong; find out who wrote to "
    "the database.",
)
CBT_HISTORY_DIFFERS = Code(
    "cbt_history_differs",
    "The next replication uses the image's change ID, so nothing is lost, but the history of this "
    "disk is wrong. Find out who wrote to the database.",
)


def _of(code: Code, job: Any, what: str, **more: Any) -> Finding:
    return code.finding(
        what,
        key=job.pk,
        context_id=job.vm_context_id,
        vm_name=job.source_vm_name,
        job_id=job.pk,
        **more,
    )


@check(COMPLETED_WITHOUT_POINT)
def completed_without_point(scope: Scope) -> Iterator[Finding]:
    points = RecoveryPoint.objects.filter(job_id=OuterRef("pk"))
    jobs = ReplicationJob.objects.filter(~Exists(points), status=JobStatus.COMPLETED)
    for job in scope.within(jobs).order_by("pk").iterator():
        yield _of(
            COMPLETED_WITHOUT_POINT, job, "The job has completed, but it has no recovery point."
        )


def _interrupt(finding: Finding) -> str:
    ended = _steps_without_job(JobStep.objects.filter(job_id=finding.job_id)).update(
        status=StepStatus.INTERRUPTED,
        message="Marked by check_integrity: the job had ended or begun another attempt.",
        completed_at=Now(),
    )
    return f"Marked {ended} running steps as interrupted."


def _steps_without_job(steps: Any) -> Any:
    """Running steps whose attempt is over."""
    attempt = ReplicationJob.objects.filter(
        pk=OuterRef("job_id"), status=JobStatus.RUNNING, attempt=OuterRef("attempt")
    )
    return steps.filter(~Exists(attempt), status=StepStatus.RUNNING)


@check(RUNNING_STEP_OF_ENDED_JOB, mend=_interrupt)
def running_step_of_ended_job(scope: Scope) -> Iterator[Finding]:
    """After its commit a job cleans up under its lease, so only idle contexts are judged."""
    steps = _steps_without_job(scope.within(JobStep.objects.all(), "job__vm_context_id"))
    for step in (
        scope.at_rest(steps, "job__vm_context_id")
        .select_related("job")
        .order_by("job_id", "pk")
        .iterator()
    ):
        status = step.job.get_status_display().lower()
        yield RUNNING_STEP_OF_ENDED_JOB.finding(
            f"The step “{step.get_name_display()}” of attempt {step.attempt} is marked as running,"
            f" but the job is {status} in attempt {step.job.attempt}.",
            key=step.pk,
            context_id=step.job.vm_context_id,
            vm_name=step.job.source_vm_name,
            job_id=step.job_id,
        )


@check(RUNNING_JOB_WITHOUT_LEASE)
def running_job_without_lease(scope: Scope) -> Iterator[Finding]:
    late = scope.now if scope.quiet else scope.now - TAKEN_OVER_WITHIN
    jobs = ReplicationJob.objects.filter(status=JobStatus.RUNNING, updated_at__lt=late)
    for job in scope.at_rest(scope.within(jobs)).order_by("pk").iterator():
        yield _of(
            RUNNING_JOB_WITHOUT_LEASE,
            job,
            f"The job is marked as running, but {job.worker_name or 'its worker'} has not renewed "
            f"its lease; last sign of life {job.updated_at:%Y-%m-%d %H:%M:%S} UTC.",
        )


def _remove_lease(finding: Finding) -> str:
    # It expired and belongs to no one. A holder that returns finds it gone, and stops.
    ContextLease.objects.filter(vm_context_id=finding.context_id, expires_at__lte=Now()).delete()
    return "Removed the lease."


@check(LEASE_OF_ENDED_JOB, LEASE_LEFT_BEHIND, mend=_remove_lease)
def leases_left(scope: Scope) -> Iterator[Finding]:
    """Expired leases whose job has ended, or whose holder never released them."""
    out = ContextLease.objects.filter(
        expires_at__lte=scope.now if scope.quiet else scope.now - LEASE_GRACE
    ).select_related("vm_context", "job")
    for lease in scope.within(out).order_by("pk").iterator():
        of_ended = lease.job is not None and lease.job.status not in ACTIVE_JOB_STATUSES
        late = lease.expires_at < scope.left_over_since
        if of_ended or (late and lease.holder_kind != LeaseHolder.JOB):
            yield (LEASE_OF_ENDED_JOB if of_ended else LEASE_LEFT_BEHIND).finding(
                f"{lease.holder} ({lease.get_holder_kind_display().lower()}) did not release its"
                f" lease, which expired at {lease.expires_at:%Y-%m-%d %H:%M:%S} UTC.",
                key=lease.pk,
                context_id=lease.vm_context_id,
                vm_name=lease.vm_context.vm_name,
                job_id=lease.job_id,
            )


def _with_available_point(jobs: Any) -> Any:
    """Completed jobs whose images all still exist as the job made them."""
    return jobs.filter(
        status=JobStatus.COMPLETED, recovery_point__state=RecoveryPointState.AVAILABLE
    )


@check(JOB_BYTES_DIFFER, JOB_TYPE_DIFFERS)
def job_sums(scope: Scope) -> Iterator[Finding]:
    """Checks a completed job's bytes and type against its images."""
    images = DiskImage.objects.filter(job_id=OuterRef("pk"), recovery_point__isnull=False)
    in_full = images.filter(sync_type=SyncType.INITIAL)
    compared = images.filter(sync_type=SyncType.CHECKSUM)
    jobs = (
        _with_available_point(scope.within(ReplicationJob.objects.order_by("pk")))
        .annotate(
            planned=Sum("images__planned_bytes", filter=Q(images__recovery_point__isnull=False)),
            right_type=Case(
                When(Exists(in_full), then=Value(ReplicationType.INITIAL.value)),
                When(Exists(compared), then=Value(ReplicationType.CHECKSUM.value)),
                default=Value(ReplicationType.INCREMENTAL.value),
            ),
        )
        .filter(planned__isnull=False)
    )
    wrong = jobs.filter(
        ~Q(total_bytes=F("planned"))
        | ~Q(bytes_transferred=F("planned"))
        | Q(replication_type__isnull=True)
        | ~Q(replication_type=F("right_type"))
    )
    for job in wrong.iterator():
        if job.total_bytes != job.planned or job.bytes_transferred != job.planned:
            yield _of(
                JOB_BYTES_DIFFER,
                job,
                f"The job records {job.bytes_transferred} of {job.total_bytes} bytes, its images "
                f"{job.planned}.",
            )
        if job.replication_type != job.right_type:
            yield _of(
                JOB_TYPE_DIFFERS,
                job,
                f"The job is recorded as {job.replication_type}, but its images are"
                f" {job.right_type}.",
            )


@check(CBT_HISTORY_DIFFERS)
def cbt_history_differs(scope: Scope) -> Iterator[Finding]:
    """Checks each image of an available point against its entry in the CBT history."""
    same = CBTHistory.objects.annotate(known=Coalesce("change_id", Value(""))).filter(
        job_id=OuterRef("job_id"),
        disk_id=OuterRef("disk_id"),
        known=Coalesce(OuterRef("change_id"), Value("")),
        sync_success=True,
        sync_type=OuterRef("sync_type"),
        bytes_transferred=OuterRef("planned_bytes"),
        blocks_changed=(OuterRef("planned_bytes") + BLOCK_BYTES - 1) / BLOCK_BYTES,
    )
    images = scope.within(
        DiskImage.objects.filter(
            ~Exists(same),
            state=ImageState.COMMITTED,
            recovery_point__state=RecoveryPointState.AVAILABLE,
        )
    )
    for image in images.select_related("disk", "job").order_by("pk").iterator():
        yield CBT_HISTORY_DIFFERS.finding(
            f"{image.disk.disk_id}: the CBT history of this job has no entry with the image's "
            "change ID, type and bytes.",
            key=image.pk,
            context_id=image.vm_context_id,
            vm_name=image.job.source_vm_name,
            job_id=image.job_id,
        )
