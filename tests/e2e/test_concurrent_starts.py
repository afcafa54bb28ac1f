"""Many who start at once, over HTTP, against the real web server: one job each, none lost.

On PostgreSQL and on SQLite: `script/test` runs this module on both.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from celery import Celery
from django.db import connection

from contexts.models import DiscoveredVM, VMContext
from contexts.services import discovery, management
from replication.models import ContextLease, DiskImage, JobStep, RecoveryPoint, ReplicationJob
from replication.models import VMSnapshot as Snapshot
from replication.states import JobStatus
from tests import factories
from tests.e2e.conftest import environment
from tests.e2e.test_workers import _ended, _start, _wait
from tests.sync.estate import Estate
from vmrep.celery import app
from vmrep.local import ports, programs
from vmrep.local.supervisor import Supervisor

AT_ONCE = 50
IN_ALL_THREADS = 18
TWINS = 5  # VMs of one name
SCENARIO = (
    """
[estate]
task_delay_seconds = 0.01

[[datacenters]]
path = "Lab/DC1"
host = "esx1.lab.example.com"
datastores = [{ name = "datastore1", type = "vmfs_lenient" }]
networks = ["VM Network"]

[[vms]]
name = "load"
folder = "Load"
count = 45
power = "off"
disks = [{ capacity = "1MiB", content = "empty" }]
"""
    + """
[[vms]]
name = "twin"
folder = "Twin%d"
power = "off"
disks = [{ capacity = "1MiB", content = "empty" }]
"""
    * TWINS
    % tuple(range(TWINS))
)


class Answer(NamedTuple):
    status: int
    body: dict[str, Any]


class Server:
    """The web server, and many clients of it with a token."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.token = ""

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
            client.request("POST", f"/api/v1/{path}", json.dumps(body), headers)
            answer = client.getresponse()
            return Answer(answer.status, json.loads(answer.read()))
        finally:
            client.close()

    def post_at_once(self, requests: list[tuple[str, dict[str, Any]]]) -> list[Answer]:
        """A thread for each request; all are let go in the same moment."""
        go = threading.Barrier(len(requests))

        def send(request: tuple[str, dict[str, Any]]) -> Answer:
            go.wait()
            return self.post(*request)

        with ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(send, requests))


