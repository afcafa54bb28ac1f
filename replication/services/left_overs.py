"""What ended jobs left to remove, by its rows. The clean-up removes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from replication.models import DiskImage, VMSnapshot
from replication.states import ACTIVE_JOB_STATUSES, ImageState, SnapshotState

# So late may a request still reach the vCenter: its sender was paused, or the network was away.
SNAPSHOT_MAY_COME_FOR = timedelta(minutes=10)


def may_come(row: VMSnapshot) -> bool:
    """Whether a snapshot that is not at its VM may still appear there: it was asked for only
    lately, and no answer was recorded."""
    return (
        row.state == SnapshotState.INTENDED
        and not row.moref
        and row.created_at > timezone.now() - SNAPSHOT_MAY_COME_FOR
    )


def images() -> Any:
    """Images that are in no recovery point and will not be: given up, or of a job that ended.

    The latter are a paused worker's, that began one after another worker had ended its job.
    """
    return DiskImage.objects.filter(
        Q(state=ImageState.DELETING)
        | Q(state=ImageState.WRITING) & ~Q(job__status__in=ACTIVE_JOB_STATUSES)
    )
