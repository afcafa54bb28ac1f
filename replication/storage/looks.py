"""Whether a repository is available, and how full it is: looked up in the storage, with a deadline.

There is one look per repository at a time. While it hangs, everybody is told at once that the
repository does not answer.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from django.conf import settings

from replication.engine.errors import EngineError, RepositoryUnavailable
from replication.engine.target import Room, Target
from replication.models import Repository
from replication.storage.errands import Errand
from replication.storage.targets import does_not_answer, takes_no_file, target

PAGE_SECONDS = 1.0
"""How long a page waits for all repositories together. Late answers are ready for its next look."""
ACT_SECONDS = 5.0
"""How long an action or a claim waits: a disk may have to spin up first."""
TRIED_FOR_SECONDS = 10.0
"""For this long, a successful test of writing is not repeated."""
LONGEST_KEPT_SECONDS = 60.0


@dataclass(frozen=True)
class StorageState:
    """`problem` says why the repository cannot be used now; when empty, its room is known."""

    problem: str
    room: Room | None = None

    @property
    def is_low(self) -> bool:
        """Less than a tenth is free."""
        return self.room is not None and self.room.free_bytes * 10 < self.room.total_bytes


NOT_OURS = "The workers of this machine do not use it (VMREP_REPOSITORIES)."


def is_ours(repository: Repository) -> bool:
    """Whether this machine is to use the repository, if it reaches it."""
    wanted = settings.REPOSITORIES
    return not wanted or not wanted.isdisjoint((repository.name, str(repository.uuid)))


def look(repository: Repository, *, seconds: float = PAGE_SECONDS) -> StorageState:
    """The present state of one repository."""
    return look_at_all([repository], seconds=seconds)[0]


def look_at_all(
    repositories: Sequence[Repository], *, seconds: float = PAGE_SECONDS, max_age: float = 0.0
) -> list[StorageState]:
    """The state of each repository, in the order given; all are checked at the same time.

    `max_age` (seconds): how old the answer of a usable repository may be.
    """
    return _ask_all(_LOOK, repositories, seconds, max_age)


def try_writing_to_all(repositories: Sequence[Repository]) -> list[StorageState]:
    """As `look_at_all`; if that finds no problem, a small file is also written and removed: a file
    system that is frozen or read-only can still be read."""
    states = look_at_all(repositories, seconds=ACT_SECONDS)
    there = [it for it, state in zip(repositories, states, strict=True) if not state.problem]
    tried = iter(_ask_all(_TRY, there, ACT_SECONDS, TRIED_FOR_SECONDS))
    return [state if state.problem else next(tried) for state in states]


def require(repositories: Sequence[Repository]) -> None:
    """Raise RepositoryUnavailable unless all of them can be read now."""
    for state in look_at_all(repositories, seconds=ACT_SECONDS):
        if state.problem:
            raise RepositoryUnavailable(state.problem)


class _Question(NamedTuple):
    ask: Callable[[Target], Room]
    late: Callable[[str], str]
    """What to say about a place that does not answer in time."""


_LOOK = _Question(lambda storage: storage.room(), does_not_answer)
_TRY = _Question(lambda storage: storage.try_writing(), takes_no_file)
_asked: dict[tuple[_Question, str, str], Errand[StorageState]] = {}
_lock = threading.Lock()


def _ask_all(
    question: _Question, repositories: Sequence[Repository], seconds: float, max_age: float
) -> list[StorageState]:
    begun = [_ask(question, each, max_age) for each in repositories]
    return [it if isinstance(it, StorageState) else it(seconds) for it in begun]


def _ask(
    question: _Question, repository: Repository, max_age: float
) -> StorageState | Callable[[float], StorageState]:
    """Begin to ask. Returns what waits for the answer, or the answer if there is nothing to ask."""
    if not is_ours(repository):
        return StorageState(NOT_OURS)
    try:
        storage = target(repository)
    except RepositoryUnavailable as problem:
        return StorageState(str(problem))
    key = (question, str(repository.uuid), storage.place)
    with _lock:
        errand = _asked.get(key)
        if errand is None or not _is_fresh(errand, max_age):
            errand = _asked[key] = Errand(partial(_in_words, question, storage))

    def answer(seconds: float) -> StorageState:
        if errand.wait(errand.began_at + seconds - time.monotonic()):
            return errand.answer()
        return StorageState(question.late(storage.place))

    return answer


def _in_words(question: _Question, storage: Target) -> StorageState:
    try:
        return StorageState("", question.ask(storage))
    except EngineError as problem:
        return StorageState(str(problem))


def _is_fresh(errand: Errand[StorageState], max_age: float) -> bool:
    """True also while one is running: no second one joins it. An answer that a page waited for in
    vain is good for as long as it took: otherwise slow storage would never be heard."""
    if not errand.is_over or errand.ended_at is None:
        return True
    took, age = errand.ended_at - errand.began_at, time.monotonic() - errand.ended_at
    if took > PAGE_SECONDS and age < min(took, LONGEST_KEPT_SECONDS):
        return True
    return age < max_age and not errand.answer().problem


def _forget() -> None:
    """In a forked process: threads stay with the process that started them."""
    global _lock
    _lock = threading.Lock()
    _asked.clear()


os.register_at_fork(after_in_child=_forget)
