"""POST vm-contexts/: taking discovered VMs under management."""

from __future__ import annotations

import pytest
from django.utils import timezone

from contexts.models import DiscoveredVM, VMContext
from contexts.services import management
from tests import factories
from tests.factories import HOSTILE_NAME


def test_one_vm_is_taken_by_its_id(api):
    repository = factories.repository()
    vm = factories.discovered_vm("web-01")
    answer = api.post("vm-contexts/", {"discovered_vm_ids": [vm.pk]})
    assert answer.status_code == 201
    (row,) = answer.json()["contexts"]
    context = VMContext.objects.get()
    assert row["context_id"] == context.pk
    assert answer["Location"].endswith(f"/api/v1/vm-contexts/{context.pk}/")
    assert (row["vm_name"], row["current_status"]) == ("web-01", "discovered")
    assert context.repository == repository
    assert context.events.get().actor == "ops"


def test_many_are_taken_at_once(api):
    vms = [factories.discovered_vm(f"web-{number}") for number in range(5)]
    answer = api.post("vm-contexts/", {"discovered_vm_ids": [vm.pk for vm in vms]})
    assert answer.status_code == 201
    assert len(answer.json()["contexts"]) == 5
    assert "Location" not in answer


def test_a_vm_is_taken_by_name_and_host(api):
    vm = factories.discovered_vm("web-01")
    body = {"vm_name": "web-01", "vcenter_host": vm.vcenter.host}
    answer = api.post("vm-contexts/", body)
    assert answer.status_code == 201
    assert VMContext.objects.get().vmware_vm_id == vm.vmware_vm_id


def test_a_vm_is_taken_by_its_instance_uuid(api):
    vm = factories.discovered_vm()
    assert api.post("vm-contexts/", {"vmware_vm_id": vm.vmware_vm_id}).status_code == 201
    assert VMContext.objects.get().vmware_vm_id == vm.vmware_vm_id


def test_a_managed_vm_keeps_its_context(api):
    context = factories.context("web-01")
    vm = DiscoveredVM.objects.get()
    for body in (
        {"discovered_vm_ids": [vm.pk]},
        {"vm_name": "web-01", "vcenter_host": vm.vcenter.host},
    ):
        answer = api.post("vm-contexts/", body)
        assert answer.status_code == 200, "nothing was made"
        assert [row["context_id"] for row in answer.json()["contexts"]] == [context.pk]
    another = factories.discovered_vm("web-02")
    body = {"discovered_vm_ids": [vm.pk, another.pk]}
    assert api.post("vm-contexts/", body).status_code == 201
    assert api.post("vm-contexts/", body).status_code == 200


def test_a_vm_that_was_released_gets_its_context_back(api):
    context = management.release(factories.context(), actor="ops")
    answer = api.post("vm-contexts/", {"vmware_vm_id": context.vmware_vm_id})
    assert answer.status_code == 201
    assert [row["context_id"] for row in answer.json()["contexts"]] == [context.pk]


def test_the_repository_can_be_chosen(api):
    factories.repository()
    chosen = factories.repository()
    vm = factories.discovered_vm()
    body = {"discovered_vm_ids": [vm.pk], "repository_id": chosen.pk}
    assert api.post("vm-contexts/", body).status_code == 201
    assert VMContext.objects.get().repository == chosen


def test_all_are_taken_or_none(api):
    vms = [factories.discovered_vm("good"), factories.discovered_vm("bad", instance_uuid=None)]
    answer = api.post("vm-contexts/", {"discovered_vm_ids": [vm.pk for vm in vms]})
    assert answer.status_code == 409
    assert answer.json()["code"] == "not_manageable"
    assert "bad" in answer.json()["message"]
    assert not VMContext.objects.exists()


def test_a_vm_that_is_gone_is_refused(api):
    vm = factories.discovered_vm()
    DiscoveredVM.objects.update(gone_at=timezone.now())
    assert api.post("vm-contexts/", {"discovered_vm_ids": [vm.pk]}).status_code == 409


def test_an_ambiguous_name_is_refused_with_the_candidates(api):
    vcenter = factories.vcenter()
    for _ in range(2):
        factories.discovered_vm("web-01", at=vcenter)
    answer = api.post("vm-contexts/", {"vm_name": "web-01", "vcenter_host": vcenter.host})
    assert answer.status_code == 409
    assert len(answer.json()["candidates"]) == 2


def test_an_unknown_name_is_not_found(api):
    answer = api.post("vm-contexts/", {"vm_name": "web-01"})
    assert answer.status_code == 404


def test_a_hostile_name_becomes_a_harmless_id(api):
    vm = factories.discovered_vm(HOSTILE_NAME)
    (row,) = api.post("vm-contexts/", {"discovered_vm_ids": [vm.pk]}).json()["contexts"]
    assert row["vm_name"] == HOSTILE_NAME
    assert row["context_id"].startswith("ctx-script-alert-1-script-..-x-")
    assert api.get(f"vm-contexts/{row['context_id']}/").status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"discovered_vm_ids": [999]}, "discovered_vm_ids"),
        ({"discovered_vm_ids": []}, "discovered_vm_ids"),
        ({"discovered_vm_ids": 1}, "discovered_vm_ids"),
        ({"discovered_vm_ids": "1"}, "discovered_vm_ids"),
        ({"discovered_vm_ids": ["1"]}, "discovered_vm_ids.0"),
        ({"discovered_vm_ids": [True]}, "discovered_vm_ids.0"),
        ({"discovered_vm_ids": [1.0]}, "discovered_vm_ids.0"),
        ({"discovered_vm_ids": [10**30]}, "discovered_vm_ids.0"),
        ({"discovered_vm_ids": [0]}, "discovered_vm_ids.0"),
        ({"discovered_vm_ids": [1] * 1001}, "discovered_vm_ids"),
        ({"discovered_vm_ids": [1], "vcenter_host": "x"}, "vcenter_host"),
        ({"discovered_vm_ids": [1], "repository_id": 999}, "repository_id"),
        ({"discovered_vm_ids": [1], "repository_id": "1"}, "repository_id"),
        ({"discovered_vms": [1]}, "discovered_vms"),
        ({"vm_name": "x", "current_status": "failed"}, "current_status"),
    ],
)
def test_what_it_does_not_understand_it_refuses_by_name(api, body, field):
    answer = api.post("vm-contexts/", body)
    assert answer.status_code == 400
    assert field in answer.json()["errors"]
    assert not VMContext.objects.exists()


@pytest.mark.parametrize("body", [{}, {"discovered_vm_ids": [1], "vm_name": "x"}])
def test_it_wants_to_know_which_vms_in_one_way(api, body):
    answer = api.post("vm-contexts/", body)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Which VMs?")
