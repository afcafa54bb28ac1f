"""The real thing: a broker, worker processes, beat and a vCenter, on this test's database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.sync.estate import PASSWORD, Estate, database_url
from vmrep.celery import app
from vmrep.demo import programs
from vmrep.demo.supervisor import Supervisor
from vmrep.lab import Lab


def environment(broker: str, folder: Path) -> dict[str, str]:
    """What a process of vmrep needs to work on this test's database."""
    return os.environ | {
        "DATABASE_URL": database_url(),
        "VMREP_REDIS_URL": broker,
        # A folder of its own for beat's schedule, but the keys that this process encrypts with.
        "VMREP_DATA_DIR": str(folder / "data"),
        "VMREP_FIELD_KEYS": ",".join(settings.FIELD_KEYS),
        "DJANGO_SETTINGS_MODULE": "vmrep.settings",
    }


@pytest.fixture
def broker(redis_url: str) -> Iterator[str]:
    """This process sends its hints to the test's Redis."""
    before = app.conf.broker_url
    app.conf.broker_url = redis_url
    app._after_fork()  # forget connections to another broker
    yield redis_url
    app.conf.broker_url = before
    app._after_fork()


@pytest.fixture
def workers_without_beat(
    transactional_db: None, broker: str, tmp_path: Path
) -> Iterator[Supervisor]:
    """Both workers as script/demo starts them; nothing happens but what messages ask for."""
    with Supervisor(environment(broker, tmp_path), tmp_path / "logs") as supervisor:
        supervisor.start([programs.copies(broker), programs.control(broker)])
        yield supervisor


@pytest.fixture
def workers(workers_without_beat: Supervisor) -> Supervisor:
    """Both workers and beat."""
    workers_without_beat.start([programs.beat()])
    return workers_without_beat


@pytest.fixture
def lab_scenario(tmp_path: Path) -> Iterator[Callable[[str], Lab]]:
    """Starts the lab with a scenario."""
    started = []

    def start(scenario: str) -> Lab:
        lab = Lab(tmp_path / "lab", scenario, password=PASSWORD)
        lab.start()
        started.append(lab)
        return lab

    yield start
    for lab in started:
        lab.stop()


@pytest.fixture
def estate(transactional_db: None, lab_scenario: Callable[[str], Lab], tmp_path: Path) -> Estate:
    return Estate(lab_scenario("small"), tmp_path)
