"""Several transactions in the same second (for PostgreSQL: SQLite lets one write at a time)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection, transaction


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """Each action in a transaction and thread of its own; none ends before all have begun."""
    begun = threading.Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        try:
            with transaction.atomic():
                begun.wait(10)
                result = action()
                time.sleep(0.3)  # the others come as far as they can before this one commits
            return result
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        return [done.result(30) for done in [pool.submit(run, action) for action in actions]]
