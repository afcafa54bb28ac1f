"""The log of one job: what an operator wants to read about it on the job's page.

The code that knows what happened writes each line; it also goes to the process's log.
"""

from __future__ import annotations

import logging

from django.db import Error, transaction
from django.db.models.functions import Now

from contexts.database_errors import own_words
from contexts.text import printable, storable
from replication.models import JobLogLine
from replication.models.telemetry import MOST_LINES
from replication.states import LogLevel

log = logging.getLogger(__name__)

DROP_LINES = 100  # the oldest ones, at once: the latest lines matter most
MOST_CHARACTERS = 2000

_PROCESS_LEVELS = {
    LogLevel.INFO: logging.INFO,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}


def write(job_id: str, attempt: int, message: str, level: LogLevel = LogLevel.INFO) -> None:
    """Add a line. Never raises when the database refuses it: a log must not end a job."""
    log.log(_PROCESS_LEVELS[level], "%s/%s: %s", job_id, attempt, printable(message))
    try:
        with transaction.atomic():  # a savepoint, if there is a transaction already
            _add(job_id, attempt, message, level)
            _drop_oldest(job_id, attempt)
    except Error as problem:
        log.warning("%s: could not store a line of the job's log: %s", job_id, own_words(problem))


def _add(job_id: str, attempt: int, message: str, level: LogLevel) -> None:
    JobLogLine.objects.create(
        job_id=job_id,
        attempt=attempt,
        at=Now(),
        level=level,
        message=storable(message, MOST_CHARACTERS),
    )


def _drop_oldest(job_id: str, attempt: int) -> None:
    """Keep the log bounded, and record in it that lines were dropped."""
    lines = JobLogLine.objects.filter(job_id=job_id)
    if lines.count() <= MOST_LINES:
        return
    first_kept = lines.order_by("id").values_list("id", flat=True)[DROP_LINES]
    dropped, _ = lines.filter(id__lt=first_kept).delete()
    _add(
        job_id,
        attempt,
        f"Dropped the oldest {dropped} lines of this log; the workers' own logs still have them.",
        LogLevel.WARNING,
    )
