"""Messages to workers. A message is a hint that there is work in the database; it may be lost."""

from __future__ import annotations

import logging

from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def send(task_name: str, *args: object) -> None:
    """Send a hint. Without a broker nothing is lost: the tick repeats it once there is one.

    It expires when the tick repeats it: behind long work hints must not pile up.
    """
    try:
        current_app.send_task(task_name, args=args, expires=settings.TICK_INTERVAL.total_seconds())
    except OperationalError as problem:
        log.warning("the message broker cannot be reached (%s): the next tick repeats", problem)


def hint_discovery(discovery_id: int) -> None:
    send("contexts.tasks.discover", discovery_id)
