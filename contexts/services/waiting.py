"""What a web request asks of a foreign server: a bounded wait, and few at once.

A server may be slow, or mean harm. The threads of the web processes answer everybody's pages, so
that only some of them may ever wait for a server, and for some seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from contexts.errors import ServersBusy
from contexts.vsphere.errors import ConnectionLost

T = TypeVar("T")

SECONDS = 20.0
# Of one process, whose other threads answer pages: docs/operations.md starts it with four.
AT_ONCE = 2

# The call has the same time and ends by itself; this is for what no deadline holds for, as the
# system's look-up of a name.
_GRACE_SECONDS = 2.0

_places = threading.BoundedSemaphore(AT_ONCE)


def wait_for(server: str, call: Callable[[], T]) -> T:
    """What the call returns or raises; it runs in a thread of its own, and is left alone there
    after SECONDS. It must not touch the database: its connection would be nobody's.

    Raises ServersBusy when AT_ONCE such calls are under way in this process, left ones included,
    and ConnectionLost when the time is over.
    """
    places = _places
    if not places.acquire(blocking=False):
        raise ServersBusy(
            f"{server} is not asked now: {AT_ONCE} other servers are being waited for. Try again in"
            f" {SECONDS:.0f} seconds."
        )
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            settle = partial(outcome.set_result, call())
        except BaseException as problem:  # noqa: BLE001  it is raised to the one who waits
            settle = partial(outcome.set_exception, problem)
        finally:
            places.release()
        settle()

    threading.Thread(target=run, name=f"ask {server}", daemon=True).start()
    try:
        return outcome.result(timeout=SECONDS + _GRACE_SECONDS)
    except TimeoutError:
        raise ConnectionLost(
            f"{server} did not answer within {SECONDS:.0f} seconds. Check the network, the DNS and"
            " the server."
        ) from None
