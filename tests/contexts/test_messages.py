"""Hints to workers, with and without a broker."""

import os
import signal
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from contexts import messages
from tests.redis_server import running_redis
from vmrep.celery import app

pytestmark = pytest.mark.any_database


@contextmanager
def _broker(url):
    before = app.conf.broker_url
    app.conf.broker_url = url
    app._after_fork()
    yield
    app.conf.broker_url = before
    app._after_fork()


@pytest.fixture
def no_broker():
    with _broker("redis://127.0.0.1:1/0"):  # nobody listens there
        yield


def test_without_a_broker_nobody_waits(no_broker, caplog):
    began = time.monotonic()
    messages.send("replication.tasks.run_next_job")
    assert time.monotonic() - began < 2
    assert "is unreachable" in caplog.text


def test_a_broker_that_does_not_answer_is_waited_for_once_whatever_is_started(caplog, monkeypatch):
    """Each hint would cost the socket's timeout, and a request may start 1,000 jobs."""
    monkeypatch.setattr(messages, "SILENT_SECONDS", 3600)
    with _broker("redis://127.0.0.1:2/0"):
        for _ in range(5):
            messages.send("replication.tasks.run_next_job")
    assert caplog.text.count("is unreachable") == 1


def test_a_broker_that_hangs_holds_nobody_up(caplog, monkeypatch):
    """Somebody waits for the page that sends. Workers' connections are more patient."""
    monkeypatch.setattr(messages, "SILENT_SECONDS", 0)
    with running_redis() as url, _broker(url):
        messages.send("replication.tasks.run_next_job")
        assert not caplog.text
        socket = url.removeprefix("redis+socket://")
        with Redis(unix_socket_path=socket) as asking:
            server = asking.info()["process_id"]
        os.kill(server, signal.SIGSTOP)
        try:
            for _ in "on the connection that is there", "on a new one":
                began = time.monotonic()
                messages.send("replication.tasks.run_next_job")
                assert time.monotonic() - began < 2 * messages.SEND_SECONDS + 1
        finally:
            os.kill(server, signal.SIGCONT)
        assert caplog.text.count("is unreachable") == 2
        messages.send("replication.tasks.run_next_job")
    assert caplog.text.count("is unreachable") == 2


def test_a_hint_expires_when_the_tick_repeats_it(redis_url):
    """Behind work that takes long they would pile up."""
    with _broker(redis_url), app.connection_for_read() as connection:
        with connection.SimpleQueue("control") as queue:
            queue.clear()  # of what earlier tests sent
        messages.send("replication.tasks.clean_up", "ctx-1")
        with connection.SimpleQueue("control") as queue:
            headers = queue.get(timeout=10).headers
    assert headers["task"] == "replication.tasks.clean_up"
    left = datetime.fromisoformat(headers["expires"]) - datetime.now(UTC)
    assert timedelta(0) < left <= timedelta(seconds=10)
