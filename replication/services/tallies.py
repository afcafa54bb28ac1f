"""Counting for monitoring: how jobs ended, how fast vCenters and ESXi hosts answer.

What is counted survives restarts and the deletion of jobs, and costs a job the same however much it
reads: a row when it ends, and a few for each of its attempts.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from django.db import transaction

from contexts.clock import about_now
from contexts.services.transactions import one_at_a_time, one_transaction
from replication.models import ReplicationJob, Tally
from replication.states import JobStatus, TallyKind

log = logging.getLogger(__name__)

_ANSWERS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
BOUNDS: Mapping[TallyKind, tuple[float, ...]] = {
    TallyKind.JOB: (10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0),
    TallyKind.CALL: _ANSWERS,
    TallyKind.OPEN: _ANSWERS,
    TallyKind.READ: (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 2.5, 10.0, 60.0),
}
"""In seconds: the buckets of what is timed."""

SAME = ("kind", "vcenter_id", "outcome", "replication_type", "error_code", "at_most_seconds")
"""Rows that are alike in these say the same of more."""
MOST_AT_ONCE = 20_000


@contextmanager
def _costs_nobody_anything() -> Iterator[None]:
    """What cannot be counted is logged, and the job ends as it would have."""
    try:
        with transaction.atomic():
            yield
    except Exception:
        log.exception("something was not counted for monitoring")


def count_job(job: ReplicationJob, outcome: JobStatus, **columns: Any) -> None:
    """Within the transaction that ends the job; `columns`: what it writes of the job."""
    began = job.started_at
    seconds = max(0.0, (about_now() - began).total_seconds()) if began else 0.0
    with _costs_nobody_anything():
        Tally.objects.create(
            kind=TallyKind.JOB,
            vcenter_id=job.vm_context.vcenter_id,
            outcome=outcome,
            replication_type=columns.get("replication_type") or job.replication_type or "",
            error_code=columns.get("error_code") or "",
            at_most_seconds=_bound(TallyKind.JOB, seconds),
            count=1,
            microseconds=int(seconds * 1e6),
            bytes=columns.get("bytes_transferred", job.bytes_transferred),
        )


def _bound(kind: TallyKind, seconds: float) -> float | None:
    return next((bound for bound in BOUNDS[kind] if seconds <= bound), None)


@dataclass
class _Noted:
    count: int = 0
    seconds: float = 0.0
    bytes: int = 0


class Answers:
    """How long an attempt waited for each answer. Any number of threads may note theirs."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._noted: dict[tuple[TallyKind, float | None], _Noted] = defaultdict(_Noted)

    def note(self, kind: TallyKind, seconds: float, read_bytes: int = 0) -> None:
        with self._lock:
            noted = self._noted[kind, _bound(kind, seconds)]
            noted.count += 1
            noted.seconds += seconds
            noted.bytes += read_bytes

    @contextmanager
    def timed(self, kind: TallyKind, read_bytes: int = 0) -> Iterator[None]:
        """Note how long the body took; nothing if it raises: that is no answer."""
        began = time.monotonic()
        yield
        self.note(kind, time.monotonic() - began, read_bytes)

    def store(self, vcenter_id: int) -> None:
        """Write down what was noted until now: one statement. Never fails."""
        with self._lock:
            noted, self._noted = self._noted, defaultdict(_Noted)
        if not noted:
            return
        with _costs_nobody_anything():
            Tally.objects.bulk_create(
                Tally(
                    kind=kind,
                    vcenter_id=vcenter_id,
                    at_most_seconds=bound,
                    count=each.count,
                    microseconds=int(each.seconds * 1e6),
                    bytes=each.bytes,
                )
                for (kind, bound), each in noted.items()
            )


@one_transaction
def merge() -> None:
    """Make one row of all that say the same. Sums do not change, whoever reads them meanwhile."""
    one_at_a_time("merge tallies")
    rows = list(Tally.objects.order_by("pk")[:MOST_AT_ONCE])
    alike: dict[tuple[object, ...], list[Tally]] = defaultdict(list)
    for row in rows:
        alike[tuple(getattr(row, name) for name in SAME)].append(row)
    several = [found for found in alike.values() if len(found) > 1]
    # By their keys: what is counted meanwhile stays.
    Tally.objects.filter(pk__in=[row.pk for found in several for row in found]).delete()
    Tally.objects.bulk_create(_sum(found) for found in several)


def _sum(alike: Sequence[Tally]) -> Tally:
    whole = Tally(**{name: getattr(alike[0], name) for name in SAME})
    whole.count = sum(row.count for row in alike)
    whole.microseconds = sum(row.microseconds for row in alike)
    whole.bytes = sum(row.bytes for row in alike)
    return whole
