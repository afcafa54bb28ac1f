"""Waiting for vSphere's tasks, for as long as they take."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from pyVmomi import vim

from contexts.vsphere.collector import Collector, read_object
from contexts.vsphere.errors import (
    ConnectionLost,
    ConnectionRefused,
    NameServiceAway,
    VSphereError,
)
from contexts.vsphere.faults import task_error
from contexts.vsphere.session import Session

_WAIT_SECONDS = 2
_PAUSE_SECONDS = 1.0
_OUTAGE_SECONDS = 300.0


def wait_for_task(
    session: Session,
    task: str,
    doing: str,
    on_wait: Callable[[], None] | None = None,
    outage_seconds: float = _OUTAGE_SECONDS,
) -> str | None:
    """Wait until a task (by moref) has ended; the moref that it results in, or None.

    There is no limit to how long a task may take: removing a snapshot can take hours. `on_wait` is
    called at least every two seconds or so (but for a hanging network, where it is the session's
    timeout) and may raise to stop waiting; the task itself goes on.

    A lost connection or login is survived by asking for the task again, as long as the server is
    not away for more than `outage_seconds`; then ConnectionLost or ConnectionRefused is raised,
    and whether the task succeeded has to be looked up. Raises TaskFailed with vCenter's own
    message and fault name, and ObjectGone when the server does not know the task (any more).
    """
    return _Waiting(session, task, doing, on_wait, outage_seconds).run()


class _Waiting:
    def __init__(
        self,
        session: Session,
        task: str,
        doing: str,
        on_wait: Callable[[], None] | None,
        outage_seconds: float,
    ) -> None:
        self._session = session
        self._task = session.object(vim.Task, task)
        self._doing = doing
        self._on_wait = on_wait or (lambda: None)
        self._outage_seconds = outage_seconds
        self._heard_at = time.monotonic()
        self._login = 0

    def run(self) -> str | None:
        while True:
            self._on_wait()
            try:
                return self._until_done()
            except (ConnectionLost, ConnectionRefused, NameServiceAway):
                if time.monotonic() - self._heard_at > self._outage_seconds:
                    raise
                time.sleep(_PAUSE_SECONDS)

    def _until_done(self) -> str | None:
        """Follow the task with a collector of its own, which dies with the login.

        Of its own, so that the versions of its updates are nobody else's.
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
                info = read_object(self._session, self._doing, self._task, "info")["info"]
                if str(info.state) == "success":
                    return _moref(info.result)
                if str(info.state) == "error":
                    raise task_error(info.error, self._doing)
            self._on_wait()

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


def _moref(result: Any) -> str | None:
    moref = getattr(result, "_moId", None)
    return str(moref) if moref is not None else None
