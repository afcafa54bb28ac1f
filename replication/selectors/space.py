"""How much room the repositories have, and when they will be full at the pace of the last days.

A folder on a share that does not answer must not keep a page waiting: it is looked at in a thread,
which is waited for briefly, and what was seen is kept for a while.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db.models import OuterRef, QuerySet, Subquery, Sum

from replication.engine.directory import DirectoryRepository
from replication.engine.errors import EngineError
from replication.models import DiskImage, Repository
from replication.states import ImageState

GROWTH_WINDOW = timedelta(days=7)
SHORTEST_HISTORY = timedelta(days=1)
LOOK_SECONDS = 1.0
KEPT_SECONDS = 20.0


@dataclass(frozen=True)
class Room:
    """Of the file system that a repository is on. `device` tells whether two share one."""

    device: int
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class RepositorySpace:
    """`room` is None when the repository does not answer. `full_in_seconds` is None when nothing
    can be said: too short a history, no growth, or no room known."""

    name: str
    room: Room | None
    growth_bytes: int
    full_in_seconds: float | None


@dataclass(frozen=True)
class Repositories:
    """All of them, by name."""

    all: tuple[RepositorySpace, ...]

    @property
    def unavailable(self) -> list[RepositorySpace]:
        return [each for each in self.all if each.room is None]

    @property
    def free_bytes(self) -> int:
        return sum(room.free_bytes for room in self._rooms())

    @property
    def total_bytes(self) -> int:
        return sum(room.total_bytes for room in self._rooms())

    @property
    def worst(self) -> RepositorySpace | None:
        """Which will be full first; without any forecast, which has the smallest share left."""
        known = [each for each in self.all if each.room is not None]
        return min(known, key=_urgency, default=None)

    def _rooms(self) -> list[Room]:
        """Each file system once, however many repositories are on it."""
        return list({each.room.device: each.room for each in self.all if each.room}.values())


def _urgency(each: RepositorySpace) -> tuple[float, float]:
    share = each.room.free_bytes / max(1, each.room.total_bytes) if each.room else 0.0
    return (each.full_in_seconds if each.full_in_seconds is not None else math.inf, share)


def of_repositories(now: datetime) -> Repositories:
    """Two queries for the growth, and a look at each folder."""
    repositories = list(_with_growth(now))
    rooms = _rooms(repositories)
    return Repositories(
        tuple(_space(each, room, now) for each, room in zip(repositories, rooms, strict=True))
    )


def _with_growth(now: datetime) -> QuerySet[Repository]:
    """Adds `growth_bytes` of the window and `first_image_at`."""
    images = (
        DiskImage.objects.filter(repository=OuterRef("pk"), state=ImageState.COMMITTED)
        .order_by()
        .values("repository")
    )
    lately = images.filter(created_at__gte=now - GROWTH_WINDOW)
    return Repository.objects.annotate(
        growth_bytes=Subquery(lately.annotate(sum=Sum("allocated_bytes")).values("sum")),
        first_image_at=Subquery(images.order_by("created_at").values("created_at")[:1]),
    ).order_by("name")


def _space(repository: Repository, room: Room | None, now: datetime) -> RepositorySpace:
    growth_bytes = getattr(repository, "growth_bytes", None) or 0
    first_image_at = getattr(repository, "first_image_at", None)
    full_in_seconds = None
    if room is not None and first_image_at is not None and growth_bytes > 0:
        full_in_seconds = forecast(room.free_bytes, growth_bytes, now - first_image_at)
    return RepositorySpace(repository.name, room, growth_bytes, full_in_seconds)


def forecast(free_bytes: int, growth_bytes: int, history: timedelta) -> float | None:
    """Seconds until it is full at the growth of the window, or of what there is of it.

    None for less than a day of history: first copies say nothing about what comes after them.
    """
    if history < SHORTEST_HISTORY or growth_bytes <= 0:
        return None
    return free_bytes / (growth_bytes / min(history, GROWTH_WINDOW).total_seconds())


class _Look(threading.Thread):
    """One look into a repository's folder. `room` stays None when it is not there."""

    def __init__(self, repository: Repository) -> None:
        super().__init__(daemon=True, name=f"room of {repository.name}")
        self.at = time.monotonic()
        self.room: Room | None = None
        self._path = Path(str(repository.config.get("path", "")))
        self._uuid = str(repository.uuid)

    def run(self) -> None:
        try:
            # Without its marker it is another file system that would be measured.
            DirectoryRepository(self._path, self._uuid).check()
            found = os.statvfs(self._path)
            device = self._path.stat().st_dev
        except (EngineError, OSError):
            return
        # Of what vmrep may use: the reserve for root is neither free nor there for it.
        used = found.f_blocks - found.f_bfree
        total = (used + found.f_bavail) * found.f_frsize
        self.room = Room(device, found.f_bavail * found.f_frsize, total)

    @property
    def is_fresh(self) -> bool:
        """Also one that still waits for an answer: no second one joins it."""
        return self.is_alive() or time.monotonic() - self.at < KEPT_SECONDS


_looks: dict[tuple[str, str], _Look] = {}
_lock = threading.Lock()


def _rooms(repositories: Sequence[Repository]) -> list[Room | None]:
    looks = [_look_at(each) for each in repositories]
    deadline = time.monotonic() + LOOK_SECONDS
    for look in looks:
        if time.monotonic() - look.at < LOOK_SECONDS:
            look.join(max(0.0, deadline - time.monotonic()))
    return [look.room for look in looks]


def _look_at(repository: Repository) -> _Look:
    key = (str(repository.uuid), str(repository.config.get("path", "")))
    with _lock:
        look = _looks.get(key)
        if look is None or not look.is_fresh:
            look = _looks[key] = _Look(repository)
            look.start()
    return look
