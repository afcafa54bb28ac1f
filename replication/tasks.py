"""What workers are asked to do; each task calls one service."""

from datetime import timedelta
from typing import Any

from celery import signals

from replication.audit import runs
from replication.engine import image
from replication.services import job_retention, queue
from replication.sync import cleanup, runner
from vmrep.celery import app


@app.task
def run_next_job() -> None:
    runner.run_next()


@app.task
def tick() -> None:
    queue.tick()


@app.task
def clean_up(context_id: str) -> None:
    """A hint that waited in line may be out of date: another worker has just tried."""
    if queue.contexts_to_clean(vm_context=context_id):
        cleanup.clean_context(context_id)


@app.task
def delete_old_jobs(older_than_days: int) -> None:
    job_retention.delete_old_jobs(timedelta(days=older_than_days))


@app.task
def request_integrity_check() -> None:
    runs.request(actor="schedule")


@app.task
def check_integrity() -> None:
    runs.run_requested()


@signals.worker_ready.connect
def remove_left_folders(**signal: Any) -> None:
    """Of daemons of a worker that was killed."""
    image.remove_left_folders()
