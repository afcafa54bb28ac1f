"""Events: what vCenter writes down of what happened, and how a client asks for it.

Every task is a TaskEvent when it begins; power changes and reverts have events of their own. A
vCenter keeps them (in the lab the newest `MOST_KEPT`); a lone host forgets them when it restarts,
as `hostd` does. A VM that is registered again has a new reference, and so no past.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyVmomi import vim, vmodl

from vmrep.lab.soap import codec
from vmrep.lab.world.objects import Entity, Managed, World, invalid_argument

if TYPE_CHECKING:
    from vmrep.lab.soap.sessions import Session

KIND = "event"
MOST_KEPT = 10_000
MOST_ANSWERED = 1000  # of one QueryEvents, and of one page of a collector
REVERTED = "com.vmware.vc.vm.VmStateRevertedToSnapshot"


class EventManager(Managed):
    """Keeps events, and answers who asks for them."""

    type = vim.event.EventManager
    volatile = True

    def __init__(self, world: World, moid: str) -> None:
        super().__init__(world, moid)
        self._events: list[Any] = []
        self._collectors = 0
        world.events = self
        if not world.product.has_instance_uuid:
            world.store.delete_all(KIND)
        self._events = [_event(world, record) for record in world.store.all(KIND)]
        self._number = max((event.key for event in self._events), default=0)

    def post(self, kind: str, entity: Entity, message: str, **details: Any) -> None:
        """Write an event about an entity down: a class of `vim.event`, or an EventEx by its ID."""
        with self.world.changed:
            self._number += 1
            record = {
                "key": self._number,
                "kind": kind,
                "entity": entity.moid,
                "is_vm": issubclass(entity.type, vim.VirtualMachine),
                "name": entity.name,
                "at": codec.utc_now().isoformat(),
                "message": message,
                "details": details,
            }
            self.world.store.put(KIND, str(self._number), record)
            self._events.append(_event(self.world, record))
            while len(self._events) > MOST_KEPT:
                self.world.store.delete(KIND, str(self._events.pop(0).key))

    def forget(self) -> None:
        """Drop all events, as when they become too old."""
        with self.world.changed:
            self._events.clear()
            self.world.store.delete_all(KIND)

    def _latestEvent(self) -> Any:
        return self._events[-1] if self._events else None

    def _maxCollector(self) -> int:
        return 1000

    def found(self, wanted: Any) -> list[Any]:
        """The events that a filter lets through, oldest first."""
        with self.world.lock:
            return [event for event in self._events if _fits(event, wanted, self.world)]

    def QueryEvents(self, call: Any, session: Session) -> list[Any]:
        """The newest of the events that fit, oldest first."""
        found = self.found(call.filter)
        most = min(call.filter.maxCount or MOST_ANSWERED, MOST_ANSWERED)
        return found[-most:]

    def CreateCollectorForEvents(self, call: Any, session: Session) -> Any:
        """A collector, which reads the events that fit in pages."""
        self._collectors += 1
        moid = f"session[{session.key}]{self._collectors}"
        return EventHistoryCollector(self.world, moid, lambda: self.found(call.filter)).ref


class EventHistoryCollector(Managed):
    """Reads events in pages; `latestPage` has the newest, newest first."""

    type = vim.event.EventHistoryCollector
    volatile = True

    def __init__(self, world: World, moid: str, find: Callable[[], list[Any]]) -> None:
        super().__init__(world, moid)
        self._find = find
        self._page, self._at = 10, 0

    def _latestPage(self) -> list[Any]:
        return self._find()[-self._page :][::-1]

    def SetCollectorPageSize(self, call: Any, session: Session) -> None:
        """How many events `latestPage` has."""
        if not 1 <= call.maxCount <= MOST_ANSWERED:
            raise invalid_argument("maxCount")
        self._page = call.maxCount

    def RewindCollector(self, call: Any, session: Session) -> None:
        """Go to the oldest event."""
        self._at = 0

    def ReadNextEvents(self, call: Any, session: Session) -> list[Any]:
        """The next events, oldest first; none at the end."""
        found = self._find()[self._at : self._at + min(call.maxCount, MOST_ANSWERED)]
        self._at += len(found)
        return found

    def DestroyCollector(self, call: Any, session: Session) -> None:
        """Forget the collector."""
        self.world.remove(self)


def _event(world: World, record: dict[str, Any]) -> Any:
    """The event of a record."""
    kind, details = record["kind"], record["details"]
    values: dict[str, Any] = {
        "key": record["key"],
        "chainId": record["key"],
        "createdTime": datetime.datetime.fromisoformat(record["at"]),
        "userName": details.get("user", ""),
        "fullFormattedMessage": record["message"],
    }
    if record["is_vm"]:
        values["vm"] = vim.event.VmEventArgument(
            name=record["name"], vm=vim.VirtualMachine(record["entity"])
        )
    if kind == "TaskEvent":
        info = codec.make(
            vim.TaskInfo,
            key=details["task"],
            task=vim.Task(details["task"]),
            descriptionId=details["description"],
            entity=vim.ManagedEntity(record["entity"]),
            entityName=record["name"],
            state="queued",
            cancelled=False,
            cancelable=False,
            queueTime=values["createdTime"],
            eventChainId=record["key"],
            reason=vim.TaskReasonUser(userName=details.get("user", "")),
        )
        return vim.event.TaskEvent(**values, info=info)
    if "." in kind:
        arguments = [vmodl.KeyAnyValue(key=key, value=str(value)) for key, value in details.items()]
        return vim.event.EventEx(
            **values,
            eventTypeId=kind,
            severity="info",
            arguments=arguments,
            objectId=record["entity"],
            objectType=vim.VirtualMachine,
            objectName=record["name"],
        )
    return codec.make(getattr(vim.event, kind), **values)


def type_id(event: Any) -> str:
    """The ID that filters name an event's type by."""
    own = getattr(event, "eventTypeId", None)
    return str(own) if own else f"vim.event.{type(event).__name__.rpartition('.')[2]}"


def _fits(event: Any, wanted: Any, world: World) -> bool:
    if wanted.entity is not None and not _about(event, wanted.entity, world):
        return False
    if wanted.time is not None:
        begin, end = wanted.time.beginTime, wanted.time.endTime
        if begin is not None and event.createdTime < begin:
            return False
        if end is not None and event.createdTime > end:
            return False
    names = [str(name) for name in wanted.eventTypeId]
    return not names or type_id(event) in names


def _about(event: Any, wanted: Any, world: World) -> bool:
    about = event.vm.vm._moId if event.vm is not None else None
    if about == wanted.entity._moId:
        return str(wanted.recursion) != "children"
    if str(wanted.recursion) == "self" or about is None:
        return False
    entity = world.objects.get(about)
    above = {a.moid for a in entity.ancestors()} if isinstance(entity, Entity) else set()
    return wanted.entity._moId in above
