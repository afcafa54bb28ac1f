"""The programs of one machine, and what asking whether they are ready must not change."""

from __future__ import annotations

from celery import current_app

from vmrep.celery import app
from vmrep.local import programs


def test_asking_a_worker_leaves_this_process_its_own_celery_app() -> None:
    """Else its hints would go to a queue that nobody reads."""
    app.set_current()
    programs.copies("redis+socket:///nowhere")
    programs.control("redis+socket:///nowhere")
    programs.storage("redis+socket:///nowhere")
    assert current_app._get_current_object() is app
