"""What workers are asked to do; each task calls one service."""

from replication.services import queue
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
    cleanup.clean_context(context_id)
