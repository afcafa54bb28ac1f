"""Tasks for workers; each calls one service."""

from celery import shared_task

from contexts.services import discovery


@shared_task
def discover(discovery_id: int) -> None:
    discovery.run(discovery_id)
