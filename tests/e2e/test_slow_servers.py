"""All processes as they are started, and servers that never end an answer: everybody else's pages
come, and everybody else's work goes on."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db.models.functions import Now

from contexts.services import discovery
from replication.models import ContextLease, ReplicationJob
from tests import factories, hostile
from tests.e2e.conftest import environment
from tests.hostile import HostileServer, serving
from vmrep.local import programs
from vmrep.local.ports import LOCALHOST, listen
from vmrep.local.supervisor import Supervisor

pytestmark = pytest.mark.slow

AT_ONCE = 24


@pytest.fixture
def web(transactional_db: None, redis_url: str, tmp_path: Path) -> Iterator[int]:
    """The port of the web processes, on this test's database."""
    listener = listen(0)
    with Supervisor(environment(redis_url, tmp_path), tmp_path / "logs") as supervisor:
        supervisor.start([programs.web(listener)])
        yield listener.getsockname()[1]


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[HostileServer]:
    with serving(tmp_path, hostile.drips) as server:
        yield server


def test_pages_come_while_many_wait_for_a_server_that_drips(web: int, slow: HostileServer) -> None:
    token = factories.token(factories.user("ops"))

    def add(number: int) -> int:
        connection = http.client.HTTPConnection(LOCALHOST, web, timeout=120)
        body = {"name": f"vc{number}", "host": "127.0.0.1", "port": slow.port, "username": "a"}
        body |= {"password": "b", "trust_mode": "insecure"}
        headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
        connection.request("POST", "/api/v1/vcenters/", json.dumps(body), headers)
        return connection.getresponse().status

    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(add, number) for number in range(AT_ONCE)]
        for _ in range(20):
            connection = http.client.HTTPConnection(LOCALHOST, web, timeout=120)
            connection.request("GET", "/login/")
            assert connection.getresponse().status == 200
            connection.close()
        # Not a time but an order: the pages came while those requests were held.
        assert any(not each.done() for each in waiting)
        statuses = [each.result() for each in waiting]
    assert set(statuses) == {502, 503}  # who waited, and who was told to try again


CONTROL_THREADS = 4


@pytest.fixture
def slow_ones(tmp_path: Path) -> Iterator[list[HostileServer]]:
    """As many as the control worker has threads."""
    with ExitStack() as servers:
        yield [
            servers.enter_context(serving(tmp_path, hostile.drips)) for _ in range(CONTROL_THREADS)
        ]


def test_the_tick_takes_over_from_the_dead_while_every_discovery_drips(
    workers: Supervisor, slow_ones: list[HostileServer]
) -> None:
    for server in slow_ones:
        vcenter = factories.vcenter(
            host="127.0.0.1",
            port=server.port,
            trust_mode="pin",
            fingerprint_sha256=server.fingerprint,
        )
        discovery.request(vcenter, actor="ops")
    wait_until(lambda: all(server.open for server in slow_ones))
    job = factories.running_job(factories.context())
    ContextLease.objects.update(expires_at=Now())  # its worker is dead
    wait_until(lambda: ReplicationJob.objects.get(pk=job.pk).attempt == 2)
    # Not a time but an order: all threads of the control worker were held meanwhile.
    assert all(server.open for server in slow_ones)


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 55  # a discovery gives a call sixty seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)
