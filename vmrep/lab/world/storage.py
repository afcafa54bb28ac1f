"""What happens to a VM's files below vSphere: a datastore that is rolled back, a file that another
product writes to. No task, no event, no stun: vSphere learns nothing of it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from vmrep.lab.disks.sparse import copy_file
from vmrep.lab.errors import ControlError
from vmrep.lab.world.records import POWERED_OFF, VmRecord
from vmrep.lab.world.snapshots import Snapshot
from vmrep.lab.world.vm import VirtualMachine

RECORD = "vm.json"


def keep(vm: VirtualMachine) -> None:
    """Keep all of the VM's files as they are, as a snapshot of its datastore does. One is kept."""
    folder = _folder(vm)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with vm.task_lock, vm.frozen_disks(), vm.world.lock:
        for key, disk in vm.disks.items():
            for number in disk.chain.layers:
                layer = disk.layer(number)
                copy_file(layer.data, folder / f"{key}-{number}.data")
                if layer.journal.exists():
                    shutil.copyfile(layer.journal, folder / f"{key}-{number}.journal")
        (folder / RECORD).write_text(json.dumps(vm.record.dump()))


def roll_back(vm: VirtualMachine) -> None:
    """Bring back the files that were kept: disks, change tracking, configuration, snapshots.

    Only while the VM is off, as no storage does it below a running one. Its reference stays. Raises
    ControlError."""
    folder = _folder(vm)
    if not (folder / RECORD).exists():
        raise ControlError(f"nothing was kept of {vm.name!r}: call keep_storage before", status=404)
    if vm.record.power_state != POWERED_OFF:
        raise ControlError(f"{vm.name!r} is not powered off")
    with vm.task_lock, vm.frozen_disks(), vm.world.changed:
        for ref in vm.record.snapshots:
            vm.world.remove(vm.world.objects[ref])
        for disk in vm.disks.values():
            disk.unlink()
        record = VmRecord.load(json.loads((folder / RECORD).read_text()))
        record.power_state, record.booted_at = POWERED_OFF, None
        vm.record = record
        vm.disks = {k: vm.open_disk(vm.world, c) for k, c in record.chains.items()}
        for key, disk in vm.disks.items():
            for number, layer in disk.chain.layers.items():
                _bring_back(folder / f"{key}-{number}.data", disk.path_of(layer))
                _bring_back(folder / f"{key}-{number}.journal", disk.journal_of(number))
        for ref in record.snapshots:
            Snapshot(vm.world, ref, vm)
        vm.save(reconfigured=True)


def _bring_back(kept: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    if kept.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        copy_file(kept, target)


def _folder(vm: VirtualMachine) -> Path:
    return vm.world.paths.kept / f"storage-{vm.moid}"
