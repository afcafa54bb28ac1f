"""The VirtualMachine object: its properties, power, and the calls for snapshots and changes."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from pyVmomi import vim, vmodl

from vmrep.lab.disks import changes
from vmrep.lab.disks.disk import Disk
from vmrep.lab.soap import codec
from vmrep.lab.world import reconfigure, snapshots, vm_view
from vmrep.lab.world.inventory import Datastore, VirtualApp, encode_name
from vmrep.lab.world.objects import Entity, World
from vmrep.lab.world.records import POWERED_OFF, POWERED_ON, ChainRecord, VmRecord

if TYPE_CHECKING:
    from vmrep.lab.soap.sessions import Session

log = logging.getLogger(__name__)


class VirtualMachine(Entity):
    """A VM: its record and its disks. Every change ends in `save`."""

    type = vim.VirtualMachine

    def __init__(self, world: World, record: VmRecord) -> None:
        self.record = record
        self.told_of_changes: dict[int, str] = {}  # by device key: one of `changes.LIES`
        self.disks: dict[int, Disk] = {
            k: self.open_disk(world, c) for k, c in record.chains.items()
        }
        super().__init__(world, record.ref, record.config.name, record.parent)
        for snapshot in record.snapshots.values():
            snapshots.Snapshot(world, snapshot.ref, self)

    @staticmethod
    def open_disk(world: World, chain: ChainRecord) -> Disk:
        """The disk of a chain record."""
        return Disk(chain, world.paths.datastores, world.paths.journals, world.lock)

    @property
    def instance_uuid(self) -> str | None:
        """The identity within the vCenter; None for a VM that has lost it."""
        return self.record.instance_uuid

    @property
    def host(self) -> str:
        """The host's reference."""
        return self.record.host

    def save(self, *, reconfigured: bool = False) -> None:
        """Make the record's change lasting and visible."""
        with self.world.lock:
            if reconfigured:
                self.record.change_version += 1
            self.world.store.put("vm", self.moid, self.record.dump())
            self.touch()

    def resume(self) -> None:
        """After a restart: finish the merging of layers that was under way."""
        if not (self.record.consolidation_needed or self.record.hide_consolidation):
            snapshots.collapse(self)

    def stun(self) -> None:
        """The moment at which switching change tracking on or off takes effect."""
        for disk in self.disks.values():
            if not self.record.config.tracking:
                disk.stop_tracking()
            elif disk.chain.epoch is None and not disk.chain.tracking_lost:
                disk.start_tracking()

    def frozen_disks(self) -> ExitStack:
        """A `with` block during which no guest writes to any disk of the VM."""
        stack = ExitStack()
        for disk in self.disks.values():
            stack.enter_context(disk.lock)
        return stack

    def leave_inventory(self) -> None:
        """References to the VM and to its snapshots are invalid from now on."""
        with self.world.changed:
            for ref in self.record.snapshots:
                self.world.remove(self.world.objects[ref])
            self.world.remove(self)

    def forget(self) -> None:
        """Remove the VM with its snapshots and files."""
        with self.world.changed:
            self.leave_inventory()
            self.world.store.delete("vm", self.moid)
        for disk in self.disks.values():
            disk.unlink()

    # --- properties

    def get(self, path: str, session: Session | None = None) -> Any:
        """As for any object; hidden paths, and what is below them, are unset."""
        steps = path.split(".")
        above = {".".join(steps[: count + 1]) for count in range(len(steps))}
        return super().get(path, session) if above.isdisjoint(self.record.hidden) else None

    def _networks(self) -> dict[str, str]:
        return {
            n.network: self.world.objects[n.network].name  # type: ignore[attr-defined]  # a network
            for config in (self.record.config, *(s.config for s in self.record.snapshots.values()))
            for n in config.nics
        }

    def datastores(self) -> dict[str, Datastore]:
        """The datastores that the VM uses, by reference."""
        refs = {self.record.datastore, *(d.chain.datastore for d in self.disks.values())}
        found = ((r, self.world.objects[r]) for r in sorted(refs))
        return {r: d for r, d in found if isinstance(d, Datastore)}

    def datastore_name(self, ref: str) -> str:
        """The name of one of them."""
        return self.datastores()[ref].name

    def config_at(self, snapshot: str | None) -> Any:
        """The configuration at present, or the one that a snapshot preserves."""
        record = self.record
        frozen = record.snapshots[snapshot] if snapshot else None
        config = frozen.config if frozen else record.config
        datastores = self.datastores()
        backings = vm_view.disk_backings(record, config, self.disks, datastores, frozen)
        return vm_view.config_info(
            record, config, backings, self._networks(), datastores[record.datastore].name
        )

    def _config(self) -> Any:
        return self.config_at(None)

    def _guest(self) -> Any:
        return vm_view.guest_info(self.record, self._networks())

    def _runtime(self) -> Any:
        return vm_view.runtime_info(self.record)

    def _summary(self) -> Any:
        name = self.datastore_name(self.record.datastore)
        found = vm_view.summary(self.record, name, self.ref, self._runtime(), self._guest())
        found.storage = vm_view.storage_summary(self.record.config, self.disks)
        return found

    def _snapshot(self) -> Any:
        return vm_view.snapshot_info(self.record)

    def _rootSnapshot(self) -> list[Any]:
        found = [s.ref for s in self.record.snapshots.values() if s.parent is None]
        return [vim.vm.Snapshot(r) for r in found]

    def _datastore(self) -> list[Any]:
        return [d.ref for d in self.datastores().values()]

    def _network(self) -> list[Any]:
        networks = dict.fromkeys(n.network for n in self.record.config.nics)
        return [self.world.objects[r].ref for r in networks]

    def _resourcePool(self) -> Any:
        if self.record.config.template:
            return None
        if self._in_vapp:
            return super()._parent()
        compute = self.world.objects[self.record.host]._parent()  # type: ignore[attr-defined]  # a host
        return self.world.children_of(compute._moId, vim.ResourcePool)[0]

    def _capability(self) -> Any:
        return codec.make(vim.vm.Capability, changeTrackingSupported=True)

    def _environmentBrowser(self) -> Any:
        return vim.EnvironmentBrowser(f"envbrowser-{self.moid}")

    def _guestHeartbeatStatus(self) -> str:
        running = self.record.tools and self.record.power_state == POWERED_ON
        return "green" if running else "gray"

    def _parent(self) -> Any:
        return None if self._in_vapp else super()._parent()

    def _parentVApp(self) -> Any:
        return super()._parent() if self._in_vapp else None

    @property
    def _in_vapp(self) -> bool:
        return isinstance(self.world.objects.get(self.parent or ""), VirtualApp)

    def require_connected(self) -> None:
        """Raises InvalidState for a VM that is orphaned, inaccessible, …: nothing can be done."""
        if self.record.connection_state != "connected":
            raise vim.fault.InvalidState(
                msg="The operation is not allowed in the current state of the virtual machine "
                f"({self.record.connection_state})."
            )

    # --- power

    def _set_power(self, expected: str, state: str) -> None:
        if self.record.config.template:
            raise vmodl.fault.NotSupported(msg="A template cannot be powered on or off.")
        if self.record.power_state != expected:
            raise vim.fault.InvalidPowerState(
                requestedState=state,
                existingState=self.record.power_state,
                msg="The attempted operation cannot be performed in the current state "
                f"({self.record.power_state}).",
            )
        with self.frozen_disks():
            if state == POWERED_ON:
                self.stun()
            self.record.power_state = state
            if expected != state:
                self.record.booted_at = codec.utc_now().isoformat() if state == POWERED_ON else None
            self.save()
        kind = "VmPoweredOnEvent" if state == POWERED_ON else "VmPoweredOffEvent"
        self.world.events.post(kind, self, f"{self.name} is {state}")

    def PowerOnVM_Task(self, call: Any, session: Session) -> Any:
        """Power on; change tracking takes effect."""
        return self.world.tasks.start(
            self, "PowerOnVM_Task", session, lambda: self._set_power(POWERED_OFF, POWERED_ON)
        )

    def PowerOffVM_Task(self, call: Any, session: Session) -> Any:
        """Pull the plug."""
        return self.world.tasks.start(
            self, "PowerOffVM_Task", session, lambda: self._set_power(POWERED_ON, POWERED_OFF)
        )

    def ResetVM_Task(self, call: Any, session: Session) -> Any:
        """Reset; the power state stays."""
        return self.world.tasks.start(
            self, "ResetVM_Task", session, lambda: self._set_power(POWERED_ON, POWERED_ON)
        )

    def _guest_operation(self) -> None:
        if self.record.tools is None or self.record.power_state != POWERED_ON:
            raise vim.fault.ToolsUnavailable(msg="VMware Tools are not running in the guest.")

    def ShutdownGuest(self, call: Any, session: Session) -> None:
        """Shut the guest down (at once)."""
        self._guest_operation()
        self._set_power(POWERED_ON, POWERED_OFF)

    def RebootGuest(self, call: Any, session: Session) -> None:
        """Reboot the guest (at once)."""
        self._guest_operation()
        self._set_power(POWERED_ON, POWERED_ON)

    # --- configuration

    def ReconfigVM_Task(self, call: Any, session: Session) -> Any:
        """Change tracking, name, notes, processors, memory, disks."""
        spec = call.spec
        return self.world.tasks.start(
            self, "ReconfigVM_Task", session, lambda: reconfigure.apply(self, spec)
        )

    def rename(self, name: str) -> None:
        """Give the VM another name, stored as vSphere stores it; files keep theirs."""
        with self.world.lock:
            self.name = self.record.config.name = encode_name(name)
            self.save(reconfigured=True)

    def Rename_Task(self, call: Any, session: Session) -> Any:
        """Another name."""
        return self.world.tasks.start(
            self, "Rename_Task", session, lambda: self.rename(call.newName)
        )

    def Destroy_Task(self, call: Any, session: Session) -> Any:
        """Remove the VM and its files."""

        def destroy() -> None:
            if self.record.power_state == POWERED_ON:
                raise vim.fault.InvalidPowerState(
                    requestedState=POWERED_OFF,
                    existingState=POWERED_ON,
                    msg="The VM is powered on.",
                )
            self.forget()

        return self.world.tasks.start(self, "Destroy_Task", session, destroy)

    # --- snapshots and changes

    def CreateSnapshot_Task(self, call: Any, session: Session) -> Any:
        """Freeze the disks; the result is the snapshot."""
        request = snapshots.Request(
            call.name, call.description or "", bool(call.memory), bool(call.quiesce)
        )
        return self.world.tasks.start(
            self, "CreateSnapshot_Task", session, lambda: snapshots.create(self, request)
        )

    def CreateSnapshotEx_Task(self, call: Any, session: Session) -> Any:
        """The same with more details about quiescing, which the lab takes as a request for it."""
        request = snapshots.Request(
            call.name, call.description or "", bool(call.memory), call.quiesceSpec is not None
        )
        return self.world.tasks.start(
            self, "CreateSnapshotEx_Task", session, lambda: snapshots.create(self, request)
        )

    def RemoveAllSnapshots_Task(self, call: Any, session: Session) -> Any:
        """Remove every snapshot."""

        def remove_all() -> None:
            snapshots.remove(self, list(self.record.snapshots))

        return self.world.tasks.start(self, "RemoveAllSnapshots_Task", session, remove_all)

    def RevertToCurrentSnapshot_Task(self, call: Any, session: Session) -> Any:
        """Go back to the newest snapshot."""

        def revert() -> None:
            if self.record.current_snapshot is None:
                raise vim.fault.NotFound(msg="The VM has no current snapshot.")
            snapshots.revert(self, self.record.current_snapshot)

        return self.world.tasks.start(self, "RevertToCurrentSnapshot_Task", session, revert)

    def ConsolidateVMDisks_Task(self, call: Any, session: Session) -> Any:
        """Merge the layers that a failed snapshot removal left behind."""
        return self.world.tasks.start(
            self, "ConsolidateVMDisks_Task", session, lambda: snapshots.consolidate(self)
        )

    def QueryChangedDiskAreas(self, call: Any, session: Session) -> Any:
        """What changed on a disk since a change ID, a page at a time."""
        return changes.query(self, call)
