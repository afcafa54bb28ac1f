"""Which known disk each disk of a reading is.

A disk's device key belongs to its place on a controller, and changes when the disk is moved to
another; its UUID stays. So the UUID decides wherever it names exactly one disk.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from contexts.models import VMDisk
from contexts.vsphere.records import DiskRecord

T = TypeVar("T")


def matched(
    rows: Iterable[VMDisk], disks: Sequence[DiskRecord]
) -> tuple[dict[int, VMDisk], list[VMDisk]]:
    """The row of each disk (by the disk's device key) that has one, and the rows that are left.

    A UUID that several disks have does not tell them apart: then, as for an unknown UUID, the
    device key decides. Another UUID under the same key is another disk.
    """
    left = {row.pk: row for row in rows}
    by_uuid = _alone((digits(row.disk_uuid), row) for row in left.values())
    named = _alone((digits(disk.disk_uuid), disk) for disk in disks)
    found: dict[int, VMDisk] = {}
    for uuid, disk in named.items():
        if uuid in by_uuid:
            found[disk.device_key] = left.pop(by_uuid[uuid].pk)
    by_key = {row.device_key: row for row in left.values()}
    for disk in disks:
        row = by_key.get(disk.device_key)
        if disk.device_key in found or row is None or _is_another(row, disk):
            continue
        found[disk.device_key] = left.pop(row.pk)
    return found, list(left.values())


def digits(uuid: str | None) -> str:
    """A disk's UUID without what differs in how vSphere writes it; "" when unknown."""
    return re.sub(r"[\s-]", "", uuid or "").lower()


def _is_another(row: VMDisk, disk: DiskRecord) -> bool:
    """An unknown UUID proves nothing."""
    known, read = digits(row.disk_uuid), digits(disk.disk_uuid)
    return bool(known and read and known != read)


def _alone(named: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Without those that are not named, or named as another one."""
    pairs = [(name, one) for name, one in named if name]
    counts = Counter(name for name, _ in pairs)
    return {name: one for name, one in pairs if counts[name] == 1}
