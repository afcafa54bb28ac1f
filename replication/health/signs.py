"""Signs of life: each process writes one every few seconds, from a thread of its own.

The thread has its own database connection and closes it after each sign: processes that the main
one forks inherit no open connection. What a process does otherwise can hardly hold the thread up,
so a sign proves that the process is there and reaches the database; whether work is done is told by
the tick's own sign, which passes through beat, Redis and a worker.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.db.models.functions import Now

from contexts.clock import database_now
from contexts.text import storable
from replication.health import broker, watch
from replication.models import SignOfLife
from replication.selectors.health import DEAD_AFTER
from replication.services.leases import this_worker
from replication.states import LifeKind
from vmrep import __version__

log = logging.getLogger(__name__)

EVERY_SECONDS = 8.0
_CLOSING_SECONDS = 2.0
THE_TICK = "tick"


def no_queues() -> Sequence[str]:
    return ()


class Heart(threading.Thread):
    """Gives this process's signs until `stop`.

    `queues` is asked each time. A worker that consumes nothing at the moment gives no sign: whoever
    waits for a worker would wait in vain."""

    def __init__(
        self, kind: LifeKind, queues: Callable[[], Sequence[str]] = no_queues, slots: int = 0
    ) -> None:
        super().__init__(name="signs of life", daemon=True)
        self.kind, self.queues, self.slots = kind, queues, slots
        self._pid = os.getpid()
        self._started_at: datetime | None = None
        self._seen_at: datetime | None = None
        self._back_at: datetime | None = None
        self._broker_since: datetime | None = None
        self._stopping = threading.Event()

    def run(self) -> None:
        while True:
            self._beat()
            if self._stopping.wait(EVERY_SECONDS):
                return

    def stop(self) -> None:
        """The process ends as it was told to. (A process that it forked is another one.)"""
        if os.getpid() != self._pid or self._stopping.is_set():
            return
        self._stopping.set()
        if self.is_alive():
            self.join(_CLOSING_SECONDS)
        self._in_database(self._end)

    def _beat(self) -> None:
        queues = sorted(self.queues())
        if self.kind == LifeKind.WORKER and not queues:
            return
        redis = broker.problem(fresh=True)

        def give() -> None:
            now = database_now()
            self._started_at = self._started_at or now
            if self._seen_at is not None and self._seen_at <= now - DEAD_AFTER:
                self._back_at = now
            self._broker_since = None if redis else self._broker_since or now
            write(
                self.kind,
                this_worker(),
                started_at=self._started_at,
                queues=",".join(queues),
                slots=self.slots,
                answered=not redis,
                broker_since=self._broker_since,
                back_at=self._back_at,
            )
            self._seen_at = now
            watch.look()

        self._in_database(give)

    def _end(self) -> None:
        SignOfLife.objects.filter(kind=self.kind, name=this_worker()).update(ended_at=Now())

    def _in_database(self, act: Callable[[], None]) -> None:
        """The database may be away for a while: the process says so, and goes on trying."""
        try:
            act()
        except (DatabaseError, InterfaceError) as problem:
            log.warning("no sign of life could be written: %s", problem)
        finally:
            connection.close()


_begins = threading.Lock()
_hearts: dict[int, Heart] = {}


def begin(kind: LifeKind, queues: Callable[[], Sequence[str]] = no_queues, slots: int = 0) -> Heart:
    """Give signs of this process's life until it ends. Once per process, however often called."""
    pid = os.getpid()
    with _begins:
        if pid not in _hearts:
            _hearts.clear()  # of the process that forked this one
            _hearts[pid] = Heart(kind, queues, slots)
            _hearts[pid].start()
            atexit.register(_hearts[pid].stop)
        return _hearts[pid]


def tick() -> None:
    """The tick runs. Part of the tick."""
    write(LifeKind.TICK, THE_TICK, started_at=Now(), answered=True)


def write(
    kind: LifeKind,
    name: str,
    *,
    started_at: Any,
    queues: str = "",
    slots: int = 0,
    answered: bool = False,
    broker_since: datetime | None = None,
    back_at: datetime | None = None,
) -> None:
    """Write a sign of life, now. `answered`: Redis did. The others as SignOfLife's columns."""
    sign = SignOfLife(
        kind=kind,
        name=storable(name, 255),
        queues=storable(queues, 200),
        slots=slots,
        version=__version__,
        started_at=started_at,
        seen_at=Now(),
        broker_at=Now() if answered else None,
        broker_since=broker_since,
        back_at=back_at,
    )
    changed = ["queues", "slots", "version", "started_at", "seen_at", "ended_at"]
    changed += ["broker_since", "back_at"]
    SignOfLife.objects.bulk_create(
        [sign],
        update_conflicts=True,
        unique_fields=["kind", "name"],
        update_fields=[*changed, "broker_at"] if answered else changed,
    )
