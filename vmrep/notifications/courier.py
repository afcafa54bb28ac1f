"""The thread that empties the outbox, one in each process.

It needs the database alone: what people have to hear most is that Redis, beat or the workers are
dead. Workers of the queue “control” deliver at once; the others, and web servers, only what nobody
has delivered for half a minute.
"""

from __future__ import annotations

import logging
import os
import threading
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, connection

from contexts.database_errors import own_words
from vmrep.notifications import deliver
from vmrep.notifications.fan_out import fan_out, plan_reports

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
PATIENCE = timedelta(seconds=30)
_FORGETS_EVERY = 720  # rounds: once an hour


class Courier(threading.Thread):
    def __init__(self, patience: timedelta = timedelta(0)) -> None:
        super().__init__(name="notifications", daemon=True)
        self.patience = patience
        self._stopping = threading.Event()
        self._rounds = 0

    def run(self) -> None:
        while not self._stopping.wait(EVERY_SECONDS):
            self.round()

    def stop(self) -> None:
        self._stopping.set()

    def round(self) -> None:
        """The database may be away for a while; it goes on when it is back."""
        try:
            fan_out()
            plan_reports()
            deliver.deliver_due(self.patience)
            if self._rounds % _FORGETS_EVERY == 0:
                deliver.forget_old()
        except (DatabaseError, InterfaceError) as problem:
            log.warning("notifications wait: %s", own_words(problem))
        except Exception:  # the thread must go on: nobody else starts it again
            log.exception("a round of notifications failed")
        finally:
            self._rounds += 1
            connection.close()


_begins = threading.Lock()
_couriers: dict[int, Courier] = {}


def begin(patience: timedelta) -> None:
    """Deliver from this process until it ends. Once per process, however often called."""
    with _begins:
        if os.getpid() not in _couriers:
            _couriers.clear()  # of the process that forked this one
            _couriers[os.getpid()] = Courier(patience)
            _couriers[os.getpid()].start()
