"""Starting a replication: of a context, or of a VM named by its identity."""

from __future__ import annotations

import pytest
from kombu.exceptions import OperationalError

from contexts.models import VMContext
from contexts.services import management
from replication.models import ReplicationJob
from tests import factories


def by_context(context: VMContext) -> tuple[str, dict]:
    return f"vm-contexts/{context.pk}/replications/", {}


def by_name(context: VMContext) -> tuple[str, dict]:
    body = {"vm_name": context.vm_name, "vcenter_host": context.vcenter.host}
    return "replications/", body


def by_uuid(context: VMContext) -> tuple[str, dict]:
    return "replications/", {"vmware_vm_id": context.vmware_vm_id}


EVERY_WAY = pytest.mark.parametrize("way", [by_context, by_name, by_uuid])


@EVERY_WAY
def test_it_answers_202_with_the_job_and_where_to_watch_it(api, way):
    context = factories.context()
    answer = api.post(*way(context))
    assert answer.status_code == 202
    job = ReplicationJob.objects.get()
    assert answer["Location"].endswith(f"/api/v1/replications/{job.pk}/")
    assert api.get(answer["Location"]).json() == answer.json()
    assert answer.json()["status"] == "pending"
    assert (job.trigger, job.requested_by) == ("api", "ops")
    context.refresh_from_db()
    assert (context.current_job, context.total_jobs_run) == (job, 1)


@EVERY_WAY
def test_while_one_runs_it_answers_409_with_its_id(api, way):
    context = factories.context()
    running = factories.running_job(context)
    answer = api.post(*way(context))
    assert answer.status_code == 409
    assert answer.json()["code"] == "already_running"
    assert answer.json()["job_id"] == running.pk
    assert ReplicationJob.objects.count() == 1


@EVERY_WAY
def test_without_a_repository_it_is_refused(api, way):
    context = factories.context()
    VMContext.objects.update(repository=None)
    answer = api.post(*way(context))
    assert answer.status_code == 409
    assert answer.json()["code"] == "no_repository"


@EVERY_WAY
def test_a_broker_that_is_down_does_not_matter(
    api, way, monkeypatch, django_capture_on_commit_callbacks
):
    def unreachable(*args: object, **kwargs: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("vmrep.celery.app.send_task", unreachable)
    context = factories.context()
    with django_capture_on_commit_callbacks(execute=True) as hints:
        assert api.post(*way(context)).status_code == 202
    assert [hint.__name__ for hint in hints if hasattr(hint, "__name__")].count("hint_job") == 1


def test_a_vm_that_was_released_is_refused(api):
    context = management.release(factories.context(), actor="ops")
    answer = api.post(*by_context(context))
    assert answer.status_code == 409
    assert answer.json()["code"] == "not_managed"


def test_an_unknown_context_is_not_found(api):
    assert api.post("vm-contexts/ctx-nobody/replications/").status_code == 404


def test_by_identity_a_discovered_vm_is_taken_under_management(api):
    factories.repository()
    vm = factories.discovered_vm("web-01")
    body = {"vm_name": "web-01", "vcenter_host": vm.vcenter.host}
    answer = api.post("replications/", body)
    assert answer.status_code == 202
    context = VMContext.objects.get()
    assert context.vmware_vm_id == vm.vmware_vm_id
    assert answer.json()["vm_context_id"] == context.pk
    assert [event.actor for event in context.events.all()] == ["ops", "ops"]


def test_by_identity_an_ambiguous_name_is_refused_with_the_candidates(api):
    vcenter = factories.vcenter()
    factories.context("web-01", at=vcenter)
    factories.discovered_vm("web-01", at=vcenter)
    answer = api.post("replications/", {"vm_name": "web-01", "vcenter_host": vcenter.host})
    assert answer.status_code == 409
    assert len(answer.json()["candidates"]) == 2
    assert not ReplicationJob.objects.exists()


def test_by_identity_an_unknown_vm_is_not_found(api):
    host = factories.vcenter().host
    answer = api.post("replications/", {"vm_name": "web-01", "vcenter_host": host})
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_vm"


@pytest.mark.parametrize("body", [{}, {"vcenter_host": "vc.example.org"}])
def test_by_identity_it_wants_to_know_which_vm(api, body):
    answer = api.post("replications/", body)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Which VM?")


@EVERY_WAY
def test_an_unknown_field_is_refused_and_nothing_is_started(api, way):
    address, body = way(factories.context())
    answer = api.post(address, body | {"replication_type": "initial"})
    assert answer.status_code == 400
    assert "replication_type" in answer.json()["errors"]
    assert not ReplicationJob.objects.exists()


@EVERY_WAY
@pytest.mark.parametrize("wanted", ["checksum", "initial", "reset_cbt"])
def test_it_can_be_asked_to_compare_to_copy_or_to_reset(api, way, wanted):
    address, body = way(factories.context())
    answer = api.post(address, {**body, "requested_sync": wanted})
    assert (answer.status_code, answer.json()["requested_sync"]) == (202, wanted)
    assert ReplicationJob.objects.get().requested_sync == wanted


def test_it_cannot_be_asked_for_anything_else(api):
    answer = api.post(*by_context(factories.context())[:1], {"requested_sync": "all"})
    assert answer.status_code == 400
    assert "requested_sync" in answer.json()["errors"]
    assert not ReplicationJob.objects.exists()
