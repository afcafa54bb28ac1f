"""A job's own page: everything that was recorded about one replication."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contexts.clock import about_now
from contexts.models import VMDisk
from contexts.selectors import events_of_job
from replication.models import CBTHistory, DiskImage, JobLogLine, ReplicationJob
from replication.selectors import health, telemetry
from replication.selectors.jobs import newest_job
from replication.selectors.pauses import pause_of
from replication.selectors.subqueries import images_of
from replication.services.start import RETRIED
from replication.states import JobStatus, LogLevel, StepName
from vmrep.web.job_words import mean_rate
from vmrep.web.tabs.changes import MapRow, map_row
from vmrep.web.throughput import throughput

LOG_LEVELS = {"warning": (LogLevel.WARNING, LogLevel.ERROR)}


@dataclass(frozen=True)
class DiskOfJob:
    """One disk's part, from its image while there is one, else from the history."""

    disk: VMDisk
    sync_type: str
    note: str
    capacity_bytes: int | None
    planned_bytes: int | None  # None: known only while there was an image
    transferred_bytes: int
    seconds: float
    stored_bytes: int | None
    extent_count: int | None
    change_id: str | None
    previous_change_id: str | None
    image: DiskImage | None
    map: MapRow | None = None

    @property
    def bytes_per_second(self) -> float | None:
        return self.transferred_bytes / self.seconds if self.seconds else None


def describe(job: ReplicationJob, level: str | None) -> dict[str, Any]:
    """What the page's template needs about a job of `selectors.jobs.jobs_in_detail`; `level`
    "warning" leaves information out of the log. A constant number of queries.
    """
    points = telemetry.throughput_of(job)
    return {
        "job": job,
        "can_retry": job.status in RETRIED and newest_job(job.vm_context) == job,
        "nobody_works": health.what_is_missing(health.COPIES, about_now()) if job.is_active else "",
        "pause": pause_of(job.vm_context) if job.obeys_pauses else None,
        "disks": _disks(job),
        "throughput": throughput(job, points),
        "rate": mean_rate(job, _transfer_seconds(job)),
        "events": events_of_job(job.pk),
        "log": _log(job, level),
        "log_level": level if level in LOG_LEVELS else "",
    }


def _log(job: ReplicationJob, level: str | None) -> list[JobLogLine]:
    wanted = LOG_LEVELS.get(level or "")
    return [line for line in telemetry.log_of(job) if wanted is None or line.level in wanted]


def _transfer_seconds(job: ReplicationJob) -> float:
    """For an ended job, over all attempts."""
    return sum(
        (step.completed_at - step.started_at).total_seconds()
        for step in job.steps.all()
        if step.name == StepName.TRANSFER and step.completed_at is not None
    )


def _disks(job: ReplicationJob) -> list[DiskOfJob]:
    maps = {
        one.disk.pk: map_row(one.levels, one.capacity_bytes, one)
        for one in telemetry.extent_maps_of_job(job)
    }
    found = {image.disk_id: _of_image(image, maps.get(image.disk_id)) for image in images_of(job)}
    for entry in telemetry.cbt_history_of_job(job):
        if entry.disk_id not in found:
            found[entry.disk_id] = _of_history(entry, job, maps.get(entry.disk_id))
    return sorted(found.values(), key=lambda each: (each.disk.device_key, each.disk.pk))


def _of_image(image: DiskImage, drawn: MapRow | None) -> DiskOfJob:
    return DiskOfJob(
        disk=image.disk,
        sync_type=image.get_sync_type_display(),
        note=image.plan_note,
        capacity_bytes=image.capacity_bytes,
        planned_bytes=image.planned_bytes,
        transferred_bytes=image.transferred_bytes,
        seconds=image.transfer_seconds,
        stored_bytes=image.allocated_bytes,
        extent_count=drawn.sync.extent_count if drawn and drawn.sync else image.extent_count,
        change_id=image.change_id,
        previous_change_id=image.previous_change_id,
        image=image,
        map=drawn,
    )


def _of_history(entry: CBTHistory, job: ReplicationJob, drawn: MapRow | None) -> DiskOfJob:
    return DiskOfJob(
        disk=entry.disk,
        sync_type=entry.get_sync_type_display(),
        note=entry.note,
        capacity_bytes=entry.capacity_bytes,
        planned_bytes=entry.bytes_transferred if job.status == JobStatus.COMPLETED else None,
        transferred_bytes=entry.bytes_transferred,
        seconds=entry.sync_duration_seconds,
        stored_bytes=None,
        extent_count=entry.extent_count,
        change_id=entry.change_id,
        previous_change_id=entry.previous_change_id,
        image=None,
        map=drawn,
    )
