"""How much of a VM's disks is in use, as vSphere and the guest tell it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from pyVmomi import vim

from contexts.vsphere.collector import read_object
from contexts.vsphere.session import Session


class Usage(NamedTuple):
    """`allocated_bytes`: what the VM takes on its datastores, with what is no disk's (swap
    files, snapshots). `used_bytes`: what the file systems hold of which its VMware
    Tools know; None while they do not run. Of either None: it was not told."""

    allocated_bytes: int | None
    used_bytes: int | None


def usage(session: Session, vm_moref: str) -> Usage:
    """Both change all the time: they are asked for when they are needed. Raises ObjectGone,
    PrivilegeMissing, ConnectionLost."""
    vm = session.object(vim.VirtualMachine, vm_moref)
    doing = f"Reading how much {vm_moref} has stored"
    read = read_object(session, doing, vm, "summary.storage", "guest.disk")
    storage = read.get("summary.storage")
    return Usage(_size(getattr(storage, "committed", None)), _used(read.get("guest.disk") or ()))


def _used(file_systems: Iterable[Any]) -> int | None:
    """None unless every one of them says what it holds."""
    sizes = [(_size(each.capacity), _size(each.freeSpace)) for each in file_systems]
    if not sizes or any(size is None or free is None or free > size for size, free in sizes):
        return None
    return sum((size or 0) - (free or 0) for size, free in sizes)


def _size(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None
