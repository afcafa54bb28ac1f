"""Control verbs that change the inventory behind everyone's back: names, places, identities and
configurations of VMs."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

from pyVmomi import vim, vmodl

from vmrep.lab.errors import ControlError
from vmrep.lab.soap.service import Service
from vmrep.lab.world import reconfigure, relocation, settings, snapshots
from vmrep.lab.world.controllers import KINDS
from vmrep.lab.world.datastores import TYPES
from vmrep.lab.world.vm import VirtualMachine

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class InventoryVerbs:
    """Verbs of `control_verbs.Verbs`; its text says what they have in common."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._world = service.world

    def _vm(self, name: str) -> VirtualMachine:
        found = self._world.entity_named(name, vim.VirtualMachine)
        if not isinstance(found, VirtualMachine):
            raise ControlError(f"{name!r} is not a VM", status=404)
        return found

    def rename(self, vm: str, name: str) -> None:
        """Give a VM another name."""
        self._vm(vm).rename(name)

    def destroy(self, vm: str) -> None:
        """Remove a VM, even a running one, with its files."""
        found = self._vm(vm)
        with found.task_lock:
            found.forget()

    def set_addresses(self, vm: str, addresses: list[str]) -> None:
        """Give a VM's first network adapter other addresses."""
        found = self._vm(vm)
        if not found.record.config.nics:
            raise ControlError(f"{vm!r} has no network adapter")
        with self._world.lock:
            found.record.config.nics[0].ip_addresses = addresses
            found.save()

    # --- places and identities

    def move(self, vm: str, folder: str, datacenter: str = "", datastore: str = "") -> None:
        """Move a VM into a folder (a path below the datacenter's VM folder, made if missing).

        With another datacenter, host, networks and files move, too; `datastore` moves the files."""
        relocation.move(self._vm(vm), folder, datacenter, datastore)

    def unregister(self, vm: str) -> dict[str, str]:
        """Take a VM out of the inventory; its files stay. Returns what `register` needs."""
        return {"path": relocation.unregister(self._vm(vm))}

    def register(self, path: str) -> dict[str, Any]:
        """Bring an unregistered VM back: the same UUIDs under a new reference."""
        moref = relocation.register(self._world, path)
        return relocation.describe(self._vm(moref))

    def reregister(self, vm: str) -> dict[str, Any]:
        """Unregister a VM and register it again at once."""
        return self.register(relocation.unregister(self._vm(vm)))

    def clone(self, vm: str, name: str) -> dict[str, Any]:
        """Copy a VM with its disks; the copy has new UUIDs, and may have the same name."""
        return relocation.describe(relocation.clone(self._vm(vm), name))

    def set_instance_uuid(self, vm: str, instance_uuid: str = "") -> dict[str, str | None]:
        """Give a VM another instance UUID, as a vCenter does after a conflict: the given one, a new
        one when it is empty, none at all for `none`. It may be another VM's."""
        found = self._vm(vm)
        new = None if instance_uuid == "none" else instance_uuid or str(uuid.uuid4())
        if new is not None and not UUID.fullmatch(new):
            raise ControlError(f"{instance_uuid!r} is not a UUID")
        with self._world.lock:
            found.record.instance_uuid = new
            found.save(reconfigured=True)
        return {"instance_uuid": new}

    # --- configurations

    def configure(self, vm: str, values: dict[str, Any]) -> None:
        """Set values of a VM by the names that scenarios use (cpu, notes, tools, …), and bios_uuid
        and connection_state; null for what vSphere can leave unset."""
        settings.configure(self._vm(vm), values)

    def set_adapter(self, vm: str, device_key: int, values: dict[str, Any]) -> None:
        """Set values of a network adapter: label, network, mac_address, adapter, connected,
        addresses."""
        settings.set_adapter(self._vm(vm), device_key, values)

    def set_disk(self, vm: str, device_key: int, values: dict[str, Any]) -> None:
        """Set values of a disk: label, uuid, mode, sharing, provisioning, capacity_bytes."""
        settings.set_disk(self._vm(vm), device_key, values)

    def hide(self, vm: str, paths: list[str]) -> None:
        """Make these property paths of a VM, and no others, look unset."""
        settings.hide(self._vm(vm), paths)

    def set_datastore(self, datastore: str, kind: str) -> None:
        """Change a datastore's type: vmfs, vmfs_lenient, nfs, vsan, vvol."""
        if kind not in TYPES:
            raise ControlError(f"{kind!r} is none of {', '.join(TYPES)}")
        found = self._world.entity_named(datastore, vim.Datastore, "datastore")
        with self._world.changed:
            found.values["kind"] = kind
            for vm in self._world.of_type(VirtualMachine):
                vm.touch()
            record = self._world.store.get("entity", found.moid) or {}
            record["details"] = {**record["details"], "kind": kind}
            self._world.store.put("entity", found.moid, record)

    def other_backups(self, seconds: float = 0.0) -> None:
        """Let another backup product take and remove a snapshot of a running VM this often, one VM
        after another; 0 ends it."""
        if seconds < 0:
            raise ControlError("seconds must not be negative")
        with self._world.lock:
            self._world.estate.other_backups_seconds = seconds
            self._world.save_estate()
        self._world.other_backups.run(seconds)

    def move_disk(self, vm: str, device_key: int, controller: str) -> dict[str, int]:
        """Attach a disk to another controller (pvscsi, nvme, sata, …): its device key changes, its
        UUID and files do not. Returns the new key."""
        if controller not in KINDS:
            raise ControlError(f"{controller!r} is none of {', '.join(KINDS)}")
        return {"device_key": reconfigure.move_disk(self._vm(vm), device_key, controller)}

    def take_snapshot(self, vm: str, name: str) -> dict[str, str]:
        """Somebody else's snapshot."""
        found = self._vm(vm)
        try:
            with found.task_lock:
                return {"snapshot": snapshots.create(found, snapshots.Request(name))._moId}
        except vmodl.MethodFault as fault:
            raise ControlError(str(fault.msg)) from fault

    def link_clone(self, vm: str, name: str, snapshot: str) -> dict[str, Any]:
        """A linked clone of a VM as one of its snapshots froze it: its disks are deltas on files in
        the VM's folder."""
        return relocation.describe(relocation.link_clone(self._vm(vm), name, snapshot))

    def revert(self, vm: str, snapshot: str) -> None:
        """Make a VM what it was at one of its snapshots."""
        self._on_snapshot(vm, snapshot, lambda found: snapshots.revert(found, snapshot))

    def remove_snapshot(self, vm: str, snapshot: str) -> None:
        """Remove one snapshot of a VM; those after it stay."""
        self._on_snapshot(vm, snapshot, lambda found: snapshots.remove(found, [snapshot]))

    def _on_snapshot(self, vm: str, snapshot: str, do: Callable[[VirtualMachine], None]) -> None:
        found = self._vm(vm)
        if snapshot not in found.record.snapshots:
            raise ControlError(f"{snapshot!r} is no snapshot of {vm!r}", status=404)
        try:
            with found.task_lock:
                do(found)
        except vmodl.MethodFault as fault:
            raise ControlError(str(fault.msg)) from fault

    def remove_snapshots(self, vm: str) -> None:
        """Remove all snapshots of a VM."""
        found = self._vm(vm)
        try:
            with found.task_lock:
                snapshots.remove(found, list(found.record.snapshots))
        except vmodl.MethodFault as fault:
            raise ControlError(str(fault.msg)) from fault
