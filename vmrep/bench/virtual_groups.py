"""Groups in a simulation, as `replication.services.group_runs` has them: one worker gathers the VMs
of a run; when all are ready their snapshots are taken, and each job goes on by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from replication.services.group_runs import MOST_AT_ONCE, MOST_GATHERINGS
from replication.services.leases import DURATION
from vmrep.bench.virtual_estate import Attempt, Group, attempt
from vmrep.bench.virtual_workers import Broken, Job

if TYPE_CHECKING:
    from vmrep.bench.virtual_time import World


@dataclass(eq=False)
class Run:
    """`jobs`: that wait until they are gathered. `worker`: that does it, and died at `lost_at`."""

    group: Group
    waits_since: float
    jobs: list[Job] = field(default_factory=list)
    worker: int | None = None
    lost_at: float | None = None
    gatherings: int = 0


class Gatherings:
    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: list[Run] = []
        self._gathering: list[Run] = []
        self._groups: set[int] = set()

    def concern(self, group: Group) -> bool:
        """Whether it has a run whose snapshots have not been taken yet."""
        return group.number in self._groups

    def start(self, group: Group) -> None:
        """All of its VMs that can be replicated now."""
        world = self._world
        if self.concern(group):
            raise Broken(f"group {group.number} would be gathered twice at once")
        self._groups.add(group.number)
        run = Run(group, world.now)
        run.jobs = [world.start(vm, run) for vm in group.vms if world.may_start(vm)]
        self._waiting.append(run)
        world.told.runs += 1
        world.told.left_out += len(group.vms) - len(run.jobs)

    def next(self) -> Run | None:
        """The oldest one that can be gathered. Smaller ones do not overtake one that waits for
        room."""
        for run in self._waiting:
            if self._gathered_now() + len(run.jobs) > MOST_AT_ONCE:
                return None
            if all(job.next_attempt_at <= self._world.now for job in run.jobs):
                return run
        return None

    def begin(self, run: Run, worker: int) -> None:
        """It takes one place of the worker, and none of a vCenter or a repository."""
        world = self._world
        self._waiting.remove(run)
        self._gathering.append(run)
        run.worker, run.gatherings = worker, run.gatherings + 1
        world.workers.keep(worker)
        self._note(run)
        for job in run.jobs:
            world.begins_now(job)
            job.left = attempt(job.vm, world.now, world.troubles, world.random)
        ready = max(_ready_after(job.left) for job in run.jobs if job.left)
        world.after(ready, partial(self._end, run, run.gatherings))

    def lose(self, worker: int | None) -> None:
        """That worker died, or all did."""
        for run in self._gathering:
            if worker in (None, run.worker) and run.lost_at is None:
                run.lost_at = self._world.now
                for job in run.jobs:
                    self._world.lose(job)

    def settle(self) -> None:
        """What the tick does: another worker begins again, or each VM is replicated by itself. The
        jobs themselves have been taken over."""
        for run in list(self._gathering):
            if run.lost_at is None:
                continue
            if self._world.now - run.lost_at < DURATION.total_seconds():
                continue
            self._leave(run)
            run.jobs = [job for job in run.jobs if job in self._world.active]
            if run.jobs and run.gatherings < MOST_GATHERINGS:
                run.waits_since, run.lost_at = self._world.now, None
                self._waiting.append(run)
            else:
                self._world.told.left_out += len(run.jobs)
                self._go_on(run)

    def _end(self, run: Run, gathering: int) -> None:
        if run.lost_at is not None or run.gatherings != gathering or run.worker is None:
            return  # its worker died meanwhile
        world = self._world
        self._leave(run)
        self._go_on(run)
        for job in run.jobs:
            goes, job.left = job.left, None
            if goes is not None and goes.outcome == "done":
                world.told.together += 1
                job.snapshot_at = world.now
                job.left = goes._replace(seconds=goes.seconds - goes.snapshot_seconds)
                world.workers.wait(job)
            elif goes is not None:
                world.told.left_out += 1
                world.end_attempt(job, world.now, goes)
        world.claim()

    def _leave(self, run: Run) -> None:
        self._gathering.remove(run)
        if run.worker is not None:
            self._world.workers.give_back(run.worker)
        run.worker = None

    def _go_on(self, run: Run) -> None:
        self._groups.remove(run.group.number)
        for job in run.jobs:
            job.run = None

    def _gathered_now(self) -> int:
        return sum(len(run.jobs) for run in self._gathering)

    def _note(self, run: Run) -> None:
        told, gathered = self._world.told, self._gathered_now()
        waited = self._world.now - run.waits_since
        told.longest_wait_of_a_run = max(told.longest_wait_of_a_run, waited)
        told.most_gathered = max(told.most_gathered, gathered)
        if gathered > MOST_AT_ONCE:
            raise Broken(f"{gathered} VMs are gathered at once")


def _ready_after(goes: Attempt) -> float:
    """Until its snapshot can be taken, or it is known that it cannot."""
    return goes.snapshot_seconds if goes.outcome == "done" else goes.seconds
