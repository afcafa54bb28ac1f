"""What a vCenter wrote down: whether a VM was reverted to a snapshot."""

from __future__ import annotations

from datetime import datetime, timedelta

from pyVmomi import vim

from contexts.vsphere.devices import utc
from contexts.vsphere.errors import VSphereError
from contexts.vsphere.session import Session

REVERTED = "com.vmware.vc.vm.VmStateRevertedToSnapshot"
_TASK = "vim.event.TaskEvent"
# A task is queued before its snapshot is made, on a busy host long before.
_BEFORE = timedelta(minutes=30)


def reverted_since(session: Session, vm_moref: str, taken_at: datetime) -> bool | None:
    """Whether the VM was reverted after a snapshot that was made at `taken_at` (by the vCenter's
    clock); None when the events do not reach back to that snapshot, or cannot be read.

    They reach back when they have the task that made it: vCenter keeps events for some time only,
    and a lone host until it restarts. Raises what is transient: ConnectionLost and the like.
    """
    manager = session.content.eventManager
    if manager is None:
        return None
    spec = vim.event.EventFilterSpec
    wanted = spec(
        entity=spec.ByEntity(entity=session.object(vim.VirtualMachine, vm_moref), recursion="self"),
        time=spec.ByTime(beginTime=taken_at - _BEFORE),
        eventTypeId=[REVERTED, _TASK],
    )
    doing = f"Reading the events of {vm_moref}"
    try:
        events = session.invoke(doing, lambda: manager.QueryEvents(wanted))
    except VSphereError as error:
        if error.transient:
            raise
        return None
    reaches_back = False
    for event in events or ():
        at = utc(event.createdTime)
        if at is None:
            continue
        if at > taken_at and _is_revert(event):
            return True
        reaches_back = reaches_back or (at <= taken_at and "createsnapshot" in _operation(event))
    return False if reaches_back else None


def _is_revert(event: object) -> bool:
    return getattr(event, "eventTypeId", None) == REVERTED or "revert" in _operation(event)


def _operation(event: object) -> str:
    """What a TaskEvent's task does, in lower case."""
    info = getattr(event, "info", None)
    return str(getattr(info, "descriptionId", "") or "").lower()
