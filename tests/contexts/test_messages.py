"""Hints to workers when there is no broker."""

import time

import pytest

from contexts import messages
from vmrep.celery import app


@pytest.fixture
def no_broker():
    before = app.conf.broker_url
    app.conf.broker_url = "redis://127.0.0.1:1/0"  # nobody listens there
    app._after_fork()
    yield
    app.conf.broker_url = before
    app._after_fork()


def test_without_a_broker_nobody_waits(no_broker, caplog):
    began = time.monotonic()
    messages.send("replication.tasks.run_next_job")
    assert time.monotonic() - began < 2
    assert "cannot be reached" in caplog.text
