"""One conversation with a vCenter at a time in a worker whose threads look after many vCenters.

Otherwise one slow vCenter, with a discovery and a few clean-ups, would hold all threads and block
the other vCenters. The worker of the queue `control` is one process, so a table in memory is
enough; each of several workers may hold its own conversation.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from contexts.errors import VCenterBusy
from contexts.models import VCenter

_free = threading.Condition()
_taken: set[int] = set()


@contextmanager
def conversation(vcenter: VCenter, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the vCenter's slot. Raises VCenterBusy when another thread still holds it after
    `wait_seconds`."""
    with _free:
        if not _free.wait_for(lambda: vcenter.pk not in _taken, wait_seconds):
            raise VCenterBusy(f"{vcenter.name} is busy with a discovery or a clean-up.")
        _taken.add(vcenter.pk)
    try:
        yield
    finally:
        with _free:
            _taken.discard(vcenter.pk)
            _free.notify_all()
