"""The client of the control surface, for tests, demo and bench."""

from __future__ import annotations

import base64
import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vmrep.lab.errors import ControlError


class LabControl:
    """A client of the control surface; methods and arguments as in `verbs.Verbs`.

    Raises ControlError with the lab's own words, ConnectionError when the lab does not answer."""

    def __init__(self, url: str, timeout_seconds: float = 300.0) -> None:
        self._address = urlsplit(url).netloc
        self._timeout = timeout_seconds

    def call(self, verb: str, **arguments: Any) -> Any:
        """Call any verb."""
        connection = http.client.HTTPConnection(self._address, timeout=self._timeout)
        try:
            connection.request("POST", f"/{verb}", json.dumps(arguments))
            response = connection.getresponse()
            value = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ControlError(value["error"], status=response.status)
        return value

    def list_vms(self) -> list[dict[str, Any]]:
        """All VMs with their disks and snapshots."""
        found: list[dict[str, Any]] = self.call("list_vms")
        return found

    def read(self, vm: str, device_key: int, offset: int, length: int) -> bytes:
        """What the guest sees."""
        value = self.call("read", vm=vm, device_key=device_key, offset=offset, length=length)
        return base64.b64decode(value["data"])

    def write(self, vm: str, device_key: int, offset: int, data: bytes) -> None:
        """Let the guest write."""
        encoded = base64.b64encode(data).decode()
        self.call("write", vm=vm, device_key=device_key, offset=offset, data=encoded)

    def fill(self, vm: str, device_key: int, offset: int, length: int, seed: int | str = 0) -> None:
        """Let the guest write bytes that follow from a seed."""
        self.call(
            "fill", vm=vm, device_key=device_key, offset=offset, length=length, seed=str(seed)
        )

    def fail(
        self,
        method: str,
        nth: int = 1,
        fault: str = "SystemError",
        times: int = 1,
        message: str = "injected by the lab",
        *,
        in_task: bool = False,
    ) -> None:
        """Make the n-th call from now on fail; for `GET /folder` the fault is a status."""
        self.call(
            "fail",
            method=method,
            nth=nth,
            fault=fault,
            times=times,
            message=message,
            in_task=in_task,
        )

    def drop_connection(self, method: str, nth: int = 1, times: int = 1) -> None:
        """Cut the connection in the middle of an answer."""
        self.call("drop_connection", method=method, nth=nth, times=times)

    def delay(self, method: str, seconds: float, after: int = 0) -> None:
        """Delay every call of a method except the first `after`."""
        self.call("delay", method=method, seconds=seconds, after=after)

    def clear_faults(self) -> None:
        """Forget all faults, drops, delays and denied privileges."""
        self.call("clear_faults")

    def deny_privilege(
        self, privilege: str, on: bool = True, vm: str = "", where: str = ""
    ) -> None:
        """Take a privilege away from everyone, everywhere or on one VM or object, or give it
        back."""
        self.call("deny_privilege", privilege=privilege, on=on, vm=vm, where=where)

    def hide_object(self, where: str, on: bool = True) -> None:
        """Let an object alone be one that the account may not see."""
        self.call("hide_object", where=where, on=on)

    def set_password(self, password: str) -> None:
        """Another password for the account; it is unlocked."""
        self.call("set_password", password=password)

    def limit_logins(self, sessions: int = 0, lock_after: int = 0) -> None:
        """How many sessions at once, and after how many wrong passwords the account is locked."""
        self.call("limit_logins", sessions=sessions, lock_after=lock_after)

    def logins(self) -> dict[str, Any]:
        """How many logins were tried and refused; how many sessions are open; a lock."""
        found: dict[str, Any] = self.call("logins")
        return found

    def rebuild_vcenter(self, instance_uuid: str = "", new_vm_uuids: bool = False) -> str:
        """Another vCenter at the same address with the same VMs. Returns its instance UUID."""
        made = self.call("rebuild_vcenter", instance_uuid=instance_uuid, new_vm_uuids=new_vm_uuids)
        return str(made["instance_uuid"])

    def set_descriptor(self, vm: str, device_key: int, data: bytes = b"") -> None:
        """Serve these bytes as a disk's descriptor; none: the lab's own."""
        encoded = base64.b64encode(data).decode()
        self.call("set_descriptor", vm=vm, device_key=device_key, data=encoded)

    def expire_sessions(self) -> int:
        """End all sessions. Returns how many there were."""
        return int(self.call("expire_sessions")["expired"])

    def reset_cbt(self, vm: str) -> None:
        """Begin a new change-tracking epoch on all of a VM's tracked disks."""
        self.call("reset_cbt", vm=vm)

    def lie_about_changes(self, vm: str, device_key: int, lie: str = "") -> None:
        """Let QueryChangedDiskAreas tell something untrue or odd of a disk."""
        self.call("lie_about_changes", vm=vm, device_key=device_key, lie=lie)

    def begin_tracking_late(self, late: bool = True) -> None:
        """Let the snapshot at which change tracking begins have no change IDs."""
        self.call("begin_tracking_late", late=late)

    def lose_tracking(self, vm: str, device_key: int) -> None:
        """Let a disk have no change ID until tracking is reset."""
        self.call("lose_tracking", vm=vm, device_key=device_key)

    def forget_events(self) -> None:
        """Let vCenter have no events from before this moment."""
        self.call("forget_events")

    def set_host_clock(self, ahead_seconds: float) -> None:
        """Let the clocks of the hosts, which date snapshots, differ from the vCenter's."""
        self.call("set_host_clock", ahead_seconds=ahead_seconds)

    def keep_storage(self, vm: str) -> None:
        """Keep the VM's files as they are."""
        self.call("keep_storage", vm=vm)

    def roll_back_storage(self, vm: str) -> None:
        """Bring the kept files of a VM back below vSphere."""
        self.call("roll_back_storage", vm=vm)

    def refuse_snapshot_removal(self, vm: str, on: bool = True) -> None:
        """Make removals of the VM's snapshots fail."""
        self.call("refuse_snapshot_removal", vm=vm, on=on)

    def unlist_snapshots(self, vm: str, on: bool = True) -> None:
        """Let the VM list none of its snapshots."""
        self.call("unlist_snapshots", vm=vm, on=on)

    def leave_consolidation(self, vm: str, on: bool = True, *, told: bool = True) -> None:
        """Let removed snapshots leave their files behind; the VM says so, or does not."""
        self.call("leave_consolidation", vm=vm, on=on, told=told)

    def refuse_consolidation(self, vm: str, on: bool = True) -> None:
        """Let consolidations of the VM's disks fail."""
        self.call("refuse_consolidation", vm=vm, on=on)

    def set_datastore(self, datastore: str, kind: str) -> None:
        """Change a datastore's type (as in a scenario: vmfs, nfs, vsan, …)."""
        self.call("set_datastore", datastore=datastore, kind=kind)

    def set_folder(self, ranges: bool = True, bytes_per_second: int = 0) -> None:
        """Whether datastore files are served in parts, and how fast (0: no limit)."""
        self.call("set_folder", ranges=ranges, bytes_per_second=bytes_per_second)

    def set_nfc(self, sessions: int = 16, ticket_seconds: float = 120.0) -> None:
        """How many NFC sessions each host has at once, and how long tickets are good."""
        self.call("set_nfc", sessions=sessions, ticket_seconds=ticket_seconds)

    def state_thumbprint(self, host: str, thumbprint: str = "") -> None:
        """Let tickets say another thumbprint than the host's own; without one, the true one."""
        self.call("state_thumbprint", host=host, thumbprint=thumbprint)

    def renew_certificate(self, host: str = "", *, told: bool = True) -> None:
        """Give the vCenter, or a host, another certificate; tickets name it, or the old one."""
        self.call("renew_certificate", host=host, told=told)

    def vmotion(self, vm: str, host: str) -> None:
        """Let a VM run on another host from now on."""
        self.call("vmotion", vm=vm, host=host)

    def set_host(self, host: str, state: str = "connected") -> None:
        """Let a host be connected, in maintenance, disconnected or notResponding."""
        self.call("set_host", host=host, state=state)

    def cut_nfc(self, host: str) -> int:
        """Cut all NFC connections to a host. Returns how many there were."""
        return int(self.call("cut_nfc", host=host)["cut"])

    def reset_meters(self) -> None:
        """Forget what was counted."""
        self.call("reset_meters")

    def sessions_at_once(self) -> dict[str, dict[str, int]]:
        """By host: how many NFC sessions are there `now`, and were at `most`."""
        found: dict[str, dict[str, int]] = self.call("sessions_at_once")
        return found

    def snapshots_at_once(self) -> dict[str, dict[str, int]]:
        """By datastore: how many snapshots are there `now`, and were at `most`."""
        found: dict[str, dict[str, int]] = self.call("snapshots_at_once")
        return found

    def served(self) -> dict[str, list[int]]:
        """By way (`folder`, `nfc`): the bytes of each second since the meters were reset."""
        found: dict[str, list[int]] = self.call("served")
        return found

    def when_taken(self) -> list[dict[str, str]]:
        """The snapshots taken since the meters were reset, removed ones as well: `vm`, `snapshot`,
        `name`, and `at` which moment (ISO 8601)."""
        found: list[dict[str, str]] = self.call("when_taken")
        return found

    def limit_snapshots(self, datastore: str, most: int = -1) -> None:
        """Let a datastore have no room for more snapshots than that; -1: for any number."""
        self.call("limit_snapshots", datastore=datastore, most=most)

    def keep_snapshots(self, on: bool = True) -> None:
        """Keep the content of snapshots when they are removed."""
        self.call("keep_snapshots", on=on)

    def kept_content(self, snapshot_ref: str, device_key: int) -> Path:
        """A raw file with a snapshot's content (removed and kept, or still open)."""
        return Path(self.call("kept_content", snapshot=snapshot_ref, device_key=device_key)["path"])

    def forget_kept(self, snapshot_ref: str = "") -> int:
        """Remove the kept content of a snapshot, or of all. Returns how many files."""
        return int(self.call("forget_kept", snapshot=snapshot_ref)["removed"])

    def live_content(self, vm: str, device_key: int) -> Path:
        """A raw file with what the guest sees now."""
        return Path(self.call("live_content", vm=vm, device_key=device_key)["path"])

    def rename(self, vm: str, name: str) -> None:
        """Give a VM another name."""
        self.call("rename", vm=vm, name=name)

    def destroy(self, vm: str) -> None:
        """Remove a VM with its files."""
        self.call("destroy", vm=vm)

    def set_addresses(self, vm: str, addresses: list[str]) -> None:
        """Give a VM's first network adapter other addresses."""
        self.call("set_addresses", vm=vm, addresses=addresses)

    def move(self, vm: str, folder: str, datacenter: str = "", datastore: str = "") -> None:
        """Move a VM to another folder, datacenter or datastore."""
        self.call("move", vm=vm, folder=folder, datacenter=datacenter, datastore=datastore)

    def unregister(self, vm: str) -> str:
        """Take a VM out of the inventory. Returns the path by which to register it again."""
        return str(self.call("unregister", vm=vm)["path"])

    def register(self, path: str) -> str:
        """Bring an unregistered VM back. Returns its new reference."""
        return str(self.call("register", path=path)["moref"])

    def reregister(self, vm: str) -> str:
        """Unregister a VM and register it again. Returns its new reference."""
        return str(self.call("reregister", vm=vm)["moref"])

    def clone(self, vm: str, name: str) -> dict[str, Any]:
        """Copy a VM. Returns the copy's moref, name and instance_uuid."""
        made: dict[str, Any] = self.call("clone", vm=vm, name=name)
        return made

    def set_instance_uuid(self, vm: str, instance_uuid: str = "") -> str | None:
        """Give a VM another instance UUID (empty: a new one, "none": none). Returns it."""
        found: str | None = self.call("set_instance_uuid", vm=vm, instance_uuid=instance_uuid)[
            "instance_uuid"
        ]
        return found

    def configure(self, vm: str, **values: Any) -> None:
        """Set values of a VM, by the names that scenarios use."""
        self.call("configure", vm=vm, values=values)

    def set_adapter(self, vm: str, device_key: int, **values: Any) -> None:
        """Set values of a network adapter."""
        self.call("set_adapter", vm=vm, device_key=device_key, values=values)

    def set_disk(self, vm: str, device_key: int, **values: Any) -> None:
        """Set values of a disk."""
        self.call("set_disk", vm=vm, device_key=device_key, values=values)

    def hide(self, vm: str, paths: list[str]) -> None:
        """Make these property paths of a VM, and no others, look unset."""
        self.call("hide", vm=vm, paths=paths)

    def odd_property(self, entity: str, path: str, xml: str = "") -> None:
        """Answer this XML, unchecked, in place of a property's `<val>`."""
        self.call("odd_property", entity=entity, path=path, xml=xml)

    def refuse_property(
        self, entity: str, path: str, fault: str = "NoPermission", message: str = ""
    ) -> None:
        """Answer a fault of any class for one property of an object."""
        self.call("refuse_property", entity=entity, path=path, fault=fault, message=message)

    def vanish_when_read(self, vm: str, whole_call: bool = True) -> None:
        """Remove a VM at the moment when it is about to be answered."""
        self.call("vanish_when_read", vm=vm, whole_call=whole_call)

    def spoil_reading(
        self, entity: str, fault: str = "SystemError", message: str = "", about: str = ""
    ) -> None:
        """End every call that would tell of an object in a fault; a ManagedObjectNotFound may be
        `about` another one."""
        self.call("spoil_reading", entity=entity, fault=fault, message=message, about=about)

    def lie_about_tasks(self, method: str, lie: str, times: int = 1) -> None:
        """Tell untruly of the next tasks of a method; `lie` is one of `world.tasks.LIES`."""
        self.call("lie_about_tasks", method=method, lie=lie, times=times)

    def clear_odd_properties(self) -> None:
        """Make all properties answer as usual again."""
        self.call("clear_odd_properties")

    def other_backups(self, seconds: float = 0.0) -> None:
        """Let another backup product take and remove snapshots this often; 0 ends it."""
        self.call("other_backups", seconds=seconds)

    def move_disk(self, vm: str, device_key: int, controller: str) -> int:
        """Attach a disk to another controller. Returns its new device key."""
        moved = self.call("move_disk", vm=vm, device_key=device_key, controller=controller)
        return int(moved["device_key"])

    def take_snapshot(self, vm: str, name: str) -> str:
        """Take a snapshot that is not vmrep's. Returns its reference."""
        return str(self.call("take_snapshot", vm=vm, name=name)["snapshot"])

    def link_clone(self, vm: str, name: str, snapshot: str) -> dict[str, Any]:
        """A linked clone of a VM. Returns its moref, name and instance_uuid."""
        made: dict[str, Any] = self.call("link_clone", vm=vm, name=name, snapshot=snapshot)
        return made

    def revert(self, vm: str, snapshot: str) -> None:
        """Make a VM what it was at one of its snapshots."""
        self.call("revert", vm=vm, snapshot=snapshot)

    def remove_snapshot(self, vm: str, snapshot: str) -> None:
        """Remove one snapshot of a VM."""
        self.call("remove_snapshot", vm=vm, snapshot=snapshot)

    def remove_snapshots(self, vm: str) -> None:
        """Remove all snapshots of a VM."""
        self.call("remove_snapshots", vm=vm)

    def set_task_delay(self, seconds: float) -> None:
        """The least time that every task takes."""
        self.call("set_task_delay", seconds=seconds)

    def set_pages(self, extents: int = 2000, span_bytes: int = 0) -> None:
        """How much a page of QueryChangedDiskAreas lists and covers."""
        self.call("set_pages", extents=extents, span_bytes=span_bytes)
