"""Whether a VM's next replication can fit into its repository, as far as that is known beforehand.

Nothing is refused that would fit: what counts is the least that a replication has to store, not
what it may. The least is known from what earlier ones stored; of a VM that was never copied it is
not, because neither a disk's size nor what is allocated of it says how much of it is zeroes, which
take no room.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

from contexts.models import VMContext
from replication.engine.target import Room
from replication.models import DiskImage, Repository
from replication.states import ImageState, SyncRequest, SyncType

DEFAULT_RESERVE_BYTES = 2 << 30
"""What is to stay free unless somebody says otherwise, but no more than 1/50 of the whole: room to
merge removed recovery points, and for replications that turn out larger than they were expected."""
_SHARE = 50
LOOKED_AT = 5
FEWEST = 3
"""Incremental images of a disk: the smallest of the last ones counts, if there are so many."""


def reserve_bytes(repository: Repository, room: Room) -> int:
    """What is to stay free there."""
    if repository.reserve_bytes is not None:
        return repository.reserve_bytes
    return min(DEFAULT_RESERVE_BYTES, room.total_bytes // _SHARE)


class _Image(NamedTuple):
    disk: int
    repository: int
    sync_type: str
    stored_bytes: int
    is_merged: bool


def least_bytes(
    context: VMContext, repository_id: int, disks: Collection[int], requested_sync: str
) -> int:
    """What a replication of these disks into that repository stores at least: half of what the last
    full copy of a disk took, where it has to be copied in full, since a guest may have emptied it;
    else what the smallest of its last incremental copies took. 0 when nothing is known. One query.
    """
    images = DiskImage.objects.filter(vm_context=context, state=ImageState.COMMITTED)
    rows = images.order_by("-pk").values_list(
        *("disk", "repository", "sync_type", "allocated_bytes", "merged_digest")
    )
    by_disk: dict[int, list[_Image]] = defaultdict(list)
    for disk, repository, sync_type, stored, merged in rows:
        by_disk[disk].append(_Image(disk, repository, sync_type, stored or 0, bool(merged)))
    wants_full = requested_sync == SyncRequest.INITIAL
    return sum(_least_of(by_disk[disk], repository_id, wants_full) for disk in disks)


def _least_of(images: list[_Image], repository_id: int, wants_full: bool) -> int:
    here = [image for image in images if image.repository == repository_id]
    if wants_full or not here:
        full = [image.stored_bytes for image in images if image.sync_type == SyncType.INITIAL]
        return full[0] // 2 if full else 0
    lately = [
        image.stored_bytes
        for image in here
        if image.sync_type == SyncType.INCREMENTAL and not image.is_merged
    ][:LOOKED_AT]
    return min(lately) if len(lately) >= FEWEST else 0
