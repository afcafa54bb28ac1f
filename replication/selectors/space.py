"""How much room the repositories have, and when they will be full at the pace of the last days."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Sum

from contexts.models import VMContext
from replication.engine.target import Room
from replication.models import DiskImage, Repository
from replication.models import RepositorySpace as SpaceSample
from replication.states import ImageState
from replication.storage import looks

GROWTH_WINDOW = timedelta(days=7)
SHORTEST_HISTORY = timedelta(days=1)
KEPT_SECONDS = 20.0


@dataclass(frozen=True)
class RepositorySpace:
    """`room` is None when the repository cannot be used now. `full_in_seconds` is None when nothing
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


def of_repositories(among: QuerySet[Repository], now: datetime) -> Repositories:
    """Two queries for the growth, and a look at each folder."""
    repositories = list(with_growth(among, now))
    states = looks.look_at_all(repositories, max_age=KEPT_SECONDS)
    return Repositories(
        tuple(_space(each, it.room, now) for each, it in zip(repositories, states, strict=True))
    )


def with_growth(among: QuerySet[Repository], now: datetime) -> QuerySet[Repository]:
    """By name; adds `growth_bytes` of the window and `first_image_at`."""
    images = (
        DiskImage.objects.filter(repository=OuterRef("pk"), state=ImageState.COMMITTED)
        .order_by()
        .values("repository")
    )
    lately = images.filter(created_at__gte=now - GROWTH_WINDOW)
    return among.annotate(
        growth_bytes=Subquery(lately.annotate(sum=Sum("allocated_bytes")).values("sum")),
        first_image_at=Subquery(images.order_by("created_at").values("created_at")[:1]),
        steady_bytes=Subquery(_steady()),
        sampled_bytes=Subquery(
            SpaceSample.objects.filter(repository=OuterRef("pk"))
            .order_by("-hour")
            .values("stored_bytes")[:1]
        ),
    ).order_by("name")


def _steady() -> QuerySet[VMContext, Any]:
    """What the VMs of a repository take there in the end; null while that is unknown of any, or any
    keeps all its points."""
    vms = VMContext.objects.filter(repository=OuterRef("pk"), unmanaged_at__isnull=True)
    sums = (
        vms.order_by()
        .values("repository")
        .annotate(
            vms=Count("pk"),
            known=Count("schedule__steady_bytes"),
            sum=Sum("schedule__steady_bytes"),
        )
    )
    return sums.filter(known=F("vms")).values("sum")


def levels_off(repository: Repository, room: Room) -> bool:
    """Of a repository from `with_growth`: whether all that retention keeps in the end fits."""
    steady = getattr(repository, "steady_bytes", None)
    stored = getattr(repository, "sampled_bytes", None)
    if steady is None or stored is None:
        return False
    return bool(steady - stored <= room.free_bytes)


def _space(repository: Repository, room: Room | None, now: datetime) -> RepositorySpace:
    growth_bytes = getattr(repository, "growth_bytes", None) or 0
    full_in = None if room is None else full_in_seconds(repository, room, now)
    return RepositorySpace(repository.name, room, growth_bytes, full_in)


def full_in_seconds(repository: Repository, room: Room, now: datetime) -> float | None:
    """Of a repository from `with_growth`: when it is full. None if nothing can be said, and if what
    retention keeps fits: then it levels off."""
    if levels_off(repository, room):
        return None
    growth_bytes = getattr(repository, "growth_bytes", None) or 0
    first_image_at = getattr(repository, "first_image_at", None)
    if first_image_at is None or growth_bytes <= 0:
        return None
    return forecast(room.free_bytes, growth_bytes, now - first_image_at)


class Forecast(NamedTuple):
    """Of a repository. `steady_bytes`: what its VMs take in the end; None: unknown of some, or some
    keep all their points. `levels_off`: that fits. `full_in_seconds`: by the pace of the window;
    None: it levels off, or nothing can be said."""

    steady_bytes: int | None
    levels_off: bool
    full_in_seconds: float | None


def forecast_of(repository: Repository, room: Room | None, now: datetime) -> Forecast:
    """One query."""
    found = with_growth(Repository.objects.filter(pk=repository.pk), now).get()
    steady = getattr(found, "steady_bytes", None)
    if room is None:
        return Forecast(steady, False, None)
    return Forecast(steady, levels_off(found, room), full_in_seconds(found, room, now))


def forecast(free_bytes: int, growth_bytes: int, history: timedelta) -> float | None:
    """Seconds until it is full at the growth of the window, or of what there is of it.

    None for less than a day of history: first copies say nothing about what comes after them.
    """
    if history < SHORTEST_HISTORY or growth_bytes <= 0:
        return None
    return free_bytes / (growth_bytes / min(history, GROWTH_WINDOW).total_seconds())
