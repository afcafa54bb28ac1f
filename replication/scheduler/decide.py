"""Which of the VMs that are due are started now; pure, for the tick and simulation alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

AHEAD = 2
"""So many jobs there may be for each one that can run: what is most at risk is decided late, and a
worker that ends a job still finds the next one without waiting for a tick."""
LONG_SECONDS = 1800.0
LONG_SHARE = 0.5


class Use(NamedTuple):
    """What a job takes part in. `most_running`: of its policy's jobs; 0: no limit."""

    vcenter_id: int
    repository_id: int
    policy_id: int | None = None
    most_running: int = 0
    is_long: bool = False


class Candidate(NamedTuple):
    context_id: str
    use: Use
    compare: bool = False


class Capacity(NamedTuple):
    """`slots`: how many jobs the living workers run at once. Limits are of jobs at once: of each
    vCenter and repository, and of those that have no limit of their own. `active`: the jobs that
    run or wait."""

    slots: int
    active: Sequence[Use]
    vcenter_jobs: Mapping[int, int]
    of_other_vcenters: int
    repository_jobs: Mapping[int, int]
    of_other_repositories: int


def choose(candidates: Iterable[Candidate], capacity: Capacity) -> list[Candidate]:
    """What to start of the candidates, which come in the order of their risk. Never more than there
    is room for, of any kind; and while others are due, first copies and others that take long get
    half of the workers at most."""
    room = _Room(capacity)
    chosen, long = [], []
    for candidate in candidates:
        if candidate.use.is_long and room.is_full_of_long:
            long.append(candidate)
        elif room.take(candidate.use):
            chosen.append(candidate)
    if not any(not candidate.use.is_long for candidate in chosen) and not room.has_short:
        chosen += [candidate for candidate in long if room.take(candidate.use)]
    return chosen


class _Room:
    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._jobs: Counter[tuple[str, int | None]] = Counter()
        for use in capacity.active:
            self._jobs.update(self._kinds(use))

    @staticmethod
    def _kinds(use: Use) -> list[tuple[str, int | None]]:
        return [
            ("all", None),
            ("long", int(use.is_long)),
            ("vcenter", use.vcenter_id),
            ("repository", use.repository_id),
            ("policy", use.policy_id),
        ]

    @property
    def is_full_of_long(self) -> bool:
        return self._jobs["long", 1] >= max(1, int(self._capacity.slots * LONG_SHARE))

    @property
    def has_short(self) -> bool:
        return self._jobs["long", 0] > 0

    def take(self, use: Use) -> bool:
        """Whether there was room for one more, which is taken."""
        known = self._capacity
        vcenter = known.vcenter_jobs.get(use.vcenter_id, known.of_other_vcenters)
        repository = known.repository_jobs.get(use.repository_id, known.of_other_repositories)
        if (
            self._jobs["all", None] >= AHEAD * known.slots
            or self._jobs["vcenter", use.vcenter_id] >= AHEAD * vcenter
            or self._jobs["repository", use.repository_id] >= AHEAD * repository
            or 0 < use.most_running <= self._jobs["policy", use.policy_id]
        ):
            return False
        self._jobs.update(self._kinds(use))
        return True
