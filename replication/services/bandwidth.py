"""Changing when, and how fast, disks of vCenters may be read."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import NamedTuple
from zoneinfo import available_timezones

from contexts import trail
from contexts.models import VCenter
from contexts.services.transactions import one_transaction
from contexts.trail import Kind, Verb
from replication.errors import LimitRefused
from replication.hours import ALL_DAYS, MINUTES_OF_A_DAY
from replication.models import BandwidthWindow
from replication.models.limits import LEAST_BYTES_PER_SECOND, MOST_BYTES_PER_SECOND

log = logging.getLogger(__name__)

MOST_WINDOWS = 50  # of one vCenter


class Window(NamedTuple):
    """As in BandwidthWindow."""

    bytes_per_second: int
    days: int = ALL_DAYS
    from_minute: int = 0
    to_minute: int = MINUTES_OF_A_DAY
    time_zone: str = "UTC"


@one_transaction
def set_windows(vcenter_id: int | None, windows: Sequence[Window], *, actor: str) -> None:
    """Let the vCenter (None: each without windows of its own) have exactly these. Jobs that run
    obey within two seconds. Raises LimitRefused."""
    _require(vcenter_id, windows, had=0)
    former = BandwidthWindow.objects.filter(vcenter=vcenter_id)
    old = _words([_given(window) for window in former.order_by("pk")])
    former.delete()
    _add(vcenter_id, windows, actor)
    _tell(Verb.CHANGE, vcenter_id, actor, old=old, new=_words(windows))


@one_transaction
def add_window(vcenter_id: int | None, window: Window, *, actor: str) -> None:
    """Raises LimitRefused."""
    had = BandwidthWindow.objects.filter(vcenter=vcenter_id).count()
    _require(vcenter_id, [window], had=had)
    _add(vcenter_id, [window], actor)
    _tell(Verb.ADD, vcenter_id, actor, new=_words([window]))


@one_transaction
def remove_window(window: BandwidthWindow, *, actor: str) -> None:
    window.delete()
    log.info("%s removed a limit of bandwidth: %s", actor, window)
    _tell(Verb.REMOVE, window.vcenter_id, actor, old=_words([_given(window)]))


def _given(window: BandwidthWindow) -> Window:
    return Window(*(getattr(window, name) for name in Window._fields))


def _words(windows: Sequence[Window]) -> list[str]:
    """As numbers: days as a mask, minutes of the day."""
    return [
        f"{rate} bytes/s, days {days}, minutes {begin} to {end}, {zone}"
        for rate, days, begin, end, zone in windows
    ]


def _tell(
    verb: Verb,
    vcenter_id: int | None,
    actor: str,
    *,
    old: Sequence[str] = (),
    new: Sequence[str] = (),
) -> None:
    name = f"vCenter {vcenter_id}" if vcenter_id else "all others"
    about = trail.subject(Kind.BANDWIDTH, vcenter_id or "", name, vcenter_id=vcenter_id)
    trail.tell(verb, about, actor=actor, old={"windows": list(old)}, new={"windows": list(new)})


def _add(vcenter_id: int | None, windows: Sequence[Window], actor: str) -> None:
    BandwidthWindow.objects.bulk_create(
        BandwidthWindow(vcenter_id=vcenter_id, set_by=actor, **window._asdict())
        for window in windows
    )
    log.info("%s limited the bandwidth of %s: %s", actor, vcenter_id or "all others", windows)


def _require(vcenter_id: int | None, windows: Sequence[Window], *, had: int) -> None:
    """Raises LimitRefused for what means nothing."""
    if vcenter_id is not None and not VCenter.objects.filter(pk=vcenter_id).exists():
        raise LimitRefused(f"There is no vCenter {vcenter_id}.")
    if had + len(windows) > MOST_WINDOWS:
        raise LimitRefused(f"A vCenter has at most {MOST_WINDOWS} windows.")
    for window in windows:
        if problem := _problem(window):
            raise LimitRefused(problem)


def _problem(window: Window) -> str:
    rate, days, begin, end, zone = window
    if not LEAST_BYTES_PER_SECOND <= rate <= MOST_BYTES_PER_SECOND:
        least, most = f"{LEAST_BYTES_PER_SECOND:,}", f"{MOST_BYTES_PER_SECOND:,}"
        return f"A limit of bandwidth is between {least} and {most} bytes per second."
    if not 1 <= days <= ALL_DAYS:
        return "A window needs at least one day of the week."
    if not (0 <= begin < MINUTES_OF_A_DAY and 0 <= end <= MINUTES_OF_A_DAY) or begin == end:
        return "A window needs two different times of a day, such as 22:00 and 06:00."
    if zone not in _zones():
        return f"{zone[:64]!r} is no known time zone. Write Europe/Berlin or UTC, for example."
    return ""


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
