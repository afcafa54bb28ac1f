"""Finding a VM: one, several, none; the same name or UUID in two vCenters."""

from __future__ import annotations

import pytest
from django.utils import timezone

from contexts.errors import (
    AmbiguousVCenter,
    AmbiguousVM,
    IdentityChanged,
    UnknownVCenter,
    UnknownVM,
)
from contexts.models import DiscoveredVM, VMContext
from contexts.services import lookup, management
from replication.models import Repository
from replication.services import start
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("find", [lookup.find_context, lookup.find_vm])
def test_one_uuid_in_two_vcenters_is_distinguished_by_the_host(find):
    contexts = [factories.context("web", instance_uuid="the-same") for _ in range(2)]
    for context in contexts:
        found = find(
            factories.findable(), vmware_vm_id="the-same", vcenter_host=context.vcenter.host
        )
        assert found == context
    with pytest.raises(AmbiguousVM) as refusal:
        find(factories.findable(), vmware_vm_id="the-same")
    assert {it["vcenter_host"] for it in refusal.value.candidates} == {
        context.vcenter.host for context in contexts
    }


def test_two_vcenters_may_hold_vms_of_one_name_and_uuid_with_a_history_each():
    contexts = [factories.context("web", instance_uuid="the-same") for _ in range(2)]
    factories.completed_job(contexts[0])
    contexts[1].refresh_from_db()
    assert (contexts[0].total_jobs_run, contexts[1].total_jobs_run) == (1, 0)
    assert contexts[0].pk != contexts[1].pk


def test_a_managed_and_a_discovered_vm_of_one_name_are_two():
    at = factories.vcenter()
    context = factories.context("web", at=at)
    vm = factories.discovered_vm("web", at=at)
    assert lookup.find_context(factories.findable(), vm_name="web") == context
    with pytest.raises(AmbiguousVM, match="2 VMs are called 'web'") as refusal:
        lookup.find_vm(factories.findable(), vm_name="web")
    assert refusal.value.candidates == [
        {
            "vm_name": "web",
            "vmware_vm_id": row.vmware_vm_id,
            "vm_path": "/Lab/vm/web",
            "vcenter_host": at.host,
            "vcenter_port": at.port,
            "context_id": context_id,
        }
        for row, context_id in [(context, context.pk), (vm, None)]
    ]


def test_vms_without_a_uuid_are_candidates_each():
    at = factories.vcenter()
    for _ in range(2):
        factories.discovered_vm("web", at=at, instance_uuid=None)
    with pytest.raises(AmbiguousVM, match="2 VMs"):
        lookup.find_vm(factories.findable(), vm_name="web")


def test_a_managed_vm_that_is_gone_is_found_and_an_unmanaged_one_is_not():
    context = factories.context("web")
    factories.discovered_vm("old")
    DiscoveredVM.objects.update(gone_at=timezone.now())
    assert lookup.find_vm(factories.findable(), vm_name="web") == context
    with pytest.raises(UnknownVM, match="'old'"):
        lookup.find_vm(factories.findable(), vm_name="old")


def test_a_vm_under_a_new_uuid_is_one_vm_and_is_refused_with_that_reason():
    looks = {"moref": "vm-7", "bios_uuid": "b105", "vmx_path": "[ds] web/web.vmx"}
    context = factories.context("web", **looks)
    DiscoveredVM.objects.update(gone_at=timezone.now())
    vm = factories.discovered_vm("web", at=context.vcenter, **looks)
    assert lookup.find_vm(factories.findable(), vm_name="web") == context
    for identity in ({"vm_name": "web"}, {"vmware_vm_id": vm.vmware_vm_id}):
        with pytest.raises(IdentityChanged):
            start.start_for_vm(
                factories.findable(),
                keep_in=Repository.objects.all(),
                **identity,
                trigger="api",
                requested_by="ops",
            )
    assert VMContext.objects.get().total_jobs_run == 0


@pytest.mark.parametrize("find", [lookup.find_context, lookup.find_vm])
def test_nothing_is_found_by_half_a_name_another_case_or_another_vcenter(find):
    factories.context("web-01")
    other = factories.vcenter()
    for wrong in ("web", "WEB-01", "web-01 ", ""):
        with pytest.raises(UnknownVM):
            find(factories.findable(), vm_name=wrong)
    with pytest.raises(UnknownVM):
        find(factories.findable(), vm_name="web-01", vcenter_host=other.host)


def test_one_host_on_two_ports_needs_the_port():
    contexts = [
        factories.context("web", at=factories.vcenter(host="vc.example.org", port=port))
        for port in (443, 8443)
    ]
    with pytest.raises(AmbiguousVCenter, match=r"vc\.example\.org:443"):
        lookup.find_context(factories.findable(), vm_name="web", vcenter_host="vc.example.org")
    found = lookup.find_context(
        factories.findable(), vm_name="web", vcenter_host="vc.example.org:8443"
    )
    assert found == contexts[1]


def test_an_id_of_another_vcenter_s_vm_is_unknown_here():
    vm = factories.discovered_vm("web")
    other = factories.vcenter()
    assert (
        lookup.find_discovered(DiscoveredVM.objects.all(), vm.vcenter, discovered_vm_id=vm.pk) == vm
    )
    with pytest.raises(UnknownVM, match=other.name):
        lookup.find_discovered(DiscoveredVM.objects.all(), other, discovered_vm_id=vm.pk)
    with pytest.raises(UnknownVM):
        lookup.find_discovered(DiscoveredVM.objects.all(), vm.vcenter, vmware_vm_id="nobody")


def test_a_released_vm_is_found_by_its_discovery_and_revived():
    context = management.release(factories.context("web"), actor="ops")
    found = lookup.find_vm(factories.findable(), vm_name="web")
    assert isinstance(found, DiscoveredVM)
    (again,) = management.take([found], repository=None, actor="ops")
    assert again == context


def test_a_vm_is_found_by_what_people_copy():
    at = factories.vcenter(host="vc.example.com", port=8443)
    uuid = "50000000-0000-0000-0000-00000000abcd"
    vm = factories.discovered_vm("Köln/1", at=at, instance_uuid=uuid)
    for name in ("Köln/1", "Ko\u0308ln/1", "Köln%2f1", "Köln%2F1"):
        assert lookup.find_vm(factories.findable(), vm_name=name) == vm
    for text in (uuid.upper(), f" {uuid} "):
        assert lookup.find_vm(factories.findable(), vmware_vm_id=text) == vm
    for host in ("VC.example.com.", "https://vc.example.com:8443/ui/", " vc.example.com:8443"):
        assert lookup.find_vm(factories.findable(), vm_name="Köln/1", vcenter_host=host) == vm
    with pytest.raises(UnknownVCenter):
        lookup.find_vm(factories.findable(), vm_name="Köln/1", vcenter_host="vc.example.com:443")
