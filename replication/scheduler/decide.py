"""Which of the VMs that are due are started now; pure, for the tick and simulation alike."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from replication.states import PolicyPriority

AHEAD = 2
AHEAD_SECONDS = 20.0
"""So many jobs there may be for each one that can run, or so long the workers may have to do: until
the tick after the next. What is most at risk is decided late, and a worker that ends a job still
finds the next one without waiting for a tick."""
LEAST_SECONDS = 2.0
UNKNOWN_SECONDS = 60.0
MOST_AHEAD = int(max(AHEAD, AHEAD_SECONDS / LEAST_SECONDS))
"""How many jobs there may be at most for each one that can run, however short they are."""
LONG_SECONDS = 1800.0
SMALL_BYTES = 2 << 30
"""So much is copied in full within a minute."""
FAILING = 2
"""A VM whose last jobs failed so often in a row may well fail again."""
FAILING_SHARE = 4
SPARE = 1.25
LONG_SHARE, LEAST_LONG_SHARE = 2, 8
"""The lanes that are not usual get these parts at most while there are others: of the places of a
vCenter and of a repository, and of the workers. Of those, LONG gets what the usual ones leave, and
LEAST_LONG_SHARE at least."""
WEIGHTS: Mapping[str, float] = {PolicyPriority.LOW: 0.5, PolicyPriority.HIGH: 2.0}
WITHOUT_TARGET_SECONDS = 86_400.0


class Lane(StrEnum):
    """LONG: first copies, unless they are small, and what takes more than LONG_SECONDS. The two
    others than USUAL get a part of the workers, so that they never keep all of them from those that
    are usual."""

    USUAL = "usual"
    LONG = "long"
    FAILING = "failing"


class Stand(StrEnum):
    """READY: runs, or waits for a worker. FOR_A_PLACE: waits for a host or a datastore. HELD_UP:
    waits for its next attempt, for the end of a pause, for a repository or a vCenter that nobody
    reaches: no worker could begin it, so that it keeps nobody else from one. GATHERED: is gathered
    with its group, or will be; one worker does that with all of them."""

    READY = "ready"
    FOR_A_PLACE = "for_a_place"
    HELD_UP = "held_up"
    GATHERED = "gathered"


class Use(NamedTuple):
    """What a job takes part in. `most_running`: of its policy's jobs; 0: no limit. `seconds`: how
    long it is expected to take."""

    vcenter_id: int
    repository_id: int
    policy_id: int | None = None
    most_running: int = 0
    lane: Lane = Lane.USUAL
    seconds: float = UNKNOWN_SECONDS
    stand: Stand = Stand.READY


class Candidate(NamedTuple):
    """`group_id`: the whole group is started with it."""

    context_id: str
    use: Use
    compare: bool = False
    group_id: int | None = None


class Capacity(NamedTuple):
    """`slots`: how many jobs the living workers run at once. Limits are of jobs at once: of each
    vCenter and repository, and of those that have no limit of their own. `active`: the jobs that
    run or wait. `usual_load`: how many workers the usual ones that are due in the next LONG_SECONDS
    will keep busy in that time, if each takes as long as is expected (nine of ten take less)."""

    slots: int
    active: Sequence[Use]
    vcenter_jobs: Mapping[int, int]
    of_other_vcenters: int
    repository_jobs: Mapping[int, int]
    of_other_repositories: int
    usual_load: float = 0.0


def lane(first_bytes: int | None, expected_seconds: float | None, failures_in_a_row: int) -> Lane:
    """`first_bytes`: how large the disks are of a VM without a recovery point; None: it has one."""
    if failures_in_a_row >= FAILING:
        return Lane.FAILING
    is_long = (first_bytes or 0) > SMALL_BYTES or (expected_seconds or 0.0) > LONG_SECONDS
    return Lane.LONG if is_long else Lane.USUAL


def risk(
    newest_point_at: datetime | None,
    due_at: datetime,
    target_seconds: int | None,
    priority: str,
    now: datetime,
) -> float:
    """The newest recovery point's age as a share of the target; of a VM without one, how long it
    waits for it, which counts as over its target. Without a target, how many days it waits."""
    weight = WEIGHTS.get(priority, 1.0)
    waits = (now - due_at).total_seconds()
    if target_seconds is None:
        return weight * waits / WITHOUT_TARGET_SECONDS
    if newest_point_at is None:
        return weight * (1.0 + waits / target_seconds)
    return weight * (now - newest_point_at).total_seconds() / target_seconds


def most_of_lane(capacity: Capacity, lane: Lane) -> int:
    """How many of the workers those of a lane may keep while there are others."""
    slots = capacity.slots
    if lane == Lane.FAILING:
        return max(1, slots // FAILING_SHARE)
    if lane == Lane.LONG:
        # A long one keeps its worker for long: as many stay free as the usual ones will need.
        left = slots - math.ceil(SPARE * capacity.usual_load)
        return max(1, slots // LEAST_LONG_SHARE, left)
    return slots


def is_full(capacity: Capacity) -> bool:
    """Whether nothing could be started, whatever is due."""
    return Room(capacity).is_full


def choose(candidates: Iterable[Candidate], capacity: Capacity) -> list[Candidate]:
    """What to start of the candidates, which come in the order of their risk. Never more than there
    is room for, of any kind; and workers stay free for those that are usual."""
    wanted = list(candidates)
    room = Room(capacity)
    has_others = capacity.usual_load > 0 or any(it.use.lane != Lane.FAILING for it in wanted)
    chosen = []
    for candidate in wanted:
        if room.is_full:
            break
        lane = candidate.use.lane
        is_kept_back = lane == Lane.LONG or (lane == Lane.FAILING and has_others)
        if is_kept_back and room.is_full_of_its_lane(candidate.use):
            continue
        if room.take(candidate.use):
            chosen.append(candidate)
    return chosen


class _Line:
    """The jobs that share a number of places."""

    def __init__(self) -> None:
        self.jobs = 0
        self.seconds = 0.0
        self.lanes: Counter[Lane] = Counter()

    def has_room(self, places: int) -> bool:
        return self.jobs < AHEAD * places or self.seconds < AHEAD_SECONDS * places

    def add(self, use: Use) -> None:
        if use.stand in (Stand.READY, Stand.GATHERED) or use.lane == Lane.FAILING:
            self.lanes[use.lane] += 1
        if use.stand != Stand.HELD_UP:
            self.jobs += 1
            # One that takes longer keeps one place all that time, and no others.
            self.seconds += min(max(LEAST_SECONDS, use.seconds), AHEAD_SECONDS)


class Room:
    """What there is room for, one job after the other."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._workers = _Line()
        self._vcenters: defaultdict[int, _Line] = defaultdict(_Line)
        self._repositories: defaultdict[int, _Line] = defaultdict(_Line)
        self._policies: Counter[int | None] = Counter()
        for use in capacity.active:
            self._add(use)

    def _add(self, use: Use) -> None:
        self._policies[use.policy_id] += 1
        self._vcenters[use.vcenter_id].add(use)
        self._repositories[use.repository_id].add(use)
        if use.stand not in (Stand.FOR_A_PLACE, Stand.GATHERED):
            self._workers.add(use)

    def _vcenter_places(self, use: Use) -> int:
        known = self._capacity
        return known.vcenter_jobs.get(use.vcenter_id, known.of_other_vcenters)

    def _repository_places(self, use: Use) -> int:
        known = self._capacity
        return known.repository_jobs.get(use.repository_id, known.of_other_repositories)

    @property
    def is_full(self) -> bool:
        return not self._workers.has_room(self._capacity.slots)

    def is_full_of_its_lane(self, use: Use) -> bool:
        """Whether others of its lane already have as many of the workers, or of the places of its
        vCenter or its repository, as are not left to those that are usual."""
        if use.lane == Lane.LONG and not self._capacity.usual_load:
            return False
        most = most_of_lane(self._capacity, use.lane)
        share = LONG_SHARE if use.lane == Lane.LONG else FAILING_SHARE
        vcenter, repository = self._vcenter_places(use), self._repository_places(use)
        return (
            self._workers.lanes[use.lane] >= most
            or self._vcenters[use.vcenter_id].lanes[use.lane] >= max(1, vcenter // share)
            or self._repositories[use.repository_id].lanes[use.lane] >= max(1, repository // share)
        )

    def take(self, use: Use) -> bool:
        """Whether there was room for one more, which is taken."""
        if self.what_is_full(use):
            return False
        self._add(use)
        return True

    def what_is_full(self, use: Use) -> str:
        """What has no room for one more: `policy`, `vcenter`, `repository`, or `all`, the workers
        together. Empty: nothing."""
        if 0 < use.most_running <= self._policies[use.policy_id]:
            return "policy"
        if not self._vcenters[use.vcenter_id].has_room(self._vcenter_places(use)):
            return "vcenter"
        if not self._repositories[use.repository_id].has_room(self._repository_places(use)):
            return "repository"
        return "all" if self.is_full else ""
