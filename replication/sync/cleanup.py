"""The clean-up run: removes what jobs left that could not clean up after themselves."""

from __future__ import annotations

import logging
from contextlib import ExitStack, closing

from django.db.models import Value
from django.db.models.functions import Concat, Now

from contexts import log_lines
from contexts.errors import ContextError
from contexts.models import VMContext
from contexts.services import slots, vcenters
from contexts.text import printable, storable
from contexts.vsphere import tasks
from contexts.vsphere.budget import Budget
from contexts.vsphere.session import Session
from replication.errors import LeaseLost
from replication.models import JobStep
from replication.services import leases, left_overs
from replication.services.leases import Lease
from replication.states import (
    ImageState,
    LeaseHolder,
    SnapshotState,
    StepName,
    StepStatus,
)
from replication.sync.guard import Guard
from replication.sync.removing import remove_left_overs

log = logging.getLogger(__name__)

READING_SECONDS = 600.0
READING_BYTES = 256 << 20


class _CleanUp:
    """The clean-up run, while no job of the context is active."""

    # It holds the vCenter's slot meanwhile: vSphere continues on its own, and the next clean-up
    # checks again.
    removal_seconds = tasks.OTHERS_SECONDS

    def __init__(self, context: VMContext, guard: Guard) -> None:
        self.guard = guard
        self._vcenter = context.vcenter
        self._session: Session | None = None
        self._open = ExitStack()

    @property
    def session(self) -> Session:
        """Opened when first needed: files can be removed while the vCenter is unreachable or busy,
        and without its password. Raises VCenterBusy while another thread talks to it."""
        if self._session is None:
            self._open.enter_context(slots.conversation(self._vcenter))
            reading = Budget(READING_SECONDS, READING_BYTES, "end of the clean-up")
            session = vcenters.session(self._vcenter, reading=reading)
            self._session = self._open.enter_context(closing(session))
            self._session.connect()
        return self._session

    def check(self) -> None:
        self.guard.check()

    def close(self) -> None:
        self._open.close()


def clean_context(context_id: str) -> None:
    """Take the lease and remove what ended jobs left. Does nothing while the lease is held: the
    tick requests it again. It also puts off what needs the vCenter while another thread talks to
    it."""
    context = VMContext.objects.select_related("vcenter").get(pk=context_id)
    lease = leases.acquire(context_id, LeaseHolder.CLEAN_UP)
    if lease is None:
        return
    with log_lines.of_vm(context):
        _clean_under(lease, context)


def _clean_under(lease: Lease, context: VMContext) -> None:
    try:
        with Guard(lease) as guard:
            # A job that became active meanwhile may need what it left, and cleans up itself.
            context.refresh_from_db(fields=["current_job"])
            if context.current_job_id is None:
                _clean(context, guard)
    except LeaseLost:
        log.warning("clean-up of %s stopped: the lease was lost", context.pk)
        return
    leases.release(lease)


def _begin_steps(context: VMContext) -> None:
    """Give failed and cancelled jobs a clean-up step. An existing one runs again and keeps its
    message."""
    images = context.images.filter(state=ImageState.DELETING)
    left_snapshots = context.snapshots.exclude(state=SnapshotState.REMOVED)
    left = {
        job for rows in (images, left_snapshots) for job in rows.values_list("job", "job__attempt")
    }
    tried = JobStep.objects.filter(job__in=[job_id for job_id, _ in left], name=StepName.CLEAN_UP)
    tried_job_ids = set(tried.values_list("job", flat=True))
    # Should this process be killed from here on, the next clean-up finds the step by its status.
    tried.update(status=StepStatus.RUNNING, completed_at=None)
    JobStep.objects.bulk_create(
        JobStep(job_id=job_id, attempt=attempt, name=StepName.CLEAN_UP, started_at=Now())
        for job_id, attempt in sorted(left)
        if job_id not in tried_job_ids
    )


def _end_steps(context: VMContext, problems: list[str]) -> None:
    """End running steps. A clean-up that succeeds later is no longer a warning, but its message
    keeps the history. Includes steps that a killed process left, of this clean-up or of a job."""
    running = left_overs.running_steps().filter(job__vm_context=context)
    running.exclude(name=StepName.CLEAN_UP).update(
        status=StepStatus.INTERRUPTED,
        message="The worker stopped before it recorded how this step ended.",
        completed_at=Now(),
    )
    if problems:
        running.update(status=StepStatus.WARNING, message=" ".join(problems), completed_at=Now())
        return
    running.exclude(message="").update(
        status=StepStatus.COMPLETED,
        message=Concat(Value("Done at a later attempt. Before: "), "message"),
        completed_at=Now(),
    )
    running.update(
        status=StepStatus.COMPLETED, message="Done after the job's end.", completed_at=Now()
    )


def _clean(context: VMContext, guard: Guard) -> None:
    guard.check()
    _begin_steps(context)
    try:
        clean_up = _CleanUp(context, guard)
        try:
            problems = remove_left_overs(context, clean_up)
        finally:
            clean_up.close()
    except ContextError as refusal:
        problems = [storable(str(refusal))]
    for problem in problems:
        log.warning("clean-up of %s: %s", context.pk, printable(problem))
    _end_steps(context, problems)
