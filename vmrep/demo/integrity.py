"""Is the database whole, and does it say what is true of the files? Every problem is a line.

The database's own check comes first, then the rules between tables that no constraint can hold.
It expects a quiet vmrep: no job is running.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection
from django.db.models import Count, Q

from contexts.models import VMContext
from replication.engine import qemu
from replication.engine.errors import EngineError
from replication.models import (
    DiskImage,
    JobStep,
    RecoveryPoint,
    ReplicationJob,
    VMSnapshot,
)
from replication.services import repositories
from replication.states import ImageState, JobStatus, RecoveryPointState, SnapshotState, StepStatus


def problems() -> Iterator[str]:
    """All that is wrong; nothing when all is well."""
    yield from _sqlite() if connection.vendor == "sqlite" else _postgresql()
    yield from _jobs()
    yield from _recovery_points()
    yield from _leftovers()


def _sqlite() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check")
        yield from (f"integrity_check: {row[0]}" for row in cursor if row[0] != "ok")
        cursor.execute("PRAGMA foreign_key_check")
        yield from (f"foreign_key_check: {row[0]} row {row[1]} → {row[2]}" for row in cursor)


def _postgresql() -> Iterator[str]:
    """Every foreign key and CHECK is looked up in the catalogue and asked of all rows anew."""
    with connection.cursor() as cursor:
        cursor.execute(_CONSTRAINTS)
        for name, table, count in cursor.fetchall():
            cursor.execute(count)
            (violations,) = cursor.fetchone()
            if violations:
                yield f"{table}: {violations} rows violate {name}"


# One row per constraint: its name, its table, and the query that counts the violating rows.
_CONSTRAINTS = """
SELECT conname, conrelid::regclass::text,
       CASE contype
       WHEN 'c' THEN
           format('SELECT count(*) FROM %s WHERE NOT (%s)',
                  conrelid::regclass, pg_get_expr(conbin, conrelid))
       ELSE
           format('SELECT count(*) FROM %s here WHERE %s AND NOT EXISTS'
                  ' (SELECT FROM %s there WHERE %s)',
                  conrelid::regclass,
                  (SELECT string_agg(format('here.%I IS NOT NULL', a.attname), ' AND ')
                     FROM unnest(conkey) AS k
                     JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = k),
                  confrelid::regclass,
                  (SELECT string_agg(format('here.%I = there.%I', a.attname, b.attname), ' AND ')
                     FROM unnest(conkey, confkey) AS k(here, there)
                     JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = k.here
                     JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = k.there))
       END
  FROM pg_constraint
 WHERE contype IN ('c', 'f') AND connamespace = current_schema()::regnamespace
"""


def _jobs() -> Iterator[str]:
    """Statistics against the jobs that they count."""
    ended = {
        "successful_jobs": JobStatus.COMPLETED,
        "failed_jobs": JobStatus.FAILED,
        "cancelled_jobs": JobStatus.CANCELLED,
    }
    counts = {
        f"counted_{name}": Count("jobs", filter=Q(jobs__status=status))
        for name, status in ended.items()
    }
    for context in VMContext.objects.annotate(counted_total_jobs_run=Count("jobs"), **counts):
        for name in ("total_jobs_run", *ended):
            said, counted = getattr(context, name), getattr(context, f"counted_{name}")
            if said != counted:
                yield f"{context.pk}: {name} is {said}, but there are {counted} such jobs"
        if context.current_job_id is not None:
            yield f"{context.pk}: {context.current_job_id} is still its current job"
        newest = context.jobs.filter(status=JobStatus.COMPLETED).order_by("-completed_at").first()
        if context.last_successful_job_id != (newest and newest.pk):
            yield f"{context.pk}: {context.last_successful_job_id} is not its last successful job"
    for job in ReplicationJob.objects.filter(status=JobStatus.COMPLETED, recovery_point=None):
        yield f"{job.pk}: completed without a recovery point"


def _recovery_points() -> Iterator[str]:
    """Each available point has all of its images, and each image is a sound file."""
    points = RecoveryPoint.objects.filter(state=RecoveryPointState.AVAILABLE)
    for point in points.select_related("repository").prefetch_related("images"):
        images = list(point.images.all())
        if len(images) != point.disk_count:
            yield f"recovery point {point.pk}: {len(images)} images of {point.disk_count} disks"
        storage = repositories.storage(point.repository)
        for image in images:
            if image.state != ImageState.COMMITTED:
                yield f"image {image.pk} of an available recovery point is {image.state}"
            try:
                qemu.check(storage.path(image.locator))
            except EngineError as problem:
                yield f"image {image.pk}: {problem}"


def _leftovers() -> Iterator[str]:
    """What a quiet vmrep has cleaned up."""
    for image in DiskImage.objects.exclude(state=ImageState.COMMITTED):
        yield f"image {image.pk} ({image.locator}) is left over: {image.state}"
    for snapshot in VMSnapshot.objects.exclude(state=SnapshotState.REMOVED):
        yield f"snapshot {snapshot.name} is left over: {snapshot.state} {snapshot.problem}"
    for step in JobStep.objects.filter(status=StepStatus.RUNNING):
        yield f"step {step} is still running"
