"""What the database refuses is refused by the API with 400, 405 or 409, never with a 500."""

from __future__ import annotations

import pytest

from contexts.models import VCenter, VMContext
from replication.models import ReplicationJob
from replication.services import start
from tests import factories
from tests.at_once import in_threads

KEPT = {
    **{"context_id": "ctx-new", "vm_context_id": "ctx-none", "current_job_id": "job-none"},
    **{"last_successful_job_id": "job-none", "current_status": "ready_for_failover"},
    **{"total_jobs_run": -1, "status": "completed", "bytes_transferred": -1, "id": "job-new"},
}


@pytest.mark.parametrize("name", KEPT)
def test_what_vmrep_keeps_cannot_be_sent_along(api, name):
    context = factories.context()
    for path in ("replications/", f"vm-contexts/{context.pk}/replications/"):
        answer = api.post(path, {"vmware_vm_id": context.vmware_vm_id, name: KEPT[name]})
        assert answer.status_code == 400
        assert name in answer.json()["errors"]
    assert not ReplicationJob.objects.exists()


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_no_row_is_rewritten_or_deleted(api, method):
    context = factories.context()
    job = factories.running_job(context)
    for path in (
        *("vm-contexts/", "vcenters/", "replications/", f"replications/{job.pk}/"),
        "repositories/",
    ):
        assert getattr(api, method)(path, KEPT).status_code == 405
    answer = getattr(api, method)(f"vcenters/{context.vcenter_id}/", KEPT)
    assert answer.status_code == (405 if method == "put" else 400)
    answer = getattr(api, method)(f"vm-contexts/{context.pk}/", KEPT)  # PATCH takes `policy` alone
    assert answer.status_code == (400 if method == "patch" else 405)
    context.refresh_from_db()
    assert context.current_job == job


def test_a_second_job_is_a_conflict_that_names_the_first(api):
    context = factories.context()
    job = factories.running_job(context)
    for path in ("replications/", f"vm-contexts/{context.pk}/replications/"):
        body = {"vmware_vm_id": context.vmware_vm_id} if path == "replications/" else {}
        answer = api.post(path, body)
        assert answer.status_code == 409
        assert job.pk in answer.content.decode()


def test_a_job_that_only_the_database_sees_is_a_conflict(api, monkeypatch):
    """The look beforehand finds nothing: the rule of the database still holds."""
    context = factories.context()
    job = factories.running_job(context)
    lock = start.statuses.lock

    def blind(context_id):
        locked = lock(context_id)
        locked.current_job_id, locked.current_status = None, "discovered"
        return locked

    monkeypatch.setattr(start.statuses, "lock", blind)
    answer = api.post(f"vm-contexts/{context.pk}/replications/", {})
    assert answer.status_code == 409
    assert answer.json()["code"] == "conflict"
    assert ReplicationJob.objects.get() == job


@pytest.mark.django_db(transaction=True)
def test_of_many_who_start_at_once_one_succeeds(api, monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    context = factories.context()

    def post() -> int:
        return api.post(f"vm-contexts/{context.pk}/replications/", {}).status_code

    codes = in_threads(*[post] * 6)
    assert sorted(codes) == [202] + [409] * 5
    context.refresh_from_db()
    assert (context.total_jobs_run, context.current_job) == (1, ReplicationJob.objects.get())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("port", port) for port in (0, -1, 65536, 10**30, "x", None)),
        *(("trust_mode", "blind"), ("transport", "pigeon"), ("name", ""), ("host", "")),
    ],
)
def test_an_impossible_vcenter_is_a_bad_request(api, name, value):
    body = {
        **{"name": "a", "host": "vc.example.org", "username": "u", "password": "p"},
        name: value,
    }
    answer = api.post("vcenters/", body)
    assert answer.status_code == 400
    assert name in answer.json()["errors"]
    assert not VCenter.objects.exists()


@pytest.mark.parametrize("repository", [999999, -1, 10**30, "x"])
def test_a_vm_is_not_taken_into_a_repository_that_does_not_exist(api, repository):
    vm = factories.discovered_vm()
    body = {"discovered_vm_ids": [vm.pk], "repository_id": repository}
    answer = api.post("vm-contexts/", body)
    assert answer.status_code == 400
    assert not VMContext.objects.exists()
