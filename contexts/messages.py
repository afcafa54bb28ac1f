"""Messages to workers. A message is a hint that there is work in the database; it may be lost."""

from __future__ import annotations

import logging
import time

from celery import current_app
from django.conf import settings
from kombu import pools
from kombu.exceptions import LimitExceeded, OperationalError

log = logging.getLogger(__name__)

SEND_SECONDS = 1.0  # a page waits for it; a worker's own connection may take longer
SILENT_SECONDS = 5  # less than the tick's interval, which sends what was left out

_silent_until: dict[str, float] = {}  # by the broker's address


def send(task_name: str, *args: object) -> None:
    """Send a hint. If the broker is unreachable nothing is lost: the tick sends it again later.

    A hint expires when the tick sends it again, so that hints do not pile up behind long work.
    A broker that hangs costs `SEND_SECONDS`, twice at most: once, not for each of the many jobs
    that one request may start. For a moment afterwards nothing is sent.
    """
    broker = str(current_app.conf.broker_url)
    if time.monotonic() < _silent_until.get(broker, 0):
        return
    expires = settings.TICK_INTERVAL.total_seconds()
    try:
        with _producers().acquire(block=True, timeout=SEND_SECONDS) as producer:
            current_app.send_task(task_name, args=args, expires=expires, producer=producer)
    except (OperationalError, LimitExceeded) as problem:
        _silent_until[broker] = time.monotonic() + SILENT_SECONDS
        log.warning(
            "the message broker is unreachable (%s); the next tick will send the message again",
            problem,
        )


def _producers() -> pools.ProducerPool:
    """Those of the broker as it is set now, kept from one hint to the next."""
    impatient = {"socket_connect_timeout": SEND_SECONDS, "socket_timeout": SEND_SECONDS}
    return pools.producers[current_app.connection_for_write(transport_options=impatient)]


def hint_discovery(discovery_id: int) -> None:
    send("contexts.tasks.discover", discovery_id)
