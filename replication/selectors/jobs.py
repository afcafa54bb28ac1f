"""Jobs with their steps and images, and what each sync of a disk was."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import (
    Exists,
    OuterRef,
    Prefetch,
    QuerySet,
)

from contexts.models import VMContext
from replication.models import (
    CBTHistory,
    JobStep,
    ReplicationJob,
)
from replication.selectors.pauses import is_paused
from replication.selectors.subqueries import images_with_disks
from replication.states import StepStatus

JOB_HISTORY_LENGTH = 10
SHOWN_ATTEMPTS = 10  # a job that waited for a long time may have hundreds

CBT_HISTORY_LENGTH = 20


def jobs_for_list() -> QuerySet[ReplicationJob]:
    """All jobs, newest first, with their context, its vCenter, the repository, what `with_warnings`
    adds, and `vm_is_paused`: whether nothing of their VMs starts by itself."""
    jobs = ReplicationJob.objects.select_related("vm_context__vcenter", "repository")
    paused = jobs.annotate(vm_is_paused=is_paused("vm_context__"))
    return with_warnings(paused).order_by("-created_at", "-id")


def with_warnings(jobs: QuerySet[ReplicationJob]) -> QuerySet[ReplicationJob]:
    """Add `has_warnings`: whether any step of the job ended with one."""
    warned = JobStep.objects.filter(job=OuterRef("pk"), status=StepStatus.WARNING)
    return jobs.annotate(has_warnings=Exists(warned))


def jobs_in_detail() -> QuerySet[ReplicationJob]:
    """Jobs as in the list, with their steps and images (`images_with_disks`)."""
    return _with_steps(jobs_for_list()).prefetch_related(images_with_disks())


def job_history(context: VMContext, limit: int = JOB_HISTORY_LENGTH) -> list[ReplicationJob]:
    """The context's newest jobs with their steps and `has_warnings`; two queries."""
    jobs = ReplicationJob.objects.filter(vm_context=context).order_by("-created_at", "-id")
    return list(_with_steps(with_warnings(jobs))[:limit])


def newest_job(context: VMContext) -> ReplicationJob | None:
    return ReplicationJob.objects.filter(vm_context=context).order_by("-created_at", "-id").first()


def current_job(context: VMContext) -> ReplicationJob | None:
    """The active job with its steps and images, for live progress disk by disk."""
    if context.current_job_id is None:
        return None
    return jobs_in_detail().filter(pk=context.current_job_id).first()


def _with_steps(jobs: QuerySet[ReplicationJob]) -> QuerySet[ReplicationJob]:
    return jobs.prefetch_related(Prefetch("steps", JobStep.objects.order_by("attempt", "id")))


class NewestSteps(NamedTuple):
    """The steps of a job's last attempts, and how many earlier attempts are left out."""

    steps: list[JobStep]
    left_out: int


def newest_steps(job: ReplicationJob) -> NewestSteps:
    """Reads the prefetched steps."""
    left_out = attempts_left_out(job)
    return NewestSteps([step for step in job.steps.all() if step.attempt > left_out], left_out)


def attempts_left_out(job: ReplicationJob) -> int:
    return max(job.attempt - SHOWN_ATTEMPTS, 0)


def steps_of(job: ReplicationJob) -> QuerySet[JobStep]:
    """All of the job's steps, oldest first, for callers that page them."""
    return JobStep.objects.filter(job=job).order_by("attempt", "id")


def cbt_history(context: VMContext, limit: int = CBT_HISTORY_LENGTH) -> QuerySet[CBTHistory]:
    """The syncs of each disk, newest first."""
    return context.cbt_history.select_related("disk", "job").order_by("-id")[:limit]
