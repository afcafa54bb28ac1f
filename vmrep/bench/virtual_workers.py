"""The workers of a simulation and the queue that they take their jobs from, as
`replication.services.queue` does it. Raises Broken when there were more jobs than may be."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replication.selectors.health import DEAD_AFTER
from vmrep.bench.virtual_estate import VM, Attempt, Plan
from vmrep.bench.virtual_told import Told

if TYPE_CHECKING:
    from vmrep.bench.virtual_groups import Run


class Broken(AssertionError):
    """A rule that must hold at every moment did not."""


@dataclass(eq=False)
class Job:
    """`worker`: that works at it, since `began_at`; it is lost since `lost_at` if that worker
    died. `run`: of its group, until its VMs are gathered; then `snapshot_at`, and `left`: what is
    still to be done."""

    vm: VM
    created_at: float
    started_at: float | None = None
    began_at: float | None = None
    attempt: int = 1
    next_attempt_at: float = 0.0
    worker: int | None = None
    lost_at: float | None = None
    run: Run | None = None
    snapshot_at: float | None = None
    left: Attempt | None = None

    @property
    def is_running(self) -> bool:
        """By itself, or as it is gathered."""
        return self.worker is not None or (self.run is not None and self.run.worker is not None)


class Workers:
    """`died`: who is dead, and since when."""

    def __init__(self, plan: Plan, told: Told) -> None:
        self._plan, self._told = plan, told
        self._waiting: dict[tuple[int, int], list[Job]] = {}
        self._running: Counter[tuple[str, int]] = Counter()
        self._free = dict.fromkeys(range(plan.workers), plan.places)
        self.died: dict[int, float] = {}

    @property
    def living(self) -> int:
        return self._plan.workers - len(self.died)

    def slots(self, now: float) -> int:
        """As far as is known: who died just now counts for a while."""
        dead = DEAD_AFTER.total_seconds()
        gone = sum(now - died_at > dead for died_at in self.died.values())
        return self._plan.places * (self._plan.workers - gone)

    def wait(self, job: Job) -> None:
        line = self._waiting.setdefault((job.vm.vcenter_id, job.vm.repository_id), [])
        insort(line, job, key=lambda job: job.created_at)

    def free(self) -> list[int]:
        """A worker for each place."""
        return [
            worker
            for worker, places in self._free.items()
            if worker not in self.died
            for _ in range(places)
        ]

    def next(self) -> Job | None:
        """The oldest job for which there are places."""
        plan, running = self._plan, self._running
        lines = [
            line
            for (vcenter, repository), line in self._waiting.items()
            if line
            and running["vcenter", vcenter] < plan.vcenter_jobs
            and running["repository", repository] < plan.repository_jobs
        ]
        return min(lines, key=lambda line: line[0].created_at).pop(0) if lines else None

    def begin(self, job: Job, worker: int) -> None:
        job.worker = worker
        self.keep(worker)
        self._take_part(job.vm, 1)

    def leave(self, job: Job) -> None:
        if job.worker is not None:
            self.give_back(job.worker)
            self._take_part(job.vm, -1)
        job.worker = job.lost_at = None

    def keep(self, worker: int) -> None:
        """One of its places."""
        self._free[worker] -= 1
        if self._free[worker] < 0:
            raise Broken(f"worker {worker} has more jobs than places")

    def give_back(self, worker: int) -> None:
        self._free[worker] += 1

    def _take_part(self, vm: VM, more: int) -> None:
        """The limits hold at every moment."""
        limits = {"vcenter": self._plan.vcenter_jobs, "repository": self._plan.repository_jobs}
        for kind, number in (("vcenter", vm.vcenter_id), ("repository", vm.repository_id)):
            self._running[kind, number] += more
            running = self._running[kind, number]
            if running > limits[kind]:
                raise Broken(f"{running} jobs of {kind} {number}")
            most = self._told.most_running
            most[kind, 0] = max(most[kind, 0], running)
