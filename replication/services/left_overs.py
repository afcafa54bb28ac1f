"""What ended jobs left to remove, by its rows. The clean-up removes it."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from replication.models import DiskImage
from replication.states import ACTIVE_JOB_STATUSES, ImageState


def images() -> Any:
    """Images that are in no recovery point and will not be: given up, or of a job that ended.

    The latter are a paused worker's, that began one after another worker had ended its job.
    """
    return DiskImage.objects.filter(
        Q(state=ImageState.DELETING)
        | Q(state=ImageState.WRITING) & ~Q(job__status__in=ACTIVE_JOB_STATUSES)
    )
