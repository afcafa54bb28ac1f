"""Changed block tracking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pyVmomi import vim

from contexts.vsphere.errors import CbtFault
from contexts.vsphere.session import Session
from contexts.vsphere.tasks import RECONFIGURE_SECONDS, RunningTask, running_task, wait_for_task
from contexts.vsphere.verdicts import Activity

# Asking for all allocated areas of a big disk makes the host read the file system's metadata.
_QUERY_SECONDS = 600.0

# With more areas than this, comparing the whole disk is less work.
_MOST_AREAS = 2_000_000
_MOST_PAGES = 100_000

_READ_WHOLE = "vmrep has to read or compare the whole disk."


def enable(session: Session, vm_moref: str, on_wait: Callable[[], None] | None = None) -> None:
    """Switch changed block tracking on and wait. It takes effect at the next stun (a snapshot).

    The caller has made sure that the VM has no snapshots: with them vSphere may answer later
    queries wrongly and silently. Raises TaskFailed, PrivilegeMissing, ObjectGone, ConnectionLost
    (asking again is safe), and TaskStillRunning after RECONFIGURE_SECONDS.
    """
    _switch(session, vm_moref, f"Enabling changed block tracking on {vm_moref}", True, on_wait)


def disable(session: Session, vm_moref: str, on_wait: Callable[[], None] | None = None) -> None:
    """Switch changed block tracking off, and wait. It ends at the next stun (a snapshot); nobody
    can use what it recorded until then. Raises as `enable` does."""
    _switch(session, vm_moref, f"Disabling changed block tracking on {vm_moref}", False, on_wait)


def _switch(
    session: Session, vm_moref: str, doing: str, on: bool, on_wait: Callable[[], None] | None
) -> None:
    vm = session.object(vim.VirtualMachine, vm_moref)
    spec = vim.vm.ConfigSpec(changeTrackingEnabled=on)
    activity = Activity.ENABLING_TRACKING
    task = session.invoke(doing, lambda: vm.ReconfigVM_Task(spec), repeat=False, activity=activity)
    wait_for_task(
        session,
        str(task._moId),
        doing,
        on_wait,
        patience_seconds=RECONFIGURE_SECONDS,
        activity=activity,
    )


def running_reconfiguration(session: Session, vm_moref: str) -> RunningTask | None:
    """A reconfiguration of the VM that has not ended yet: it may be the one that enables this."""
    return running_task(session, vm_moref, "reconfigure")


def changed_areas(
    session: Session,
    vm_moref: str,
    snapshot_moref: str,
    device_key: int,
    capacity_bytes: int,
    change_id: str,
    on_page: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, int]]:
    """(offset, length) in bytes of what changed between `change_id` and the snapshot.

    With change_id "*": of what is allocated. They are as vSphere gives them: of any size, possibly
    unsorted or overlapping; the caller checks bounds. vSphere is asked page by page up to the
    disk's capacity; an empty page says nothing about what follows, and at the capacity itself
    vSphere answers InvalidArgument, so it is never asked there. `on_page` is told how many areas
    each page has.

    Raises CbtFault when tracking cannot answer (the disk has to be read or compared whole), which
    is every fault that does not come from a busy VM or an unreachable host; ObjectGone,
    ConnectionLost and others as usual.
    """
    vm = session.object(vim.VirtualMachine, vm_moref)
    snapshot = session.object(vim.vm.Snapshot, snapshot_moref)
    doing = f"Asking for the changed areas of disk {device_key} of {vm_moref}"
    offset = areas = pages = 0
    while offset < capacity_bytes:
        page = _page(
            session,
            doing,
            partial(vm.QueryChangedDiskAreas, snapshot, device_key, offset, change_id),
        )
        reached = _require_progress(doing, page, offset)
        areas, pages = areas + len(page.changedArea), pages + 1
        if areas > _MOST_AREAS or pages > _MOST_PAGES:
            raise CbtFault(
                f"{doing}: {areas:,} areas in {pages:,} pages, and there are more. {_READ_WHOLE}",
                fault="TooMany",
            )
        if on_page is not None:
            on_page(len(page.changedArea))
        yield from ((int(area.start), int(area.length)) for area in page.changedArea)
        offset = reached


def _page(session: Session, doing: str, query: Callable[[], Any]) -> Any:
    """One answer, a vim.vm.DiskChangeInfo."""
    try:
        return session.invoke(
            doing, query, timeout=_QUERY_SECONDS, activity=Activity.ASKING_CHANGED_AREAS
        )
    except CbtFault as error:
        raise CbtFault(f"{error} {_READ_WHOLE}", fault=error.fault) from error


def _require_progress(doing: str, page: Any, offset: int) -> int:
    """Where a page ends that begins at the offset asked for, or before it, and ends after it."""
    begin, end = int(page.startOffset), int(page.startOffset) + int(page.length)
    if begin > offset:
        raise CbtFault(
            f"{doing}: the answer for offset {offset} begins at {begin}, so the gap is unknown. "
            f"{_READ_WHOLE}",
            fault="Gap",
        )
    if end <= offset:
        raise CbtFault(
            f"{doing}: the answer for offset {offset} ends at {end}, so the query would never end. "
            f"{_READ_WHOLE}",
            fault="NoProgress",
        )
    return end
