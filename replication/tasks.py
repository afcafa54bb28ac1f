"""Tasks for workers; each calls one service.

Whoever can write to the broker can call any of them, with whatever arguments: none takes more than
the key of a row, of which the database says what is to be done with it.
"""

from datetime import timedelta
from typing import Any

from celery import shared_task, signals
from django.conf import settings

from replication import messages
from replication.engine import folders
from replication.health import vcenters
from replication.integrity import runs
from replication.manifests import writing as manifests
from replication.retention import run as retention
from replication.scheduler import tick as scheduler
from replication.services import (
    bulk_acts,
    left_overs,
    old_jobs,
    old_points,
    repository_signs,
    tallies,
)
from replication.states import Trigger
from replication.sync import cleanup, group, runner
from replication.verify import run as verify


@shared_task
def run_next_job() -> None:
    if group.run_next() is None:
        runner.run_next()


@shared_task
def tick() -> None:
    scheduler.tick()


@shared_task
def clean_up(context_id: str) -> None:
    """A hint that waited in the queue may be out of date: another worker has just tried."""
    if left_overs.contexts_to_clean(context_id):
        cleanup.clean_context(context_id)


@shared_task
def remove_points() -> None:
    if retention.run_next():
        messages.hint_retention()  # there may be more


@shared_task
def verify_points() -> None:
    if verify.run_next():
        messages.hint_verify()  # a turn is over: whatever else waits for this worker comes first


@shared_task
def act_in_bulk() -> None:
    if bulk_acts.run_next():
        messages.hint_bulk()


@shared_task
def look_at_repositories() -> None:
    repository_signs.look()


@shared_task
def write_manifests() -> None:
    manifests.write_due()


@shared_task
def ask_vcenters() -> None:
    vcenters.ask()


@shared_task
def delete_old_jobs() -> None:
    """Those of longer ago than the settings say; none unless they say it."""
    if settings.KEEP_JOBS_DAYS > 0:
        old_jobs.delete_old_jobs(timedelta(days=settings.KEEP_JOBS_DAYS))


@shared_task
def forget_history() -> None:
    """Expired points with their jobs, and the jobs that made none, as the settings say."""
    if settings.KEEP_HISTORY_DAYS <= 0:
        return
    older_than = timedelta(days=settings.KEEP_HISTORY_DAYS)
    old_points.forget_old_points(older_than)
    old_jobs.delete_old_jobs(older_than, trigger=Trigger.SCHEDULE)


@shared_task
def merge_tallies() -> None:
    tallies.merge()


@shared_task
def request_integrity_check() -> None:
    runs.request(actor="schedule")


@shared_task
def check_integrity() -> None:
    runs.run_requested()


@signals.worker_ready.connect
@signals.worker_process_init.connect
def remove_abandoned_folders(**signal: Any) -> None:
    """The folders, and the processes, of commands and daemons whose worker was killed."""
    folders.remove_abandoned()
