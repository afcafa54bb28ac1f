"""A job's rate over time, for its page: the picture, the figures, and the data for the script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from replication.models import ReplicationJob
from replication.selectors.telemetry import Point
from vmrep.web import charts


@dataclass(frozen=True)
class Throughput:
    """`line` is None if there are no samples."""

    job: ReplicationJob
    points: Sequence[Point]
    line: charts.Line | None

    @property
    def data(self) -> str:
        """JSON for the script that draws: [[seconds, …], [bytes per second or null, …]]."""
        seconds = [round(x, 2) for x, _ in self.points]
        rates = [None if y is None else round(y) for _, y in self.points]
        return json.dumps([seconds, rates], separators=(",", ":"))

    @property
    def figures(self) -> list[tuple[float, float]]:
        """Some of the points, evenly chosen, for a table that can be read aloud."""
        known = [(x, y) for x, y in self.points if y is not None]
        step = max(1, -(-len(known) // 12))
        return known[::step]


def throughput(job: ReplicationJob, points: Sequence[Point]) -> Throughput:
    return Throughput(job, points, charts.line(points))
