"""QueryChangedDiskAreas, in pages.

A page lists at most `page_extents` areas and, when the estate says so, covers at most
`page_span_bytes` of the disk, so that a page in the middle may list nothing at all.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

from pyVmomi import vim

from vmrep.lab.disks.disk import Disk
from vmrep.lab.disks.extents import Range
from vmrep.lab.world.objects import invalid_argument
from vmrep.lab.world.records import DiskDevice

if TYPE_CHECKING:
    from vmrep.lab.world.vm import VirtualMachine

Info = vim.VirtualMachine.DiskChangeInfo
SECTOR = 512


def query(vm: VirtualMachine, call: Any) -> Any:
    """The areas that changed after a change ID (or all allocated ones for `*`).

    Up to the given snapshot, or to the present. Raises InvalidArgument for an unknown disk, a
    snapshot of another VM, an offset outside the disk or a malformed change ID; FileFault when
    the change ID is of another epoch or change tracking was off."""
    disk = vm.disks.get(call.deviceKey)
    device = vm.record.config.disk(call.deviceKey)
    layer: int | None
    if call.snapshot is not None:
        vm.world.find(call.snapshot)
        if call.snapshot._moId not in vm.record.snapshots:
            raise invalid_argument("snapshot")
        frozen = vm.record.snapshots[call.snapshot._moId]
        device = frozen.config.disk(call.deviceKey)
        layer = disk.layer_of_snapshot(call.snapshot._moId) if disk else None
        newest = frozen.change_ids.get(call.deviceKey)
    else:
        layer = disk.chain.current if disk else None
        newest = disk.change_id(0) if disk and vm.record.config.tracking else None
    if disk is None or device is None:
        raise invalid_argument("deviceKey")
    if layer is None:  # an independent disk is not in the snapshot: it has no change ID there
        layer = min(disk.chain.layers)
    if not 0 <= call.startOffset < device.capacity_bytes:
        raise invalid_argument("startOffset")
    _check_change_id(vm, disk, layer, call.changeId, newest)
    ranges = _ranges(disk, layer, call)
    return _told(vm, _page(vm, ranges, call.startOffset, device.capacity_bytes), device)


def _check_change_id(
    vm: VirtualMachine, disk: Disk, layer: int, change_id: str, newest: str | None
) -> None:
    epoch, slash, sequence = change_id.rpartition("/")
    if change_id != "*" and not (slash and epoch and sequence.isdecimal()):
        raise invalid_argument("changeId")
    known = newest.rpartition("/")[0] if newest else None
    # resetting change tracking makes a snapshot's own change ID worthless, too
    is_on = vm.record.config.tracking
    valid = is_on and known is not None and known == disk.chain.epoch
    if not valid or (change_id != "*" and epoch != known):
        name = disk.chain.layers[layer].descriptor
        where = vm.datastore_name(disk.chain.datastore)
        raise vim.fault.FileFault(
            file=f"[{where}] {name}", msg=f"Error caused by file [{where}] {name}"
        )


def _ranges(disk: Disk, layer: int, call: Any) -> list[Range]:
    def find() -> list[Range]:
        if call.changeId == "*":
            return disk.allocated(layer)
        return disk.changed(layer, int(call.changeId.rpartition("/")[2]))

    if call.snapshot is None:
        return find()
    return disk.areas_at(call.snapshot._moId, call.changeId, find)


# Answers that the field has seen, or could: each says something of a page that is not true, or says
# it in a way that no client may take for granted.
LIES = (
    *("outside", "negative", "misaligned", "before", "unsorted", "overlapping", "huge"),
    *("endless", "gap", "nothing"),
)


def _told(vm: VirtualMachine, page: Any, device: DiskDevice) -> Any:
    """The page as it is, or as the control surface wants it told."""
    lie, capacity = vm.told_of_changes.get(device.key), device.capacity_bytes
    areas = list(page.changedArea)
    match lie:
        case "outside":
            areas.append(Info.DiskChangeExtent(start=capacity - SECTOR, length=2 * SECTOR))
        case "huge":
            areas.append(Info.DiskChangeExtent(start=0, length=2**63 - 1))
        case "negative":
            areas.append(Info.DiskChangeExtent(start=0, length=-SECTOR))
        case "before":
            areas.append(Info.DiskChangeExtent(start=-SECTOR, length=SECTOR))
        case "misaligned":
            areas.append(Info.DiskChangeExtent(start=SECTOR + 1, length=SECTOR))
        case "unsorted":
            areas.reverse()
        case "overlapping":
            areas = [
                *areas,
                *(
                    Info.DiskChangeExtent(start=a.start, length=min(a.length, capacity - a.start))
                    for a in areas
                ),
            ]
        case "endless":
            page.length = 0
        case "gap":
            page.startOffset += SECTOR
        case "nothing":
            areas = []
    page.changedArea = areas
    return page


def _page(vm: VirtualMachine, ranges: list[Range], start: int, capacity: int) -> Any:
    estate = vm.world.estate
    end = min(start + estate.page_span_bytes, capacity) if estate.page_span_bytes else capacity
    first = bisect_right(ranges, start, key=lambda r: r[1])
    last = bisect_left(ranges, end, key=lambda r: r[0])
    if last - first > estate.page_extents:
        last = first + estate.page_extents
        end = min(end, ranges[last - 1][1])
    inside = [(max(s, start), min(e, end)) for s, e in ranges[first:last]]
    return Info(
        startOffset=start,
        length=end - start,
        changedArea=[Info.DiskChangeExtent(start=s, length=e - s) for s, e in inside],
    )