@pytest.fixture(scope="module")
def running_server(
    django_db_setup: None, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Three processes of six threads: 18 requests are really at work at the same time."""
    listener = ports.listen(0)
    web = programs.web(listener)
    argv = list(web.argv)
    argv[argv.index("--workers") + 1], argv[argv.index("--threads") + 1] = "3", "6"
    argv.append("--preload")  # it loads vmrep once, not three times
    folder = tmp_path_factory.mktemp("web")
    with Supervisor(environment(redis_url, folder), folder / "logs") as supervisor:
        supervisor.start([dataclasses.replace(web, argv=argv)])
        yield Server(listener.getsockname()[1])
    listener.close()
    with Celery(broker=redis_url, set_as_current=False).connection() as broker_connection:
        broker_connection.default_channel.queue_purge("copies")


@pytest.fixture
def server(running_server: Server, transactional_db: None, broker: str) -> Server:
    running_server.token = factories.token(factories.user("program"))
    return running_server


@pytest.fixture
def repository(transactional_db: None, tmp_path: Path) -> Any:
    return factories.repository(path=tmp_path / "repository")


@pytest.fixture
def estate(transactional_db: None, lab_scenario: Callable[[str], Any], tmp_path: Path) -> Estate:
    """Fifty VMs with a small disk each, some of them of the same name; discovered, not taken."""
    scenario = tmp_path / "many.toml"
    scenario.write_text(SCENARIO)
    estate = Estate(lab_scenario(str(scenario)), tmp_path)
    estate.discover()
    assert DiscoveredVM.objects.count() == AT_ONCE
    return estate


def _assert_one_won(answers: list[Answer]) -> ReplicationJob:
    """One job, one 202 with it, and all others a 409 that names it."""
    assert Counter(answer.status for answer in answers) == {202: 1, 409: len(answers) - 1}
    job = ReplicationJob.objects.get()
    assert {answer.body["id"] for answer in answers if answer.status == 202} == {job.pk}
    refusals = [answer.body for answer in answers if answer.status == 409]
    assert {body["code"] for body in refusals} == {"already_running"}
    assert {body["job_id"] for body in refusals} == {job.pk}
    assert all(job.pk in body["message"] for body in refusals)
    context = VMContext.objects.get()
    assert (context.current_job, context.total_jobs_run) == (job, 1)
    assert context.current_status == "replicating"
    assert context.events.filter(new="replicating").count() == 1
    return job


def test_fifty_starts_of_a_managed_vm_make_one_job(server, repository):
    context = factories.context("web-01", keep_in=repository)
    ways = [
        (f"vm-contexts/{context.pk}/replications/", {}),
        ("replications/", {"vm_name": "web-01", "vcenter_host": context.vcenter.host}),
    ]
    _assert_one_won(server.post_at_once(ways * (AT_ONCE // 2)))


def test_starts_of_a_vm_that_nobody_manages_make_one_context_and_one_job(server, repository):
    vm = factories.discovered_vm("web-01")
    ways = [
        ("replications/", {"vmware_vm_id": vm.vmware_vm_id}),
        ("replications/", {"vm_name": "web-01", "vcenter_host": vm.vcenter.host}),
    ]
    job = _assert_one_won(server.post_at_once(ways * (IN_ALL_THREADS // 2)))
    assert job.vm_context.events.filter(old="", new="discovered").count() == 1
    assert job.vm_context.disks.count() == job.vm_context.network_adapters.count() == 1


def test_starts_of_a_released_vm_revive_it_once(server, repository):
    context = factories.context("web-01", keep_in=repository)
    management.release(context, actor="ops")
    body = {"vmware_vm_id": context.vmware_vm_id}
    job = _assert_one_won(server.post_at_once([("replications/", body)] * IN_ALL_THREADS))
    assert job.vm_context == context
    assert context.events.filter(why="taken under management again").count() == 1


def test_fifty_vms_started_at_once_get_fifty_jobs_with_their_own_ids(server, estate):
    vms = list(DiscoveredVM.objects.all())
    assert Counter(vm.vm_name for vm in vms)["twin"] == TWINS
    answers = server.post_at_once(
        [("replications/", {"vmware_vm_id": vm.vmware_vm_id}) for vm in vms]
    )
    assert Counter(answer.status for answer in answers) == {202: AT_ONCE}, answers
    assert len({answer.body["id"] for answer in answers}) == AT_ONCE
    assert ReplicationJob.objects.count() == AT_ONCE
    contexts = list(VMContext.objects.select_related("current_job"))
    assert len(contexts) == AT_ONCE
    for context in contexts:
        assert context.total_jobs_run == 1
        assert context.current_job.source_vm_id == context.vmware_vm_id


@pytest.mark.parametrize("rounds", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_starting_and_cancelling_while_discovery_rewrites_the_contexts_loses_nothing(
    server, estate, rounds
):
    vms = DiscoveredVM.objects.exclude(vm_name="twin")[:16]
    contexts = management.take(vms, repository=estate.repository, actor="ops")
    for number in range(1, rounds + 1):
        names = _rename_all(estate, contexts, number)
        starts = [(f"vm-contexts/{context.pk}/replications/", {}) for context in contexts]
        answers = _while_discovering(estate, lambda starts=starts: server.post_at_once(starts))
        assert Counter(answer.status for answer in answers) == {202: len(contexts)}
        jobs = {answer.body["vm_context_id"]: answer.body["id"] for answer in answers}
        for context in VMContext.objects.all():
            assert context.current_job_id == jobs[context.pk]
            assert (context.total_jobs_run, context.cancelled_jobs) == (number, number - 1)
            assert context.vm_name == names[context.pk]

        names = _rename_all(estate, contexts, -number)
        cancels = [(f"replications/{job_id}/cancel/", {}) for job_id in jobs.values()]
        answers = _while_discovering(estate, lambda cancels=cancels: server.post_at_once(cancels))
        assert Counter(answer.status for answer in answers) == {200: len(contexts)}
        for context in VMContext.objects.all():
            assert (context.current_job_id, context.current_status) == (None, "discovered")
            assert context.total_jobs_run == context.cancelled_jobs == number
            assert context.vm_name == names[context.pk]
            assert context.events.filter(new="replicating").count() == number


def _rename_all(estate: Estate, contexts: list[VMContext], number: int) -> dict[str, str]:
    """Give every VM another name in the vCenter; returns it by context."""
    names = {}
    for context in contexts:
        context.refresh_from_db(fields=["vm_name"])
        names[context.pk] = f"{context.pk}-{number}"
        estate.control.rename(context.vm_name, names[context.pk])
    return names


def _while_discovering(estate: Estate, act: Callable[[], list[Answer]]) -> list[Answer]:
    """Act while a discovery that began just before runs, and others until the act is over."""
    began, over, problems = threading.Event(), threading.Event(), []

    def discover() -> None:
        try:
            while True:
                run = discovery.request(estate.vcenter, actor="ops")
                began.set()
                discovery.run(run.pk)
                run.refresh_from_db()
                if run.status != "completed":
                    problems.append(run.error_message)
                if over.is_set():
                    return
        finally:
            connection.close()

    thread = threading.Thread(target=discover)
    thread.start()
    began.wait()
    try:
        return act()
    finally:
        over.set()
        thread.join()
        assert problems == []


# What PostgreSQL decides in it: test_leases.py and test_locks_at_once.py, where nothing is left to
# the moment at which a worker looks.
@pytest.mark.any_database
def test_workers_that_get_the_same_messages_run_each_job_once(estate, standing_workers):
    names = ["load-0001", "load-0002", "load-0003", "load-0004"]
    contexts = [estate.take(name) for name in names]
    with standing_workers.working(["copies"]) as supervisor:
        (log,) = [each.log for each in supervisor.children if each.program.name == "copies"]
        logged_before = log.stat().st_size
        jobs = [_start(context) for context in contexts]
        for _ in range(6 * len(jobs)):
            app.send_task("replication.tasks.run_next_job")
        for job in jobs:
            _wait(lambda job=job: _ended(job), 20)
        _wait(lambda: len(_tasks_done(log, logged_before)) >= 7 * len(jobs), 10)
    # Both processes were asked, again and again.
    assert len(set(_tasks_done(log, logged_before))) == 2
    for job in jobs:
        assert (job.status, job.attempt) == (JobStatus.COMPLETED, 1), job.error_message
    assert Counter(JobStep.objects.values_list("job_id", flat=True)) == {job.pk: 8 for job in jobs}
    for model in (RecoveryPoint, DiskImage, Snapshot):
        assert sorted(model.objects.values_list("job_id", flat=True)) == sorted(
            job.pk for job in jobs
        )
    assert not ContextLease.objects.exists()
    for context in contexts:
        context.refresh_from_db()
        assert (context.total_jobs_run, context.successful_jobs) == (1, 1)


def _tasks_done(log: Path, logged_before: int) -> list[int]:
    """The process that did it, for every message that a worker has settled since."""
    *whole, _being_written = log.read_bytes()[logged_before:].split(b"\n")
    lines = [json.loads(line) for line in whole]
    return [
        line["process"]
        for line in lines
        if re.match(r"Task replication\.tasks\.run_next_job.* succeeded", line["message"])
    ]
