"""A VM under a new instance UUID: how the API shows it, and confirming or rejecting it."""

from __future__ import annotations

import pytest
from django.utils import timezone

from contexts.models import DiscoveredVM, VMContext
from contexts.services import identity
from replication.models import ReplicationJob
from tests import factories
from tests.factories import LOOKS


@pytest.fixture
def context(db) -> VMContext:
    return factories.gone_context(**LOOKS)


@pytest.fixture
def vm(context) -> DiscoveredVM:
    return factories.discovered_vm("web", at=context.vcenter, **LOOKS)


def confirm(context: VMContext) -> str:
    return f"vm-contexts/{context.pk}/confirm-identity/"


def reject(context: VMContext) -> str:
    return f"vm-contexts/{context.pk}/reject-identity/"


def test_list_detail_and_discovery_show_the_change(api, context, vm):
    expected = {
        "discovered_vm_id": vm.pk,
        "vm_name": "web",
        "vmware_vm_id": vm.vmware_vm_id,
    }
    (row,) = api.get("vm-contexts/").json()["results"]
    detail = api.get(f"vm-contexts/{context.pk}/").json()["context"]
    assert row["identity_change"] == detail["identity_change"] == expected
    assert row["gone_since"] == detail["gone_since"] is not None
    (found,) = api.get(f"vcenters/{vm.vcenter_id}/discovery/").json()["results"]
    assert found["probable_context_id"] == context.pk
    assert found["identity_rejected_at"] is None


def test_a_vm_that_is_there_has_not_gone_nor_changed(api):
    context = factories.context()
    detail = api.get(f"vm-contexts/{context.pk}/").json()["context"]
    assert (detail["gone_since"], detail["identity_change"]) == (None, None)


@pytest.mark.parametrize("by", ["discovered_vm_id", "vmware_vm_id"])
def test_confirming_answers_the_vm_under_its_new_uuid(api, context, vm, by):
    value = {"discovered_vm_id": vm.pk, "vmware_vm_id": vm.vmware_vm_id}[by]
    answer = api.post(confirm(context), {by: value})
    assert answer.status_code == 200
    assert answer.json()["context"]["context_id"] == context.pk
    assert answer.json()["context"]["vmware_vm_id"] == vm.vmware_vm_id
    assert answer.json()["context"]["identity_change"] is None
    assert context.events.first().actor == "ops"


def test_rejecting_lets_it_be_taken_as_a_new_vm(api, context, vm):
    taking = {"discovered_vm_ids": [vm.pk]}
    refused = api.post("vm-contexts/", taking)
    assert (refused.status_code, refused.json()["code"]) == (409, "identity_changed")
    assert refused.json()["context_id"] == context.pk
    answer = api.post(reject(context), {"discovered_vm_id": vm.pk})
    assert answer.status_code == 200
    assert answer.json()["context"]["identity_change"] is None
    assert answer.json()["context"]["gone_since"] is not None
    assert api.post("vm-contexts/", taking).status_code == 201
    assert VMContext.objects.count() == 2


def test_until_then_no_replication_is_started(api, context, vm):
    answer = api.post(f"vm-contexts/{context.pk}/replications/")
    assert (answer.status_code, answer.json()["code"]) == (409, "identity_changed")
    assert answer.json()["discovered_vm_id"] == vm.pk
    assert not ReplicationJob.objects.exists()


@pytest.mark.parametrize("address", [confirm, reject])
def test_what_does_not_look_the_same_is_refused(api, context, address):
    other = factories.discovered_vm("other", at=context.vcenter)
    answer = api.post(address(context), {"discovered_vm_id": other.pk})
    assert (answer.status_code, answer.json()["code"]) == (409, "identity_refused")


def test_while_a_job_is_active_confirming_is_refused(api, context, vm):
    DiscoveredVM.objects.filter(pk=vm.pk).update(identity_rejected_at=timezone.now())
    factories.running_job(context)
    answer = api.post(confirm(context), {"discovered_vm_id": vm.pk})
    assert (answer.status_code, answer.json()["code"]) == (409, "busy")


def test_confirming_twice_is_refused_the_second_time(api, context, vm):
    identity.confirm(vm, context, actor="ops")
    answer = api.post(confirm(context), {"discovered_vm_id": vm.pk})
    assert (answer.status_code, answer.json()["code"]) == (409, "identity_refused")


@pytest.mark.parametrize("address", [confirm, reject])
def test_an_unknown_vm_or_context_is_not_found(api, context, vm, address):
    elsewhere = factories.discovered_vm("web", **LOOKS)
    for body in (
        {"discovered_vm_id": 10**9},
        {"vmware_vm_id": "nobody"},
        {"discovered_vm_id": elsewhere.pk},
    ):
        answer = api.post(address(context), body)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_vm")
    context.context_id = "ctx-nobody"
    assert api.post(address(context), {"discovered_vm_id": vm.pk}).status_code == 404


@pytest.mark.parametrize("address", [confirm, reject])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"discovered_vm": 1}, "discovered_vm"),
        ({"discovered_vm_id": "1"}, "discovered_vm_id"),
        ({"vmware_vm_id": 1}, "vmware_vm_id"),
        ({}, None),
        ({"discovered_vm_id": 1, "vmware_vm_id": "x"}, None),
    ],
)
def test_a_malformed_request_changes_nothing(api, context, vm, address, body, field):
    answer = api.post(address(context), body)
    assert answer.status_code == 400
    if field is not None:
        assert field in answer.json()["errors"]
    else:
        assert answer.json()["message"].startswith("Which VM?")
    assert not context.events.exclude(old="").exists()
