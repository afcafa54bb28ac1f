"""How fast the disks of a vCenter may be read now, and how much of that is whose."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from replication import hours
from replication.models import BandwidthWindow, JobStep, Place, ReplicationJob
from replication.selectors import limits
from replication.states import StepName, StepStatus


def limit(vcenter_id: int, now: datetime) -> int | None:
    """Bytes per second for all jobs of the vCenter together; None: without a limit. Windows of its
    own replace those of all vCenters; the lowest of those that are open counts."""
    windows = BandwidthWindow.objects.filter(Q(vcenter=vcenter_id) | Q(vcenter=None)).order_by()
    found = list(windows)
    own = [window for window in found if window.vcenter_id is not None]
    return lowest(own or found, now)


def lowest(windows: Sequence[BandwidthWindow], now: datetime) -> int | None:
    """Of the windows that are open, in bytes per second; None: none is open."""
    rates = [window.bytes_per_second for window in windows if is_open(window, now)]
    return min(rates, default=None)


def is_open(window: BandwidthWindow, now: datetime) -> bool:
    return hours.are_open(window.days, window.from_minute, window.to_minute, window.time_zone, now)


def share(job: ReplicationJob, now: datetime) -> float | None:
    """What of it this job may read: all that read now, and this one, get as much as each other."""
    most = limit(job.vm_context.vcenter_id, now)
    if most is None:
        return None
    return most / (1 + _others_that_read(job).count())


def _others_that_read(job: ReplicationJob) -> QuerySet[Place]:
    """By the place of their vCenter, which every job has until its worker dies."""
    steps = JobStep.objects.filter(
        job=OuterRef("job"), status=StepStatus.RUNNING, name=StepName.TRANSFER
    )
    kind, key = limits.vcenter_jobs(job.vm_context.vcenter_id)
    places = Place.objects.filter(kind=kind, resource=key, expires_at__gt=Now())
    return places.filter(Exists(steps)).exclude(job=job)
