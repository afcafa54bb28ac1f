"""Whether VMs will get over their targets before their next recovery points; pure, for the tick
and simulation alike."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from replication.scheduler.decide import Capacity, Use

OUTAGE_LASTS = 9
"""Nobody knows how long an outage lasts. It is expected to last so many times longer than it has:
what has lasted a minute concerns only whoever has no more than ten minutes left."""
AS_GOOD_AS_NEVER_SECONDS = 10 * 365 * 86_400.0
NEVER = datetime.max.replace(tzinfo=UTC)


class Outlook(NamedTuple):
    """What a VM's next recovery point depends on.

    `breaks_at`: when the newest one gets older than the target. `latest_start_at`: when the next
    replication has to begin, so that it ends before that. `due_at`: None: not by itself.
    `free_at`: until then something keeps it from starting (a pause, an outage); `NEVER`: until
    somebody does something. `ends_at`: of a VM that is being replicated."""

    breaks_at: datetime
    latest_start_at: datetime
    due_at: datetime | None
    free_at: datetime | None = None
    ends_at: datetime | None = None


def breach_expected_at(
    vm: Outlook, now: datetime, queue: timedelta = timedelta(0)
) -> datetime | None:
    """When the VM is expected to get over its target; None: it is not, or is over it already.
    `queue`: how long all workers that could replicate it are busy."""
    if vm.breaks_at <= now:
        return None
    if vm.ends_at is not None:
        return vm.breaks_at if vm.ends_at > vm.breaks_at else None
    begins_at = max(vm.due_at or NEVER, vm.free_at or now, now + queue)
    return vm.breaks_at if begins_at > vm.latest_start_at else None


def outage_ends_at(since: datetime | None, now: datetime) -> datetime:
    """When an outage is expected to be over; `since` None: nobody knows that it ever worked."""
    if since is None or since >= now:
        return NEVER if since is None else now
    return now + OUTAGE_LASTS * (now - since)


def ends_at(
    started_at: datetime,
    expected_seconds: float | None,
    left_bytes: int | None,
    bytes_per_second: int | None,
    now: datetime,
) -> datetime:
    """When a running job is expected to end: by what is left to read at its pace, or else by how
    long such jobs took. One that takes longer than that may end at any time."""
    if left_bytes is not None and bytes_per_second:
        seconds = left_bytes / bytes_per_second
        return now + timedelta(seconds=min(seconds, AS_GOOD_AS_NEVER_SECONDS))
    return max(now, started_at + timedelta(seconds=expected_seconds or 0.0))


class Queue:
    """When jobs begin that wait for workers, in their order: each as soon as a worker is free, and
    its vCenter, its repository and its policy have a place for one more."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._ends: defaultdict[tuple[str, int | None], list[float]] = defaultdict(list)

    def run(self, use: Use) -> None:
        """One that runs already; its seconds are those that it will still take."""
        self._take(use, 0.0)

    def add(self, use: Use) -> float:
        """In how many seconds it begins."""
        begins = self.begins(use)
        self._take(use, begins)
        return begins

    def begins(self, use: Use) -> float:
        """In how many seconds one more job would begin; infinite without a worker."""
        return max(self._free(self._ends[kind], most) for kind, most in self._kinds(use))

    def _take(self, use: Use, begins: float) -> None:
        ends = begins + use.seconds
        for kind, most in self._kinds(use):
            held = self._ends[kind]
            heapq.heappush(held, ends)
            while len(held) > max(most, 1):
                heapq.heappop(held)  # its place is the one that was taken

    @staticmethod
    def _free(ends: Sequence[float], most: int) -> float:
        if most <= 0:
            return float("inf")
        return ends[0] if len(ends) >= most else 0.0

    def _kinds(self, use: Use) -> list[tuple[tuple[str, int | None], int]]:
        known = self._capacity
        vcenter = known.vcenter_jobs.get(use.vcenter_id, known.of_other_vcenters)
        repository = known.repository_jobs.get(use.repository_id, known.of_other_repositories)
        kinds: list[tuple[tuple[str, int | None], int]] = [
            (("all", None), known.slots),
            (("vcenter", use.vcenter_id), vcenter),
            (("repository", use.repository_id), repository),
        ]
        if use.most_running:
            kinds.append((("policy", use.policy_id), use.most_running))
        return kinds
