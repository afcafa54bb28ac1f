"""Tasks: what long operations return, to be waited for and asked about.

Each task runs in a separate thread; tasks on one entity run one after the other. Finished tasks
are kept for ten minutes, as vCenter keeps them in `recentTask`. Tasks do not survive a restart.
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyVmomi import vim, vmodl
from pyVmomi.VmomiSupport import GetWsdlMethod

from vmrep.lab.control.injection import TASK_FAULT
from vmrep.lab.soap import codec
from vmrep.lab.world.objects import Entity, Managed, World

if TYPE_CHECKING:
    from vmrep.lab.soap.sessions import Session

log = logging.getLogger(__name__)

KEPT_SECONDS = 600
ON_SNAPSHOTS = {"RemoveSnapshot_Task", "RevertToSnapshot_Task"}


# How a task may be told of untruly, or not at all; each was reported of real servers.
LIES = {
    "failed": "its work is done, but it ends in an error",
    "done": "it succeeds at once, but nothing was done",
    "unnamed": "it has neither a name nor an operation",
    "silent": "who waits for its end never hears of it",
    "untold": "its info is unset",
}


class Task(Managed):
    """A task and its TaskInfo, which is replaced, never changed in place. `lie` is one of LIES."""

    type = vim.Task

    def __init__(self, world: World, moid: str, info: Any, entity: str, lie: str = "") -> None:
        self.info = info
        self.entity = entity
        self.lie = lie
        super().__init__(world, moid)
        info.task = self.ref

    def _info(self) -> Any:
        return self.info

    def get(self, path: str, session: Session | None = None) -> Any:
        """As the truth has it, or the task's lie."""
        if self.lie == "untold" and path == "info":
            return None
        return super().get(path, session)

    def update(self, **changes: Any) -> None:
        """Set fields of the info and tell those who wait."""
        with self.world.changed:
            self.info = codec.copied(self.info, **changes)
            self.touch()

    def CancelTask(self, call: Any, session: Session) -> None:
        """No operation of the lab can be cancelled, just as few of vCenter's can."""
        raise vmodl.fault.NotSupported(msg="The task is not cancelable.")


def _description(entity: Entity, name: str, method: str) -> str:
    """The task's kind as vCenter names it, such as `VirtualMachine.createSnapshot`."""
    owner = "vm.Snapshot" if method in ON_SNAPSHOTS else entity.type._wsdlName
    return f"{owner}.{name[0].lower()}{name[1:]}"


class Tasks:
    """Starts tasks and remembers the recent ones."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._threads: set[threading.Thread] = set()
        self.lies: dict[str, tuple[str, int]] = {}  # by method: which, and how often

    def start(self, entity: Entity, method: str, session: Session, work: Callable[[], Any]) -> Any:
        """Run `work` as a task on an entity. Returns the task's reference.

        `work` may raise a vSphere fault, which becomes the task's error."""
        moid = f"task-{self.world.estate.boots * 1_000_000 + int(self._next())}"
        managed_method = GetWsdlMethod(codec.NAMESPACE, method)
        info = codec.make(
            vim.TaskInfo,
            key=moid,
            task=vim.Task(moid),
            name=managed_method,
            descriptionId=_description(entity, managed_method.info.name, method),
            entity=entity.ref,
            entityName=entity.name,
            state="queued",
            cancelled=False,
            cancelable=False,
            queueTime=codec.utc_now(),
            eventChainId=0,
            reason=vim.TaskReasonUser(userName=session.user),
        )
        lie = self._lie(method)
        if lie == "unnamed":
            info.name, info.descriptionId = None, ""
        with self.world.changed:
            self._forget_old()
            task = Task(self.world, moid, info, entity.moid, lie)
            entity.touch()
            self.world.events.post(
                "TaskEvent",
                entity,
                f"Task: {info.descriptionId}",
                task=moid,
                description=info.descriptionId,
                user=session.user,
            )
        thread = threading.Thread(
            target=self._run, args=(task, entity, method, work), name=moid, daemon=True
        )
        self._threads.add(thread)
        thread.start()
        return task.ref

    def _lie(self, method: str) -> str:
        """The lie about this task of the method's, if there is to be one."""
        with self.world.lock:
            lie, left = self.lies.pop(method, ("", 0))
            if left > 1:
                self.lies[method] = lie, left - 1
        return lie

    def _next(self) -> int:
        with self.world.lock:
            count = getattr(self, "_count", 0) + 1
            self._count = count
        return count

    def _run(self, task: Task, entity: Entity, method: str, work: Callable[[], Any]) -> None:
        try:
            # To its end: the next task on this entity begins when this one is seen to have ended.
            with entity.task_lock:
                task.update(state="running", startTime=codec.utc_now(), progress=0)
                outcome = self._outcome(task, entity, method, work)
                task.update(**outcome, completeTime=codec.utc_now())
        finally:
            self._threads.discard(threading.current_thread())

    def _outcome(
        self, task: Task, entity: Entity, method: str, work: Callable[[], Any]
    ) -> dict[str, Any]:
        """Do the work; returns what the task's info says about its end."""
        try:
            time.sleep(self.world.estate.task_delay_seconds)
            self.world.injection.wait(method)
            rule = self.world.injection.take(method, TASK_FAULT)
            if rule:
                raise codec.fault_named(rule.fault, rule.message)
            result = None if task.lie == "done" else work()
            if task.lie == "failed":
                raise vmodl.fault.SystemError(msg="A general system error occurred: timed out")
            return {"state": "success", "result": result, "progress": 100}
        except vmodl.MethodFault as fault:
            log.info("%s %s on %s failed: %s", task.moid, method, entity.moid, fault.msg)
            return {"state": "error", "error": fault}
        except Exception as error:
            log.exception("%s %s on %s", task.moid, method, entity.moid)
            unexpected = vmodl.fault.SystemError(
                reason=repr(error), msg=f"A general system error occurred: {error!r}"
            )
            return {"state": "error", "error": unexpected}

    def _all(self) -> list[Task]:
        return self.world.of_type(Task)

    def _forget_old(self) -> None:
        limit = codec.utc_now() - datetime.timedelta(seconds=KEPT_SECONDS)
        for task in self._all():
            if task.info.completeTime and task.info.completeTime < limit:
                self.world.remove(task)

    def recent(self, entity: str | None = None) -> list[Any]:
        """References of the tasks on an entity (or on any), oldest first."""
        with self.world.lock:
            return [t.ref for t in self._all() if entity in (None, t.entity)]

    def drain(self, timeout_seconds: float) -> None:
        """Wait for running tasks, so that a clean stop leaves nothing half done."""
        deadline = time.monotonic() + timeout_seconds
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))


class TaskManager(Managed):
    """The list of recent tasks."""

    type = vim.TaskManager
    volatile = True

    def _recentTask(self) -> list[Any]:
        return self.world.tasks.recent()
