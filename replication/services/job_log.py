"""The log of one job: what an operator wants to read about it, on the job's own page.

Lines are written explicitly, by whoever knows what happened; each goes to the process's log, too.
"""

from __future__ import annotations

import logging

from django.db import Error, transaction
from django.db.models.functions import Now

from contexts.text import printable
from replication.models import JobLogLine
from replication.states import LogLevel

log = logging.getLogger(__name__)

MOST_LINES = 500
DROP_LINES = 100  # at once, the oldest: what happened last is what is looked for
MOST_CHARACTERS = 2000

_PROCESS_LEVELS = {
    LogLevel.INFO: logging.INFO,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}


def write(job_id: str, attempt: int, message: str, level: LogLevel = LogLevel.INFO) -> None:
    """Add a line. It never raises because the database refuses it: no job ends for its log."""
    log.log(_PROCESS_LEVELS[level], "%s/%s: %s", job_id, attempt, printable(message))
    try:
        with transaction.atomic():  # a savepoint of its own, where there is a transaction already
            _add(job_id, attempt, message, level)
            _drop_oldest(job_id, attempt)
    except Error as problem:
        log.warning("%s: a line of its log is not in the database: %s", job_id, problem)


def _add(job_id: str, attempt: int, message: str, level: LogLevel) -> None:
    JobLogLine.objects.create(
        job_id=job_id, attempt=attempt, at=Now(), level=level, message=_storable(message)
    )


def _drop_oldest(job_id: str, attempt: int) -> None:
    """Keep the log bounded, and say in it that it was."""
    lines = JobLogLine.objects.filter(job_id=job_id)
    if lines.count() <= MOST_LINES:
        return
    first_kept = lines.order_by("id").values_list("id", flat=True)[DROP_LINES]
    dropped, _ = lines.filter(id__lt=first_kept).delete()
    _add(
        job_id,
        attempt,
        f"The oldest {dropped} lines of this job's log were dropped; its workers' logs have them.",
        LogLevel.WARNING,
    )


def _storable(message: str) -> str:
    """As it is, but for its length and for the two things that PostgreSQL cannot keep in a text:
    NUL and half a surrogate pair."""
    text = message.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
