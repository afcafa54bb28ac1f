"""What workers are asked to do; each task calls one service."""

from contexts.services import discovery
from vmrep.celery import app


@app.task
def discover(discovery_id: int) -> None:
    discovery.run(discovery_id)
