"""The geometry of the pictures that the server draws, as plain numbers; templates turn it into SVG.

Every picture is drawn into a box of a fixed size, which the page stretches to the available space.
Nothing here knows about Django, jobs or disks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

Point = tuple[float, float | None]
"""Seconds, bytes per second; None where the line has a gap."""

LINE_WIDTH, LINE_HEIGHT = 480, 64
BARS_WIDTH, BARS_HEIGHT = 480, 72
STRIP_HEIGHT = 24
SHADES = 5


class Line(NamedTuple):
    """A rate over time. `paths` are the `d` of SVG paths, one per unbroken piece; `areas` are the
    same, closed down to the zero line."""

    paths: list[str]
    areas: list[str]
    seconds: float
    peak: float
    mean: float


def line(points: Sequence[Point]) -> Line | None:
    """None when there is nothing to draw. No line is drawn through a gap."""
    pieces = [
        [(x, y) for x, y in piece if y is not None]
        for is_gap, piece in groupby(points, key=lambda point: point[1] is None)
        if not is_gap
    ]
    if not pieces:
        return None
    seconds = max(x for piece in pieces for x, _ in piece)
    peak = max(y for piece in pieces for _, y in piece)
    paths, areas = [], []
    for piece in pieces:
        places = [
            (
                _scaled(x, seconds, LINE_WIDTH),
                LINE_HEIGHT - _scaled(y, peak, LINE_HEIGHT),
            )
            for x, y in piece
        ]
        path = "M" + " L".join(f"{x:g} {y:g}" for x, y in places)
        paths.append(path)
        areas.append(f"{path} L{places[-1][0]:g} {LINE_HEIGHT} L{places[0][0]:g} {LINE_HEIGHT} Z")
    return Line(paths, areas, seconds, peak, mean_rate(points))


def mean_rate(points: Sequence[Point]) -> float:
    """Weighted by time; a point's rate is that of the stretch that ends there."""
    amount = duration = 0.0
    for (begin, before), (end, rate) in pairwise(points):
        if before is None or rate is None:
            continue
        amount += rate * (end - begin)
        duration += end - begin
    rates = [rate for _, rate in points if rate is not None]
    if not duration:
        return sum(rates) / len(rates) if rates else 0.0
    return amount / duration


class Bar(NamedTuple):
    """`is_cut`: it is higher than the picture, and drawn only as high as that."""

    x: float
    y: float
    width: float
    height: float
    is_cut: bool


def bars(values: Sequence[float], *, full: float, slots: int) -> list[Bar]:
    """One bar per value, from left to right, in a picture with room for `slots` of them.

    `full` is the value that fills the height. Every value other than 0 is visible.
    """
    slot = BARS_WIDTH / max(slots, len(values), 1)
    first = BARS_WIDTH - slot * len(values)
    drawn = []
    for number, value in enumerate(values):
        height = min(_scaled(value, full, BARS_HEIGHT), BARS_HEIGHT)
        if value > 0:
            height = max(height, 2.0)
        drawn.append(
            Bar(
                round(first + slot * (number + 0.1), 2),
                round(BARS_HEIGHT - height, 2),
                round(slot * 0.8, 2),
                round(height, 2),
                value > full,
            )
        )
    return drawn


class Run(NamedTuple):
    """Neighbouring areas of a disk with the same shade (1 to SHADES), counted in areas."""

    start: int
    length: int
    shade: int

    @property
    def opacity(self) -> float:
        return round(0.25 + 0.75 * self.shade / SHADES, 2)


def runs(levels: bytes) -> list[Run]:
    """What to draw for a map of levels (0 to 255 per area): nothing where the level is 0."""
    found, start = [], 0
    for shade, areas in groupby(levels, key=_shade):
        length = len(list(areas))
        if shade:
            found.append(Run(start, length, shade))
        start += length
    return found


def _shade(level: int) -> int:
    return -(-level * SHADES // 255)


class Touched(NamedTuple):
    """How many of a map's areas are touched, and its longest touched pieces as bytes of the
    disk, in the disk's order."""

    areas: int
    of_areas: int
    pieces: list[tuple[int, int]]


def touched(levels: bytes, capacity_bytes: int, most_pieces: int = 3) -> Touched:
    """A map in figures, for people who cannot see it."""
    count = len(levels)
    pieces, start = [], 0
    for is_touched, areas in groupby(levels, key=bool):
        length = len(list(areas))
        if is_touched:
            pieces.append((start, start + length))
        start += length
    longest = sorted(pieces, key=lambda piece: piece[0] - piece[1])[:most_pieces]
    return Touched(
        sum(end - begin for begin, end in pieces),
        count,
        [
            (begin * capacity_bytes // count, end * capacity_bytes // count)
            for begin, end in sorted(longest)
        ],
    )


def _scaled(value: float, full: float, size: float) -> float:
    return round(value * size / full, 2) if full > 0 else 0.0
