"""One worker gathers the VMs of a group's run: it prepares all of them, each in a thread, and when
all are ready their snapshots are taken at the same moment. Then each job waits for any worker that
copies its disks.

No VM holds up the others for longer than `group_runs.GATHER_SECONDS`: who is not ready by then is
left behind, and replicated by itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from django.db import Error as DatabaseProblem
from django.db import connection

from contexts.database_errors import own_words
from replication import messages
from replication.models import ReplicationJob
from replication.services import finish, group_runs
from replication.services.group_runs import Gathering
from replication.services.leases import Lease
from replication.states import StepName
from replication.sync import runner, stopping
from replication.sync.job_run import JobRun
from replication.sync.prepare import prepare, read_and_check_vm, tracking
from replication.sync.snapshot import remove_earlier, take_with_others
from replication.sync.verdict import looking_again

log = logging.getLogger(__name__)

_CHECK_EVERY_SECONDS = 0.5


def run_next() -> int | None:
    """Gather the next run that this worker can gather; returns its number, or None if there is
    none."""
    gathering = None if stopping.is_asked() else group_runs.claim_next()
    if gathering is None:
        return None
    _gather(gathering)
    return gathering.run_id


class Gate:
    """Opens when everybody who is expected has arrived, or when the time is over."""

    def __init__(self, expected: Iterable[str], seconds: float) -> None:
        self.closes_at = time.monotonic() + seconds
        self._expected = set(expected)
        self._changed = threading.Condition()

    def arrive(self, who: str) -> None:
        """Do not expect this one any longer, whether it is ready or will never be."""
        with self._changed:
            self._expected.discard(who)
            self._changed.notify_all()

    def wait(self, check: Callable[[], None]) -> None:
        """Wait until it opens. `check` is called meanwhile, and may raise."""
        while not self._is_open():
            check()

    def _is_open(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: not self._expected, _CHECK_EVERY_SECONDS)
            return not self._expected or time.monotonic() >= self.closes_at


def _gather(gathering: Gathering) -> None:
    gate = Gate([job.pk for job, _ in gathering.jobs], group_runs.GATHER_SECONDS)
    threads = [
        threading.Thread(target=_member, args=(gathering, gate, job, lease), name=job.pk)
        for job, lease in gathering.jobs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        group_runs.gathered(gathering)
    except DatabaseProblem as problem:
        log.warning("run %s is left to the tick: %s", gathering.run_id, own_words(problem))
        connection.close()
    messages.hint_job()


def _member(gathering: Gathering, gate: Gate, job: ReplicationJob, lease: Lease) -> None:
    try:
        runner.run(
            job,
            lease,
            work=partial(_as_far_as_the_snapshot, gate, job, lease),
            settled=partial(group_runs.let_go, gathering, job.pk),
        )
    finally:
        gate.arrive(job.pk)  # the others wait for it in vain
        connection.close()


def _as_far_as_the_snapshot(gate: Gate, job: ReplicationJob, lease: Lease, run: JobRun) -> None:
    run.ready_by = gate.closes_at
    prepare(run, reads=False)
    if remove_earlier(run):
        read_and_check_vm(run)
    with looking_again(run):
        tracking(run)
        take_with_others(run, partial(_all_ready, gate, run))
    finish.go_alone(job.pk, lease=lease)


def _all_ready(gate: Gate, run: JobRun) -> None:
    run.check()
    run.update(current_operation=group_runs.FOR_GROUP)
    run.ready_by = None  # it is ready
    gate.arrive(run.job.pk)
    gate.wait(run.check)
    run.update(current_operation=StepName.SNAPSHOT.label)
