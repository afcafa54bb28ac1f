"""A worker that is told to stop hands its work over instead of finishing it.

The main process of a worker is told (SIGTERM, by Celery's signal), the processes of its pool do the
work: they share one byte of memory since they were forked. Work that can take hours asks now and
then; what takes seconds just ends.
"""

from __future__ import annotations

import mmap

from replication.errors import HandedOver

_asked = mmap.mmap(-1, 1)


def ask() -> None:
    """This worker, with all its processes, is to stop."""
    _asked[0] = 1


def is_asked() -> bool:
    return bool(_asked[0])


def require_not_asked(what: str) -> None:
    """Raises HandedOver; `what` can go on elsewhere."""
    if is_asked():
        raise HandedOver(f"Its worker was told to stop. {what}")
