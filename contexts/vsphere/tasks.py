"""Waiting for vSphere's tasks, and finding those that are running."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from pyVmomi import vim

from contexts.vsphere.collector import Collector, Found, read_object, read_related
from contexts.vsphere.devices import utc
from contexts.vsphere.errors import (
    ConnectionLost,
    ConnectionRefused,
    NameServiceAway,
    TaskFailed,
    TaskStillRunning,
    VSphereError,
    VSphereFault,
)
from contexts.vsphere.faults import task_error, understanding
from contexts.vsphere.session import Session
from contexts.vsphere.verdicts import Activity

_WAIT_SECONDS = 2
_PAUSE_SECONDS = 1.0
_OUTAGE_SECONDS = 300.0

# How long to wait for each kind of task at a stretch. Tasks take longer where the storage is slow
# or the VM writes a lot; then whoever waits does something else before looking again.
RECONFIGURE_SECONDS = 300.0
CREATE_SNAPSHOT_SECONDS = 900.0  # a guest gets some minutes to quiesce
REMOVE_SNAPSHOT_SECONDS = 1800.0
OTHERS_SECONDS = 60.0  # a task begun by somebody else or by an earlier attempt

_UNFINISHED = ("queued", "running")


@dataclass(frozen=True, slots=True)
class RunningTask:
    """A task that is running on a VM; `operation` as in vSphere, e.g. "vm.Snapshot.remove"."""

    moref: str
    operation: str
    state: str
    started_at: datetime | None


def wait_for_task(
    session: Session,
    task: str,
    doing: str,
    on_wait: Callable[[], None] | None = None,
    outage_seconds: float = _OUTAGE_SECONDS,
    *,
    patience_seconds: float,
    activity: Activity = Activity.OTHER,
) -> str | None:
    """Wait until a task (by moref) has ended; returns the moref of its result, or None.

    vSphere has no limit to how long a task may take: removing a snapshot can take hours. After
    `patience_seconds` TaskStillRunning is raised: whoever waited has other work meanwhile, and
    looks for the task again later (`running_task`). `on_wait` is called about every two seconds
    (when the network hangs, only after the session's timeout) and may raise to stop waiting. The
    task itself goes on in either case. `activity` is what the task's fault is judged by.

    After a lost connection or login the task is asked for again. When the server stays away for
    more than `outage_seconds`, ConnectionLost or ConnectionRefused is raised, and whether the task
    succeeded has to be looked up. Raises TaskFailed with vCenter's own message and fault name, and
    ObjectGone when the server does not know the task.
    """
    return _Waiting(session, task, doing, on_wait, outage_seconds, patience_seconds, activity).run()


class _Waiting:
    def __init__(
        self,
        session: Session,
        task: str,
        doing: str,
        on_wait: Callable[[], None] | None,
        outage_seconds: float,
        patience_seconds: float,
        activity: Activity,
    ) -> None:
        self._session = session
        self._activity = activity
        self._task = session.object(vim.Task, task)
        self._doing = doing
        self._on_wait = on_wait or (lambda: None)
        self._outage_seconds = outage_seconds
        self._heard_at = time.monotonic()
        self._until = self._heard_at + patience_seconds
        self._login = 0

    def run(self) -> str | None:
        while True:
            self._on_wait()
            try:
                return self._until_done()
            except VSphereError as error:
                silent_seconds = time.monotonic() - self._heard_at
                if not _only_watching_failed(error) or silent_seconds > self._outage_seconds:
                    raise
                time.sleep(_PAUSE_SECONDS)

    def _until_done(self) -> str | None:
        """Follow the task with a separate collector, which dies with the login.

        Separate, so that nobody else shares the versions of its updates.
        """
        shared = self._session.content.propertyCollector
        collector = self._session.invoke(self._doing, lambda: self._observe(shared))
        try:
            return self._follow(collector)
        finally:
            self._destroy(collector)

    def _observe(self, shared: Any) -> Any:
        self._login = self._session.login_number
        collector = shared.CreatePropertyCollector()
        spec = Collector.FilterSpec(
            propSet=[Collector.PropertySpec(type=vim.Task, all=False, pathSet=["info.state"])],
            objectSet=[Collector.ObjectSpec(obj=self._task, skip=False)],
        )
        collector.CreateFilter(spec, partialUpdates=False)
        return collector

    def _follow(self, collector: Any) -> str | None:
        version = ""
        options = Collector.WaitOptions(maxWaitSeconds=_WAIT_SECONDS)
        while True:
            update = self._session.invoke(
                self._doing,
                partial(collector.WaitForUpdatesEx, version, options),
                repeat=False,
                login=self._login,
            )
            self._heard_at = time.monotonic()
            if update is not None:
                version = update.version
            # Without an update, too: servers have been seen to tell of none.
            state, error, result = self._told()
            if state == "success":
                return _moref(result)
            if state == "error":
                raise task_error(error, self._doing, self._activity)
            self._require_patience()
            self._on_wait()

    def _told(self) -> tuple[str | None, Any, Any]:
        """The task's state, error and result, in one piece, or else what is told of the parts."""
        info = read_object(self._session, self._doing, self._task, "info").get("info")
        if info is not None:
            with understanding(self._doing):
                return info.state, info.error, info.result
        paths = ("info.state", "info.error", "info.result")
        read = read_object(self._session, self._doing, self._task, *paths)
        state, error, result = (read.get(path) for path in paths)
        return state, error, result

    def _require_patience(self) -> None:
        if time.monotonic() > self._until:
            raise TaskStillRunning(
                f"{self._doing}: vSphere's task {self._task._moId} is still running. vmrep will"
                " check it again later."
            )

    def _destroy(self, collector: Any) -> None:
        try:
            self._session.invoke(
                self._doing,
                collector.DestroyPropertyCollector,
                repeat=False,
                login=self._login,
                timeout=10,
            )
        except VSphereError:
            # It died with its login, or will at logout; the task's outcome is known without it.
            return


def _only_watching_failed(error: VSphereError) -> bool:
    """The task itself goes on, or has ended in a way that is yet to be heard."""
    if isinstance(error, VSphereFault):
        return error.transient and not isinstance(error, TaskFailed)
    return isinstance(error, ConnectionLost | ConnectionRefused | NameServiceAway)


def running_task(session: Session, vm_moref: str, *words: str) -> RunningTask | None:
    """A task on the VM that has not ended yet and whose operation has one of the (lower-case) words
    in its name, or that has none: anybody's, perhaps vmrep's own. vCenter lists a task in
    `recentTask` while it runs and for about ten minutes after its end.
    """
    tasks = (_running(one) for one in _recent(session, vm_moref, _TASK_PATHS))
    return next((task for task in tasks if task is not None and _is_about(task, words)), None)


def results(session: Session, vm_moref: str, word: str) -> list[str]:
    """The morefs that recent successful tasks on the VM resulted in, of those whose operation has
    the (lower-case) word in its name."""
    found = _recent(session, vm_moref, (*_TASK_PATHS, "info.result"))
    made = []
    for one in found:
        said = one.properties
        operation = str(said.get("info.descriptionId", "")).lower()
        if said.get("info.state") == "success" and word in operation:
            made.append(_moref(said.get("info.result")))
    return [moref for moref in made if moref]


def _recent(session: Session, vm_moref: str, paths: tuple[str, ...]) -> list[Found]:
    vm = session.object(vim.VirtualMachine, vm_moref)
    recent = Collector.TraversalSpec(
        name="recent", type=vim.VirtualMachine, path="recentTask", skip=False
    )
    found = read_related(
        session,
        f"Reading the tasks of {vm_moref}",
        vm,
        {vim.VirtualMachine: ("name",), vim.Task: paths},
        [recent],
    )
    return [one for one in found if isinstance(one.ref, vim.Task)]


# Each by itself rather than the whole `info`, so that one task's result or error of an unknown
# kind hides no other task.
_TASK_PATHS = ("info.state", "info.descriptionId", "info.startTime")


def _running(found: Found) -> RunningTask | None:
    """None for a task that has ended, or that the account may not read. One whose state cannot be
    understood counts as running."""
    if not found.understood("info.state"):
        state = "running"
    else:
        state = str(found.properties.get("info.state"))
    if state not in _UNFINISHED:
        return None
    return RunningTask(
        moref=found.moref,
        operation=str(found.properties.get("info.descriptionId", "")),
        state=state,
        started_at=utc(found.properties.get("info.startTime")),
    )


def _is_about(task: RunningTask, words: Collection[str]) -> bool:
    return not task.operation or any(word in task.operation.lower() for word in words)


def _moref(result: Any) -> str | None:
    moref = getattr(result, "_moId", None)
    return str(moref) if moref is not None else None
