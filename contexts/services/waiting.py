"""Calls from a web request to a foreign server: a bounded wait, and few at once.

A server may be slow or hostile. The threads of the web processes serve everyone's pages, so only a
few of them may wait for a server, and only for some seconds.
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
# Per process, whose other threads serve pages: docs/operations.md starts it with four.
AT_ONCE = 2

# The call itself has the same deadline. This one is for what has none, such as the system's name
# look-up.
_GRACE_SECONDS = 2.0

_places = threading.BoundedSemaphore(AT_ONCE)


def wait_for(server: str, call: Callable[[], T]) -> T:
    """Return or raise what the call does. It runs in its own thread, which is abandoned after
    SECONDS. It must not use the database: nothing would close the thread's connection.

    Raises ServersBusy when AT_ONCE calls are running in this process, abandoned ones included, and
    ConnectionLost when the time is up.
    """
    places = _places
    if not places.acquire(blocking=False):
        raise ServersBusy(
            f"vmrep did not contact {server}, because {AT_ONCE} other requests are waiting for"
            f" servers. Try again in {SECONDS:.0f} seconds."
        )
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            settle = partial(outcome.set_result, call())
        except BaseException as problem:  # noqa: BLE001  raised again in the waiting thread
            settle = partial(outcome.set_exception, problem)
        finally:
            places.release()
        settle()

    threading.Thread(target=run, name=f"ask {server}", daemon=True).start()
    try:
        return outcome.result(timeout=SECONDS + _GRACE_SECONDS)
    except TimeoutError:
        raise ConnectionLost(
            f"{server} did not answer within {SECONDS:.0f} seconds. Check the network, DNS and the"
            " server."
        ) from None
