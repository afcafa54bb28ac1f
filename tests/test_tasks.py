"""Whoever can write to the broker can call any task with any arguments: none does harm."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests import factories
from tests.foreign.outcomes import WRITES
from vmrep.celery import app

KEYS = {
    "contexts.tasks.discover": ["discovery_id"],
    "replication.tasks.clean_up": ["context_id"],
}
"""Of rows, of which the database says whether there is anything to do. Whoever adds an argument
asks what becomes of it if an enemy chooses it."""


def tasks() -> Iterator[tuple[str, Any]]:
    app.loader.import_default_modules()
    for name, task in sorted(app.tasks.items()):
        if not name.startswith("celery."):
            yield name, task


def test_a_task_takes_the_key_of_a_row_at_most():
    found = {name: list(inspect.signature(task.run).parameters) for name, task in tasks()}
    assert len(found) > 10
    assert {name: given for name, given in found.items() if given} == KEYS


def test_the_schedule_gives_no_arguments():
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        assert not entry.keys() & {"args", "kwargs"}
        assert entry["task"] in dict(tasks())


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(KEYS))
@pytest.mark.parametrize("given", [0, "none", "' OR 1=1 --", None, [], 1 << 70])
def test_a_key_of_no_row_changes_nothing(name, given):
    factories.failed_job(factories.context())
    factories.discovery(factories.vcenter(), "pending", started_at=None)
    with CaptureQueriesContext(connection) as captured:
        dict(tasks())[name].apply(args=(given,))
    assert [each for each in captured if WRITES.match(each["sql"])] == []
