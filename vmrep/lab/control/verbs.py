"""What the control surface can do: each public method of `Verbs` is one verb."""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from typing import Any

from vmrep.lab.control.access_verbs import AccessVerbs
from vmrep.lab.control.injection import DROP, FAULT, FOLDER, TASK_FAULT, Rule
from vmrep.lab.control.meter_verbs import MeterVerbs
from vmrep.lab.control.nfc_verbs import NfcVerbs
from vmrep.lab.control.odd_verbs import OddVerbs
from vmrep.lab.disks import changes
from vmrep.lab.disks.disk import Disk
from vmrep.lab.errors import ControlError
from vmrep.lab.nfc.lies import FAULTS
from vmrep.lab.soap.codec import fault_named
from vmrep.lab.world import snapshots, storage
from vmrep.lab.world.vm import VirtualMachine

MOST_READ_BYTES = 64 << 20


class Verbs(AccessVerbs, MeterVerbs, NfcVerbs, OddVerbs):
    """The control surface's verbs, with their arguments as keywords.

    `vm` is a VM's name as vSphere shows it, its reference or its instance UUID. Every verb
    returns JSON data and raises ControlError for what it cannot do."""

    def _disk(self, vm: str, device_key: int) -> Disk:
        found = self._vm(vm)
        if found.record.config.disk(device_key) is None:
            keys = ", ".join(str(d.key) for d in found.record.config.disks)
            raise ControlError(f"{vm!r} has no disk {device_key}; it has: {keys}", status=404)
        return found.disks[device_key]

    # --- reading

    def list_vms(self) -> list[dict[str, Any]]:
        """All VMs with their disks and snapshots."""
        with self._world.lock:
            return [
                {
                    "name": vm.name,
                    "moref": vm.moid,
                    "instance_uuid": vm.instance_uuid,
                    "path": vm.inventory_path(),
                    "power_state": vm.record.power_state,
                    "template": vm.record.config.template,
                    "change_tracking": vm.record.config.tracking,
                    "disks": [
                        {
                            "device_key": d.key,
                            "capacity_bytes": d.capacity_bytes,
                            "free_start": vm.disks[d.key].chain.churn_start,
                            "mode": d.mode,
                        }
                        for d in vm.record.config.disks
                    ],
                    "snapshots": list(vm.record.snapshots),
                }
                for vm in self._world.of_type(VirtualMachine)
            ]

    def read(self, vm: str, device_key: int, offset: int, length: int) -> dict[str, str]:
        """What the guest sees at an offset, in base64."""
        if length > MOST_READ_BYTES:
            raise ControlError(f"at most {MOST_READ_BYTES} bytes at once")
        data = self._disk(vm, device_key).read(offset, length)
        return {"data": base64.b64encode(data).decode()}

    # --- guests that write

    def write(self, vm: str, device_key: int, offset: int, data: str) -> None:
        """Let the guest write bytes (in base64) at an offset."""
        try:
            content = base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise ControlError(f"data is not base64: {error}") from error
        self._disk(vm, device_key).write(offset, content)

    def fill(self, vm: str, device_key: int, offset: int, length: int, seed: str) -> None:
        """Let the guest write bytes that follow from a seed."""
        self._disk(vm, device_key).fill(offset, length, seed)

    # --- things that go wrong

    def fail(
        self,
        method: str,
        nth: int = 1,
        fault: str = "SystemError",
        times: int = 1,
        message: str = "injected by the lab",
        in_task: bool = False,
    ) -> None:
        """Make the n-th call of a method from now on (and `times` - 1 more) end in a fault.

        For `GET /folder` the fault is an HTTP status, for `NFC open`, `NFC read` and `NFC close`
        one of those in `nfc.lies.FAULTS`. `in_task`: the task fails, not the call."""
        if nth < 1 or times < 1:
            raise ControlError("nth and times count from 1")
        if method == FOLDER:
            if not (fault.isdecimal() and 400 <= int(fault) <= 599):
                raise ControlError("for GET /folder, fault is an HTTP status from 400 to 599")
        elif method in FAULTS:
            if fault not in FAULTS[method]:
                raise ControlError(f"for {method}, fault is one of {', '.join(FAULTS[method])}")
        else:
            try:
                fault_named(fault, message)
            except ValueError as error:
                raise ControlError(str(error)) from error
        action = TASK_FAULT if in_task else FAULT
        self._world.injection.add(Rule(method, action, nth, times, fault, message))

    def drop_connection(self, method: str, nth: int = 1, times: int = 1) -> None:
        """Cut the connection in the middle of the answer to the n-th call from now on."""
        if nth < 1 or times < 1:
            raise ControlError("nth and times count from 1")
        self._world.injection.add(Rule(method, DROP, nth, times))

    def delay(self, method: str, seconds: float, after: int = 0) -> None:
        """Delay every call of a method (for tasks: the work) except the first `after`; 0 seconds
        stop that. What is being delayed goes on when that changes, or faults are cleared."""
        if seconds < 0 or after < 0:
            raise ControlError("seconds and after must not be negative")
        self._world.injection.delay(method, seconds, after)

    def clear_faults(self) -> None:
        """Forget all faults, drops, delays, denied privileges and invisible objects."""
        self._world.injection.clear()
        self._world.denied_privileges.clear()
        self._world.denied_on.clear()
        self._world.invisible.clear()

    def reset_cbt(self, vm: str) -> None:
        """Begin a new change-tracking epoch on all of a VM's disks that are tracked."""
        found = self._vm(vm)
        with found.frozen_disks(), self._world.lock:
            for disk in found.disks.values():
                if disk.chain.epoch is not None:
                    disk.start_tracking()
            found.save()

    def lie_about_changes(self, vm: str, device_key: int, lie: str = "") -> None:
        """Let QueryChangedDiskAreas say something untrue or odd of a disk: one of `changes.LIES`;
        empty: the truth again."""
        if lie and lie not in changes.LIES:
            raise ControlError(f"a lie is one of {', '.join(changes.LIES)}")
        self._disk(vm, device_key)
        self._vm(vm).told_of_changes[device_key] = lie

    def begin_tracking_late(self, late: bool = True) -> None:
        """Let the snapshot at which change tracking begins have no change IDs: the next one has."""
        self._world.tracking_begins_late = late

    def lose_tracking(self, vm: str, device_key: int) -> None:
        """Let a disk have no change ID, though change tracking is on: until it was off at a stun
        and is on at the next one."""
        found, disk = self._vm(vm), self._disk(vm, device_key)
        with found.frozen_disks(), self._world.lock:
            disk.stop_tracking()
            disk.chain.tracking_lost = True
            found.save()

    def forget_events(self) -> None:
        """Let vCenter have no events from before this moment, as when they have become too old."""
        self._world.events.forget()

    def set_host_clock(self, ahead_seconds: float) -> None:
        """Let the clocks of the hosts, which date snapshots, differ from the vCenter's."""
        self._world.host_clock_ahead = datetime.timedelta(seconds=ahead_seconds)

    def keep_storage(self, vm: str) -> None:
        """Keep the VM's files as they are, as a snapshot of its datastore does; one is kept."""
        storage.keep(self._vm(vm))

    def roll_back_storage(self, vm: str) -> None:
        """Bring the kept files of a VM back below vSphere, which learns nothing of it. The VM is
        powered off."""
        storage.roll_back(self._vm(vm))

    def refuse_snapshot_removal(self, vm: str, on: bool = True) -> None:
        """Make removals of the VM's snapshots fail, or succeed again."""
        found = self._vm(vm)
        with self._world.lock:
            found.record.refuse_snapshot_removal = on
            found.save()

    def unlist_snapshots(self, vm: str, on: bool = True) -> None:
        """Let the VM list none of its snapshots, as when vCenter and host disagree: tasks succeed,
        and each snapshot is there for who knows its reference."""
        found = self._vm(vm)
        with self._world.lock:
            found.record.unlist_snapshots = on
            found.save()

    def leave_consolidation(self, vm: str, on: bool = True, told: bool = True) -> None:
        """Let removed snapshots leave their files: the VM then needs consolidation, and says so, or
        (`told` false) does not."""
        found = self._vm(vm)
        with self._world.lock:
            found.record.leave_consolidation = on
            found.record.hide_consolidation = on and not told
            found.save()

    def refuse_consolidation(self, vm: str, on: bool = True) -> None:
        """Let consolidations of the VM's disks fail, or succeed again."""
        found = self._vm(vm)
        with self._world.lock:
            found.record.refuse_consolidation = on
            found.save()

    def set_folder(self, ranges: bool = True, bytes_per_second: int = 0) -> None:
        """How datastore files are served: whether parts of them are (some hosts send the whole
        file), and how fast, for all clients together (0: without a limit)."""
        if bytes_per_second < 0:
            raise ControlError("bytes_per_second must not be negative")
        with self._world.lock:
            self._world.estate.folder_ranges = ranges
            self._world.estate.folder_bytes_per_second = bytes_per_second or None
            self._world.save_estate()

    def set_descriptor(self, vm: str, device_key: int, data: str = "") -> None:
        """Serve these bytes (in base64) as the descriptor of each of the disk's files; empty: the
        lab's own again. `%CID` and `%extent` stand for the file's content ID and extent."""
        found = self._disk(vm, device_key)
        try:
            content = base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise ControlError(f"data is not base64: {error}") from error
        with self._world.lock:
            if content:
                self._world.descriptors[found.chain.identity] = content
            else:
                self._world.descriptors.pop(found.chain.identity, None)

    # --- contents to compare with

    def keep_snapshots(self, on: bool = True) -> None:
        """Keep the content of snapshots when they are removed."""
        with self._world.lock:
            self._world.estate.keep_snapshots = on
            self._world.save_estate()

    def kept_content(self, snapshot: str, device_key: int) -> dict[str, str]:
        """The path of a raw file with a snapshot's content, kept or still open."""
        if not re.fullmatch(r"snapshot-\d+", snapshot):
            raise ControlError(f"{snapshot!r} is not a snapshot's reference")
        path = snapshots.kept_path(self._world, snapshot, device_key)
        if not path.exists():
            owner = next(
                (
                    vm
                    for vm in self._world.of_type(VirtualMachine)
                    if snapshot in vm.record.snapshots
                ),
                None,
            )
            if owner is not None:
                # no removal may merge the layers while they are copied
                with owner.task_lock:
                    snapshots.keep_content(owner, snapshot)
        if not path.exists():
            raise ControlError(
                f"the content of disk {device_key} at {snapshot!r} was not kept", status=404
            )
        return {"path": str(path)}

    def forget_kept(self, snapshot: str = "") -> dict[str, int]:
        """Remove the kept content of a snapshot, or of all."""
        wanted = f"{snapshot}-*.raw" if snapshot else "*.raw"
        found = [p for p in self._world.paths.kept.glob("*.raw") if p.match(wanted)]
        for path in found:
            path.unlink()
        return {"removed": len(found)}

    def live_content(self, vm: str, device_key: int) -> dict[str, str]:
        """The path of a raw file with what the guest sees now."""
        found, disk = self._vm(vm), self._disk(vm, device_key)
        self._world.paths.kept.mkdir(exist_ok=True)
        path = self._world.paths.kept / f"live-{found.moid}-{device_key}.raw"
        with found.task_lock, disk.lock:
            if disk.chain.current is None:
                raise ControlError(f"disk {device_key} was removed")
            disk.export(disk.chain.current, path)
        return {"path": str(path)}

    # --- the estate

    def set_task_delay(self, seconds: float) -> None:
        """The least time that every task takes."""
        if seconds < 0:
            raise ControlError("seconds must not be negative")
        with self._world.lock:
            self._world.estate.task_delay_seconds = seconds
            self._world.save_estate()

    def set_pages(self, extents: int = 2000, span_bytes: int = 0) -> None:
        """How many areas a page of QueryChangedDiskAreas lists, and how much of the disk it
        covers at most (0: all of it); small spans make pages that list nothing."""
        if extents < 1 or span_bytes < 0 or span_bytes % 512:
            raise ControlError("extents is at least 1, span_bytes a multiple of 512")
        with self._world.lock:
            self._world.estate.page_extents = extents
            self._world.estate.page_span_bytes = span_bytes or None
            self._world.save_estate()
