"""What a vCenter wrote down: whether a VM was reverted to a snapshot."""

from __future__ import annotations

from datetime import datetime, timedelta

from pyVmomi import vim

from contexts.vsphere.devices import utc
from contexts.vsphere.errors import VSphereError
from contexts.vsphere.session import Session

REVERTED = "com.vmware.vc.vm.VmStateRevertedToSnapshot"
_TASK = "vim.event.TaskEvent"
# The snapshot was asked for earlier, on a busy host long before.
_BEFORE = timedelta(minutes=30)
_MOST = 1000  # servers answer no more at once, and do not say that there are others


def reverted_since(
    session: Session, vm_moref: str, known_at: datetime, *, asked_at: datetime
) -> bool | None:
    """Whether the VM was reverted after `known_at` (by the vCenter's clock, after a snapshot that
    was asked for at `asked_at`, by another clock); None when the events do not reach back that far,
    are too many, or cannot be read.

    They reach back when they have the task that made the snapshot: vCenter keeps events for some
    time only, and a lone host until it restarts. Raises what is transient: ConnectionLost and the
    like.
    """
    manager = session.content.eventManager
    if manager is None:
        return None
    spec = vim.event.EventFilterSpec
    wanted = spec(
        entity=spec.ByEntity(entity=session.object(vim.VirtualMachine, vm_moref), recursion="self"),
        time=spec.ByTime(beginTime=min(known_at, asked_at) - _BEFORE),
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
        if at > known_at and _is_revert(event):
            return True
        reaches_back = reaches_back or (at <= known_at and "createsnapshot" in _operation(event))
    return False if reaches_back and len(events) < _MOST else None


def _is_revert(event: object) -> bool:
    return getattr(event, "eventTypeId", None) == REVERTED or "revert" in _operation(event)


def _operation(event: object) -> str:
    """What a TaskEvent's task does, in lower case."""
    info = getattr(event, "info", None)
    return str(getattr(info, "descriptionId", "") or "").lower()
