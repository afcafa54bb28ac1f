"""The Celery app. Tasks live in each app's tasks module."""

import logging
import os
import sys
from datetime import timedelta
from typing import Any

from celery import Celery, signals
from celery.apps import worker
from django.conf import settings
from structlog.contextvars import bind_contextvars, clear_contextvars

from vmrep.logs import JSON, as_line, formatter
from vmrep.startup import report_database, report_redis

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")

app = Celery("vmrep")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Threads of the web server send hints through `celery.current_app`: for them, too, it is this app.
app.set_default()


@signals.after_setup_logger.connect
@signals.after_setup_task_logger.connect
def _lines_as_everywhere(logger: logging.Logger, **signal: Any) -> None:
    """Celery's own formatter would write what the database says of rows."""
    for handler in logger.handlers:
        handler.setFormatter(formatter(settings.LOG_FORMAT))


@signals.celeryd_init.connect
def _say_all_in_lines(instance: Any, **signal: Any) -> None:
    """What a worker says without a logger when it begins and ends."""
    if settings.LOG_FORMAT == JSON:
        instance.quiet = True
        vars(worker)["safe_say"] = _say


def _say(message: str, stream: Any = sys.__stderr__) -> None:
    """From within a signal's handler: no lock is taken."""
    os.write(stream.fileno(), f"{as_line(message.strip(), 'celery.worker')}\n".encode())


@signals.task_prerun.connect
def _lines_of_task(task: Any, task_id: str, **signal: Any) -> None:
    bind_contextvars(task=task.name.rpartition(".")[2])


@signals.task_postrun.connect
def _task_is_over(**signal: Any) -> None:
    clear_contextvars()


@signals.worker_ready.connect
def _report_problems(**signal: Any) -> None:
    report_database()
    report_redis()


@signals.worker_ready.connect
def _worker_lives(sender: Any, **signal: Any) -> None:
    """`sender` is the worker's consumer. In the main process, not in those of its pool."""
    from replication.health import signs
    from replication.selectors.health import CONTROL
    from replication.states import LifeKind
    from vmrep.notifications import courier

    consuming = sender.app.amqp.queues
    at_once = CONTROL in consuming.consume_from
    courier.begin(timedelta(0) if at_once else courier.PATIENCE)
    signs.begin(
        LifeKind.WORKER, lambda: list(consuming.consume_from), sender.controller.concurrency
    )


@signals.worker_shutting_down.connect
def _hand_over(**signal: Any) -> None:
    """SIGTERM: what can go on elsewhere is not finished here."""
    from replication.sync import stopping

    stopping.ask()


@signals.beat_init.connect
def _beat_lives(**signal: Any) -> None:
    from replication.health import signs
    from replication.states import LifeKind

    signs.begin(LifeKind.BEAT)
