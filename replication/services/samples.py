"""Samples of a transfer's rate: frequent at first, less frequent the longer the job takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from django.db.models.functions import Now

from replication.models import JobSample

EVERY_SECONDS = 2.0
MOST_SAMPLES = 240
KEEP_AT_MOST = MOST_SAMPLES * 3 // 4  # after thinning, so that the next thinning is not due at once


class Stretch(NamedTuple):
    """What thinning needs of a sample. `id` is the row that remains if it is merged."""

    id: int
    attempt: int
    seconds: float
    bytes_read: float


class Sampler:
    """Writes the samples of one attempt's transfer.

    `begin_at` is when bytes begin to move, in seconds of time.monotonic. The caller has made sure,
    in the same transaction, that it still owns the job.
    """

    def __init__(self, job_id: str, attempt: int, begin_at: float) -> None:
        self._job_id, self._attempt = job_id, attempt
        self._count = JobSample.objects.filter(job_id=job_id).count()
        self._every_seconds = EVERY_SECONDS
        self._sampled_at, self._bytes_read = begin_at, 0
        self._last: JobSample | None = None

    def is_due(self, now: float) -> bool:
        return now - self._sampled_at >= self._every_seconds

    def sample(self, now: float, *, bytes_transferred: int, bytes_read: int) -> None:
        """Make the time since the last sample a sample. `bytes_read`: by this attempt, so far."""
        seconds = max(now - self._sampled_at, 0.0)
        read = max(bytes_read - self._bytes_read, 0)
        if self._last is not None and seconds < EVERY_SECONDS / 2:
            self._prolong(self._last, seconds, bytes_transferred, read)
        else:
            self._last = JobSample.objects.create(
                job_id=self._job_id,
                attempt=self._attempt,
                at=Now(),
                seconds=seconds,
                bytes_transferred=bytes_transferred,
                bytes_per_second=_rate(read, seconds),
            )
            self._count += 1
        self._sampled_at, self._bytes_read = now, bytes_read
        if self._count >= MOST_SAMPLES:
            self._thin_out()

    def _prolong(
        self, row: JobSample, seconds: float, bytes_transferred: int, bytes_read: int
    ) -> None:
        """Add the rest of a transfer, too short for its own rate, to the sample before it."""
        read_before = row.bytes_per_second * row.seconds
        row.at = Now()
        row.seconds += seconds
        row.bytes_transferred = bytes_transferred
        row.bytes_per_second = _rate(read_before + bytes_read, row.seconds)
        row.save(update_fields=["at", "seconds", "bytes_transferred", "bytes_per_second"])

    def _thin_out(self) -> None:
        rows = {row.pk: row for row in JobSample.objects.filter(job_id=self._job_id)}
        stretches = [
            Stretch(row.pk, row.attempt, row.seconds, row.bytes_per_second * row.seconds)
            for _, row in sorted(rows.items())
        ]
        kept, self._every_seconds = thinned(stretches, self._every_seconds)
        changed = []
        for stretch in kept:
            row = rows.pop(stretch.id)
            if row.seconds != stretch.seconds:
                row.seconds = stretch.seconds
                row.bytes_per_second = _rate(stretch.bytes_read, stretch.seconds)
                changed.append(row)
        JobSample.objects.filter(pk__in=rows).delete()
        JobSample.objects.bulk_update(changed, ["seconds", "bytes_per_second"])
        self._count, self._last = len(kept), None


def thinned(
    stretches: Sequence[Stretch], every_seconds: float, at_most: int = KEEP_AT_MOST
) -> tuple[list[Stretch], float]:
    """Merge neighbouring stretches of one attempt until at most `at_most` are left. Also return the
    new interval, doubled each time. Total seconds and bytes do not change.

    This halves the resolution of a long job. If an earlier attempt left long stretches and the
    present one short ones, the short ones are merged.
    """
    kept = list(stretches)
    total_seconds = sum(stretch.seconds for stretch in stretches)
    is_one_per_attempt = False
    while len(kept) > at_most and not is_one_per_attempt:
        # Once the interval is longer than all of them together, there is nothing more to merge.
        is_one_per_attempt = every_seconds > total_seconds
        if not is_one_per_attempt:
            every_seconds *= 2
        # Stretches last a little longer than the interval: the caller is late, never early.
        kept = list(_merged(kept, longest_seconds=every_seconds * 1.5))
    return kept, every_seconds


def _merged(stretches: Iterable[Stretch], longest_seconds: float) -> Iterator[Stretch]:
    last: Stretch | None = None
    for stretch in stretches:
        if last is None:
            last = stretch
        elif last.attempt == stretch.attempt and last.seconds + stretch.seconds <= longest_seconds:
            # The later row remains: its time and progress are those at the end of both.
            last = stretch._replace(
                seconds=last.seconds + stretch.seconds,
                bytes_read=last.bytes_read + stretch.bytes_read,
            )
        else:
            yield last
            last = stretch
    if last is not None:
        yield last


def _rate(bytes_read: float, seconds: float) -> float:
    """Bytes per second; 0 for a stretch too short for the clock to measure."""
    return bytes_read / seconds if seconds > 0 else 0.0
