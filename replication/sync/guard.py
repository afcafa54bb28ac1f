"""Keeping a lease while work goes on, and noticing at once when it is lost."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import Self

from django.db import Error as DatabaseProblem
from django.db import connection

from replication.errors import LeaseLost
from replication.services import leases
from replication.services.leases import RENEW_EVERY_SECONDS, TRUSTED_FOR_SECONDS, Lease

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0


def _clock() -> float:
    """Seconds that also pass while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Guard:
    """Renews a lease from a thread of its own, on a database connection of its own.

    Call `check` before every side effect: it raises LeaseLost as soon as another worker has the
    lease, or when the database has been silent for so long that one may have it.
    """

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self._trusted_until = _clock() + TRUSTED_FOR_SECONDS
        self._lost = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()

    def check(self) -> None:
        if self._lost.is_set() or _clock() > self._trusted_until:
            raise LeaseLost(f"the lease on {self.lease.context_id} is lost")

    def _keep(self) -> None:
        try:
            while not self._end.wait(self._renew()):
                pass
        finally:
            connection.close()

    def _renew(self) -> float:
        """Renew once; return the seconds to wait before the next time."""
        asked_at = _clock()
        try:
            if not leases.renew(self.lease):
                self._lost.set()
        except DatabaseProblem as problem:
            log.warning("lease on %s not renewed: %s", self.lease.context_id, problem)
            connection.close()
            return RETRY_SECONDS
        self._trusted_until = asked_at + TRUSTED_FOR_SECONDS
        return RENEW_EVERY_SECONDS
