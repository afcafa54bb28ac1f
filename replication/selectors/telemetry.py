"""What pages and API read of a job's samples and log, and where on each disk changes fall."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from contexts.models import VMContext, VMDisk
from replication.engine import extent_map
from replication.models import CBTHistory, DiskImage, JobLogLine, JobSample, ReplicationJob
from replication.models.telemetry import MOST_LINES
from replication.states import SyncType

LAST_JOBS = 5
LAST_SYNCS = 20

Point = tuple[float, float | None]
"""Seconds since the job's start, bytes per second; None where the line has a gap."""


def throughput_of(job: ReplicationJob) -> list[Point]:
    """The rate over time, in order, ready for a chart; one query. Between two attempts is a gap."""
    return _points(job.started_at, samples_of(job))


def throughput_of_last_jobs(
    context: VMContext, limit: int = LAST_JOBS
) -> list[tuple[ReplicationJob, list[Point]]]:
    """The context's newest jobs that have begun, the newest first, each with its rate over time.

    Two queries, whatever the limit.
    """
    jobs = list(
        ReplicationJob.objects.filter(vm_context=context, started_at__isnull=False).order_by(
            "-created_at", "-id"
        )[:limit]
    )
    samples: dict[str, list[JobSample]] = {job.pk: [] for job in jobs}
    for sample in JobSample.objects.filter(job__in=list(samples)).order_by("id"):
        samples[sample.job_id].append(sample)
    return [(job, _points(job.started_at, samples[job.pk])) for job in jobs]


def samples_of(job: ReplicationJob) -> QuerySet[JobSample]:
    """In the order in which they were taken; at most `services.samples.MOST_SAMPLES`."""
    return JobSample.objects.filter(job=job).order_by("id")


def seconds_since(start: datetime | None, at: datetime) -> float:
    """Never negative: a clock may have been set back."""
    return max(0.0, (at - (start or at)).total_seconds())


def _points(start: datetime | None, samples: Iterable[JobSample]) -> list[Point]:
    points: list[Point] = []
    attempt = None
    for sample in samples:
        end = seconds_since(start, sample.at)
        if sample.attempt != attempt:
            begin = max(0.0, end - sample.seconds)
            if points:
                points.append((begin, None))
            points.append((begin, sample.bytes_per_second))
            attempt = sample.attempt
        points.append((end, sample.bytes_per_second))
    return points


def log_lines_of(job: ReplicationJob) -> QuerySet[JobLogLine]:
    """All lines, oldest first; at most `MOST_LINES`."""
    return JobLogLine.objects.filter(job=job).order_by("id")


def log_of(job: ReplicationJob, limit: int = MOST_LINES) -> list[JobLogLine]:
    """The last lines of a job's log, in the order in which they were written. Show their `text`."""
    return list(JobLogLine.objects.filter(job=job).order_by("-id")[:limit])[::-1]


@dataclass(frozen=True)
class ExtentMap:
    """Where on a disk the planned extents of one sync fall.

    `levels` has a byte per area of the disk (`engine.extent_map`): 0 nothing, 255 all of it.
    """

    disk: VMDisk
    job_id: str
    sync_type: str
    capacity_bytes: int
    extent_count: int
    levels: bytes


def cbt_history_of_job(job: ReplicationJob) -> QuerySet[CBTHistory]:
    return CBTHistory.objects.filter(job=job).select_related("disk").order_by("id")


def extent_maps_of_job(job: ReplicationJob) -> list[ExtentMap]:
    """One per disk that has a plan: of an active job from its images, of an ended one from its
    CBT history; one query. Jobs from before there were maps have none."""
    rows = DiskImage.objects if job.is_active else CBTHistory.objects
    planned = rows.filter(job=job, extent_count__isnull=False).select_related("disk")
    return [_extent_map(row, row.disk) for row in planned.order_by("disk__device_key", "id")]


@dataclass(frozen=True)
class DiskSyncs:
    """A disk's part in the VM's last jobs: what each sync was (the newest first, also those that
    were not committed), and where the committed ones' extents fall."""

    disk: VMDisk
    syncs: list[CBTHistory]
    maps: list[ExtentMap]


def syncs_of(context: VMContext, limit: int = LAST_SYNCS) -> list[DiskSyncs]:
    """Of each disk, in the VM's last `limit` jobs that came to a plan; one query."""
    history = CBTHistory.objects.filter(job=OuterRef("pk"))
    jobs = (
        ReplicationJob.objects.filter(Exists(history), vm_context=context)
        .order_by("-created_at", "-id")
        .values("pk")[:limit]
    )
    rows = CBTHistory.objects.filter(job__in=jobs).select_related("disk").order_by("-id")
    of_disk: dict[int, list[CBTHistory]] = {}
    for row in rows:
        of_disk.setdefault(row.disk_id, []).append(row)
    disks = [
        DiskSyncs(
            syncs[0].disk,
            syncs,
            [
                _extent_map(sync, sync.disk)
                for sync in syncs
                if sync.sync_success and sync.extent_count is not None
            ],
        )
        for syncs in of_disk.values()
    ]
    return sorted(disks, key=lambda each: (each.disk.device_key, each.disk.pk))


def where_changes_fall(maps: Sequence[ExtentMap]) -> bytes | None:
    """One picture of a disk's syncs, the newest first: how much of each area changes per sync, on
    average.

    Only incremental syncs say what changed, and only those of the disk's newest size are to one
    scale. None when there is none of them.
    """
    alike = [
        sync.levels
        for sync in maps
        if sync.sync_type == SyncType.INCREMENTAL and sync.capacity_bytes == maps[0].capacity_bytes
    ]
    return extent_map.mean(alike) or None


def _extent_map(row: DiskImage | CBTHistory, disk: VMDisk) -> ExtentMap:
    return ExtentMap(
        disk=disk,
        job_id=row.job_id,
        sync_type=row.sync_type,
        capacity_bytes=row.capacity_bytes or 0,
        extent_count=row.extent_count or 0,
        levels=bytes(row.extent_map or bytes(extent_map.BUCKETS)),
    )
