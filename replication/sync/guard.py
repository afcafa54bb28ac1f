"""Renewing a lease while work continues, and noticing at once when it is lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from types import TracebackType
from typing import Self

from django.db import Error as DatabaseProblem
from django.db import connection

from contexts.database_errors import own_words
from replication.errors import LeaseLost
from replication.services import leases, places
from replication.services.leases import RENEW_EVERY_SECONDS, TRUSTED_FOR_SECONDS, Lease

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
# Longer than anything that a worker does without calling `check`: the check of a huge image, an
# fsync on slow storage, one page of a change query.
STALLED_AFTER_SECONDS = 1800.0
# Enough when the storage itself does not respond, or is gone.
STALLED_AWAY_SECONDS = 300.0


def _clock() -> float:
    """Seconds that also pass while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Guard:
    """Renews a lease, with the places on ESXi hosts that are held under it, from its own thread, on
    its own database connection.

    Call `check` before every side effect. It raises LeaseLost as soon as another worker has the
    lease, or when the database has been silent for so long that another worker may have it.

    Calling it also shows that work continues. Without a call for `STALLED_AFTER_SECONDS` (storage
    that hangs cannot be interrupted), or for `STALLED_AWAY_SECONDS` while the storage `is_away`,
    the lease is no longer renewed, and `on_stall` is called from the guard's thread, so that
    somebody else can go on. `is_away` must not take long or use the database.
    """

    def __init__(
        self,
        lease: Lease,
        on_stall: Callable[[], None] = lambda: None,
        is_away: Callable[[], bool] = lambda: False,
    ) -> None:
        self.lease = lease
        self._on_stall = on_stall
        self._is_away = is_away
        self._checked_at = time.monotonic()
        self._trusted_until = 0.0  # until the database has answered
        self._lost = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._keep,), name="lease", daemon=True
        )

    def __enter__(self) -> Self:
        """Raises LeaseLost when the lease has already been lost, or django.db's errors."""
        # The worker may have been paused since it got the lease.
        self._renew_once()
        self.check()
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
        self._checked_at = time.monotonic()
        if self._lost.is_set() or _clock() > self._trusted_until:
            raise LeaseLost(f"the lease on {self.lease.context_id} is lost")

    def is_too_long(self, seconds: float) -> bool:
        """Whether work that made no progress for `seconds` has stalled."""
        return seconds > STALLED_AFTER_SECONDS or (
            seconds > STALLED_AWAY_SECONDS and self._is_away()
        )

    def _keep(self) -> None:
        try:
            delay = RENEW_EVERY_SECONDS
            while not self._end.wait(delay):
                silent_seconds = time.monotonic() - self._checked_at
                if self.is_too_long(silent_seconds):
                    self._give_up(silent_seconds)
                    return
                delay = self._renew()
        finally:
            connection.close()

    def _give_up(self, silent_seconds: float) -> None:
        self._lost.set()
        log.critical(
            "%s: no progress for %.0f seconds; giving up the lease. Check whether the repository's"
            " storage hangs.",
            self.lease.context_id,
            silent_seconds,
        )
        self._on_stall()

    def _renew(self) -> float:
        """Renew once; return the seconds to wait before the next time."""
        try:
            self._renew_once()
        except DatabaseProblem as problem:
            log.warning("lease on %s not renewed: %s", self.lease.context_id, own_words(problem))
            connection.close()
            return RETRY_SECONDS
        return RENEW_EVERY_SECONDS

    def _renew_once(self) -> None:
        asked_at = _clock()
        if leases.renew(self.lease):
            places.renew(self.lease)
            self._trusted_until = asked_at + TRUSTED_FOR_SECONDS
        else:
            self._lost.set()
