"""What is to stay free in a repository, and what a VM's next replication probably stores there.

The expectation is no bound: it is made of what earlier replications stored, and the VM may have
changed. So it may hold up a replication, but not for ever: see `replication.sync.room`. Of a VM
that was never copied vSphere and the guest are asked how much its disks hold: `first_bytes`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import F, Q, QuerySet, Sum

from contexts.clock import database_now
from contexts.models import VMContext
from replication.models import DiskImage, Repository
from replication.states import ACTIVE_JOB_STATUSES, ImageState, SyncRequest, SyncType

DEFAULT_RESERVE_BYTES = 2 << 30
"""What is to stay free unless somebody says otherwise, but no more than 1/50 of the whole: room to
merge removed recovery points, and for replications that turn out larger than they were expected."""
_SHARE = 50
LOOKED_AT = 5
FEWEST = 3
"""Incremental images of a disk: the smallest of the last ones counts, if there are so many."""


def reserve_bytes(repository: Repository, total_bytes: int) -> int:
    """What is to stay free there, of all the room that its file system has."""
    if repository.reserve_bytes is not None:
        return repository.reserve_bytes
    return min(DEFAULT_RESERVE_BYTES, total_bytes // _SHARE)


def under_way_bytes(
    repository_id: int, *, besides: str | None = None, among: QuerySet[VMContext] | None = None
) -> int:
    """What the replications that are writing there (but for that job; of these VMs, if some are
    given) may still store, by what they planned and have not read yet: of full copies half, as in
    `expected_bytes`; nothing of disks that are compared whole, of which little is stored. One
    query."""
    images = DiskImage.objects.filter(
        repository=repository_id,
        state=ImageState.WRITING,
        job__status__in=ACTIVE_JOB_STATUSES,
    ).exclude(job=besides)
    if among is not None:
        images = images.filter(vm_context__in=among)
    left = F("planned_bytes") - F("transferred_bytes")
    sums = images.aggregate(
        full=Sum(left, filter=Q(sync_type=SyncType.INITIAL)),
        changed=Sum(left, filter=Q(sync_type=SyncType.INCREMENTAL)),
    )
    return (sums["full"] or 0) // 2 + (sums["changed"] or 0)


def first_bytes(capacity_bytes: int, allocated: int | None, used: int | None) -> int:
    """What a first copy of disks of that size is expected to store, cautiously: half of the least
    that is known of what they hold. Zeroes take no room, and nobody says how many of them there
    are in what is allocated; what guests have deleted is copied, too. With nothing but the disks'
    size nothing is expected."""
    known = [each for each in (allocated, used) if each is not None]
    return min(capacity_bytes, *known) // 2 if known else 0


def was_copied(context: VMContext) -> bool:
    """Whether there is a whole image of any of its disks, in whichever repository."""
    images = DiskImage.objects.filter(vm_context=context, state=ImageState.COMMITTED)
    return images.exists()


class _Image(NamedTuple):
    """`at`: the moment of its recovery point; `since`: of the one that it is based on."""

    disk: int
    repository: int
    sync_type: str
    stored_bytes: int | None
    merged_digest: str
    at: datetime
    since: datetime | None


def expected_bytes(
    context: VMContext, repository_id: int, disks: Collection[int], requested_sync: str
) -> int:
    """What a replication of these disks into that repository is expected to store, cautiously: half
    of what the last full copy of a disk took, where it has to be copied in full, since a guest may
    have emptied it; else what the smallest of its last incremental copies took, and of that only
    the part that belongs to the time since the last one. 0 when nothing is known.
    """
    images = DiskImage.objects.filter(vm_context=context, state=ImageState.COMMITTED)
    rows = images.order_by("-recovery_point_id", "-pk").values_list(
        *("disk", "repository", "sync_type", "allocated_bytes", "merged_digest"),
        *("recovery_point__consistent_at", "parent__recovery_point__consistent_at"),
    )
    by_disk: dict[int, list[_Image]] = defaultdict(list)
    for row in rows:
        by_disk[row[0]].append(_Image(*row))
    now, wants_full = database_now(), requested_sync == SyncRequest.INITIAL
    return sum(_expected_of(by_disk[disk], repository_id, wants_full, now) for disk in disks)


def _expected_of(images: list[_Image], repository_id: int, wants_full: bool, now: datetime) -> int:
    here = [image for image in images if image.repository == repository_id]
    if wants_full or not here:
        full = [image.stored_bytes for image in images if image.sync_type == SyncType.INITIAL]
        return (full[0] or 0) // 2 if full else 0
    passed = now - here[0].at
    lately = [
        _part(image.stored_bytes or 0, passed, image.at - image.since)
        for image in here
        if image.sync_type == SyncType.INCREMENTAL and not image.merged_digest and image.since
    ][:LOOKED_AT]
    return min(lately) if len(lately) >= FEWEST else 0


def _part(stored_bytes: int, passed: timedelta, took: timedelta) -> int:
    """Of what changed in `took`, what changes in `passed` at least: in less time no less than in
    proportion, because what changes again and again is stored once; in more time no more for
    certain."""
    if took <= timedelta(0) or passed <= timedelta(0):
        return 0  # the clocks of these moments say nothing
    return int(stored_bytes * min(1.0, passed / took))
