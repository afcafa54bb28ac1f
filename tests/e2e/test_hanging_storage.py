"""The programs as they are run, while the share of a repository is away."""

import http.client
import time
from collections.abc import Callable

import pytest
from django.test import Client

from contexts.models import DiscoveredVM
from contexts.services import management
from replication import messages
from replication.models import DiskImage, ReplicationJob
from replication.services import removal, start
from replication.states import JobStatus
from tests import factories
from tests.e2e.conftest import environment
from vmrep.local import programs
from vmrep.local.ports import LOCALHOST, listen
from vmrep.local.supervisor import Supervisor

pytestmark = pytest.mark.slow

SECONDS = 90


def _wait(until: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not until():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)


def _get(port: int, address: str) -> str:
    client = Client()
    client.force_login(factories.user(f"ops-{address}"))
    connection = http.client.HTTPConnection(LOCALHOST, port, timeout=SECONDS)
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    connection.request("GET", address, headers={"Cookie": cookie})
    answer = connection.getresponse()
    assert answer.status == 200
    return answer.read().decode()


def test_pages_and_other_repositories_jobs_go_on_and_all_programs_end_when_told(
    estate, broker, tmp_path, hanging_share
):
    disk = factories.repository("disk", tmp_path / "disk")
    held_up = estate.take("small1")
    (other,) = management.take(
        [DiscoveredVM.objects.get(vm_name="small2")], repository=disk, actor="ops"
    )
    deleted = factories.context("deleted", keep_in=estate.repository)
    factories.completed_job(deleted)
    removal.delete_replica_data(deleted, confirm_vm_name="deleted", actor="ops")
    waiting, job = (
        start.start(it, trigger="manual", requested_by="ops") for it in (held_up, other)
    )
    listener = listen(0)
    port = listener.getsockname()[1]
    with hanging_share(estate.repository_folder):
        with Supervisor(environment(broker, tmp_path), tmp_path / "logs") as supervisor:
            supervisor.start(
                [
                    programs.copies(broker),
                    programs.control(broker),
                    programs.ticking(broker),
                    programs.web(listener),
                ]
            )
            supervisor.start([programs.beat()])
            children = list(supervisor.children)
            messages.hint_clean_up(deleted.pk)
            _wait(lambda: ReplicationJob.objects.get(pk=job.pk).status == JobStatus.COMPLETED)
            waiting.refresh_from_db()
            assert waiting.status == JobStatus.PENDING
            assert "repository does not respond" in waiting.current_operation
            assert "does not respond" in _get(port, "/repositories/")
            for tab in ("overview", "points"):
                assert held_up.vm_name in _get(
                    port, f"/virtual-machines/?vm={held_up.pk}&tab={tab}"
                )
        assert [child.process.returncode for child in children] == [0] * 5
    assert DiskImage.objects.filter(vm_context=deleted).exists()
