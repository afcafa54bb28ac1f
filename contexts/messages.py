"""Messages to workers. A message is a hint that there is work in the database; it may be lost."""

from __future__ import annotations

import logging

from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def send(task_name: str, *args: object) -> None:
    """Send a hint. If the broker is unreachable nothing is lost: the tick sends it again later.

    A hint expires when the tick sends it again, so that hints do not pile up behind long work.
    """
    try:
        current_app.send_task(task_name, args=args, expires=settings.TICK_INTERVAL.total_seconds())
    except OperationalError as problem:
        log.warning(
            "the message broker is unreachable (%s); the next tick will send the message again",
            problem,
        )


def hint_discovery(discovery_id: int) -> None:
    send("contexts.tasks.discover", discovery_id)
