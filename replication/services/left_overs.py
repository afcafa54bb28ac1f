"""What ended jobs left to remove, by its rows. The clean-up removes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Exists, Q
from django.db.models.functions import Now
from django.utils import timezone

from replication.models import DiskImage, VMSnapshot
from replication.services import leases
from replication.states import ACTIVE_JOB_STATUSES, ImageState, SnapshotState

CLEAN_AGAIN_AFTER = timedelta(minutes=2)
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


def contexts_to_clean(**narrowed: object) -> list[str]:
    """Contexts without an active job or a holder that have a snapshot or a file left to remove.

    A snapshot whose removal failed is left alone for `CLEAN_AGAIN_AFTER`: the vCenter has to work
    at each try.
    """
    snapshots = VMSnapshot.objects.exclude(state=SnapshotState.REMOVED).exclude(
        ~Q(problem=""), updated_at__gt=Now() - CLEAN_AGAIN_AFTER
    )
    return sorted(
        {
            str(context_id)
            for rows in (snapshots, images())
            for context_id in rows.filter(vm_context__current_job__isnull=True, **narrowed)
            .filter(~Exists(leases.live_lease()))
            .values_list("vm_context_id", flat=True)
        }
    )
