"""Whether VMs will go over their targets before their next recovery points; pure, for the tick
and simulation alike."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from replication.scheduler.decide import Capacity, Lane, Use, most_of_lane

OUTAGE_LASTS = 9
"""Nobody knows how long an outage lasts. It is expected to last so many times longer than it has:
what has lasted a minute concerns only whoever has no more than ten minutes left."""
AS_GOOD_AS_NEVER_SECONDS = 10 * 365 * 86_400.0
SURE = 0.6
"""So much of a queue is certain to be waited for: the others may be quicker than usual. Whoever
is late by less is told of as the queue gets shorter."""
NEVER = datetime.max.replace(tzinfo=UTC)
_Kinds = tuple[int, ...]


class Outlook(NamedTuple):
    """What a VM's next recovery point depends on.

    `breaks_at`: when the newest one gets older than the target. `latest_start_at`: when the next
    replication has to begin, so that nine of ten end before that; `usual_start_at`: if it takes as
    long as usual. `due_at`: None: not by itself. `free_at`: until then something keeps it from
    starting (a pause, an outage); `NEVER`: until somebody does something. `ends_at`: of a VM that
    is being replicated."""

    breaks_at: datetime
    latest_start_at: datetime
    usual_start_at: datetime
    due_at: datetime | None
    free_at: datetime | None = None
    ends_at: datetime | None = None


def breach_expected_at(vm: Outlook, now: datetime, queue_seconds: float = 0.0) -> datetime | None:
    """When the VM is expected to go over its target; None: it is not, or is over it already.
    `queue_seconds`: until a worker begins it, by how long others usually take. What is certain to
    begin late is told of although it might be quick for once; queues are not that certain."""
    if vm.breaks_at <= now:
        return None
    if vm.ends_at is not None:
        return vm.breaks_at if vm.ends_at > vm.breaks_at else None
    can_start_at = max(vm.due_at or NEVER, vm.free_at or now)
    if can_start_at > now and can_start_at > vm.latest_start_at:
        return vm.breaks_at
    begins_at = max(can_start_at, queue_ends_at(now, queue_seconds))
    return vm.breaks_at if begins_at > vm.usual_start_at else None


def queue_ends_at(now: datetime, seconds: float) -> datetime:
    """Until when it is certain to be waited for."""
    is_for_ever = seconds > AS_GOOD_AS_NEVER_SECONDS
    return NEVER if is_for_ever else now + timedelta(seconds=SURE * seconds)


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
    long such jobs take. One that is late by that is expected to be as late again."""
    if left_bytes is not None and bytes_per_second:
        seconds = left_bytes / bytes_per_second
        return now + timedelta(seconds=min(seconds, AS_GOOD_AS_NEVER_SECONDS))
    expected = started_at + timedelta(seconds=expected_seconds or 0.0)
    return max(expected, now + (now - expected))


class Queue:
    """When jobs begin that wait for workers: those that come first in their order for which a
    worker is free, and their vCenter, their repository and their policy have a place for one more.
    So a full repository keeps no worker from others. Times are seconds from now."""

    def __init__(self, capacity: Capacity) -> None:
        self._places = _Places(capacity)
        self._ends: list[tuple[float, _Kinds]] = []
        self._waiting: list[tuple[float, int, float, _Kinds]] = []

    def run(self, use: Use) -> None:
        """One that runs already; its seconds are those that it will still take."""
        self._ends.append((use.seconds, self._places.kinds(use)))

    def add(self, use: Use, not_before: float = 0.0) -> int:
        """One that waits, after those that were added before it, and until then at least. Its
        number in what `begins` returns."""
        number = len(self._waiting)
        self._waiting.append((not_before, number, use.seconds, self._places.kinds(use)))
        return number

    def begins(self) -> list[float]:
        """In how many seconds each one that waits will begin; infinite without a place. To be
        asked once."""
        found = [math.inf] * len(self._waiting)
        ends, later, places = list(self._ends), list(self._waiting), self._places
        for _, kinds in ends:
            places.take(kinds)
        heapq.heapify(ends)
        heapq.heapify(later)
        lines: dict[_Kinds, list[tuple[int, float]]] = {}
        now = 0.0
        while True:
            while later and later[0][0] <= now:
                _, number, seconds, kinds = heapq.heappop(later)
                heapq.heappush(lines.setdefault(kinds, []), (number, seconds))
            while (turn := places.next(lines)) is not None:
                number, seconds = heapq.heappop(lines[turn])
                if not lines[turn]:
                    del lines[turn]
                found[number] = now
                if seconds > 0:
                    places.take(turn)
                    heapq.heappush(ends, (now + seconds, turn))
            moments = [heap[0][0] for heap in (ends, later) if heap]
            if not (lines or later) or not moments:
                return found
            now = min(moments)
            while ends and ends[0][0] <= now:
                places.give_back(heapq.heappop(ends)[1])


class _Places:
    """How many are free of each kind: of workers, of a vCenter, a repository, a policy, a lane.
    The kinds have numbers, the workers 0: this is the only part of looking ahead in which time
    grows with what waits and with what it waits for."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._numbers: dict[tuple[object, ...], int] = {}
        self._free: list[int] = []
        self._number(("all",), capacity.slots)

    def kinds(self, use: Use) -> _Kinds:
        """What it takes a place of."""
        known = self._capacity
        vcenter = known.vcenter_jobs.get(use.vcenter_id, known.of_other_vcenters)
        repository = known.repository_jobs.get(use.repository_id, known.of_other_repositories)
        found = [
            0,
            self._number(("vcenter", use.vcenter_id), vcenter),
            self._number(("repository", use.repository_id), repository),
        ]
        if use.lane != Lane.USUAL:
            found.append(self._number(("lane", use.lane), most_of_lane(known, use.lane)))
        if use.most_running:
            found.append(self._number(("policy", use.policy_id), use.most_running))
        return tuple(found)

    def _number(self, kind: tuple[object, ...], places: int) -> int:
        number = self._numbers.setdefault(kind, len(self._free))
        if number == len(self._free):
            self._free.append(places)
        return number

    def take(self, kinds: _Kinds) -> None:
        for kind in kinds:
            self._free[kind] -= 1

    def give_back(self, kinds: _Kinds) -> None:
        for kind in kinds:
            self._free[kind] += 1

    def next(self, lines: Mapping[_Kinds, Sequence[tuple[int, float]]]) -> _Kinds | None:
        """The line whose turn it is; None: there is no place for the first of any."""
        found, first, free = None, math.inf, self._free
        if free[0] <= 0:
            return None
        for kinds, line in lines.items():
            if line[0][0] < first and min(map(free.__getitem__, kinds)) > 0:
                found, first = kinds, line[0][0]
        return found
