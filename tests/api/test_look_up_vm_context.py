"""Finding one VM by its name and vCenter, on the list's address and on the one for it."""

from __future__ import annotations

import pytest

from contexts.services import management
from tests import factories

pytestmark = pytest.mark.parametrize("address", ["vm-contexts/", "vm-contexts/lookup/"])


def test_it_is_found_by_name_and_host(api, address):
    context = factories.context("web-01")
    query = {"vm_name": "web-01", "vcenter_host": context.vcenter.host}
    answer = api.get(address, query)
    assert answer.status_code == 200
    assert answer.json() == api.get(f"vm-contexts/{context.pk}/").json()


def test_the_host_may_be_written_in_any_case_and_with_the_port(api, address):
    context = factories.context("web-01", at=factories.vcenter(host="vc.example.org", port=8443))
    for host in ("VC.example.org", "vc.example.org:8443"):
        answer = api.get(address, {"vm_name": "web-01", "vcenter_host": host})
        assert answer.json()["context"]["context_id"] == context.pk


def test_it_is_found_by_its_instance_uuid(api, address):
    context = factories.context()
    answer = api.get(address, {"vmware_vm_id": context.vmware_vm_id})
    assert answer.json()["context"]["context_id"] == context.pk


def test_the_name_alone_is_enough_while_it_is_unambiguous(api, address):
    context = factories.context("web-01")
    answer = api.get(address, {"vm_name": "web-01"})
    assert answer.json()["context"]["context_id"] == context.pk


def test_vms_of_one_name_at_two_vcenters_are_distinguished_by_the_host(api, address):
    contexts = [factories.context("web-01"), factories.context("web-01")]
    for context in contexts:
        query = {"vm_name": "web-01", "vcenter_host": context.vcenter.host}
        assert api.get(address, query).json()["context"]["context_id"] == context.pk


def test_an_ambiguous_name_is_refused_with_the_candidates(api, address):
    vcenter = factories.vcenter()
    contexts = [factories.context("web-01", at=vcenter) for _ in range(2)]
    answer = api.get(address, {"vm_name": "web-01", "vcenter_host": vcenter.host})
    assert answer.status_code == 409
    assert answer.json()["code"] == "ambiguous_vm"
    candidates = answer.json()["candidates"]
    assert {it["context_id"] for it in candidates} == {context.pk for context in contexts}
    assert {it["vmware_vm_id"] for it in candidates} == {it.vmware_vm_id for it in contexts}


def test_a_host_of_several_vcenters_is_refused_with_their_ports(api, address):
    first = factories.vcenter(host="vc.example.org", port=443)
    second = factories.vcenter(host="vc.example.org", port=8443)
    context = factories.context("web", at=second)
    answer = api.get(address, {"vm_name": "web", "vcenter_host": "vc.example.org"})
    assert (answer.status_code, answer.json()["code"]) == (409, "ambiguous_vcenter")
    assert answer.json()["candidates"] == [
        {
            "vcenter_id": each.pk,
            "name": each.name,
            "vcenter_host": "vc.example.org",
            "vcenter_port": each.port,
        }
        for each in (first, second)
    ]
    found = api.get(address, {"vm_name": "web", "vcenter_host": "vc.example.org:8443"})
    assert found.json()["context"]["context_id"] == context.pk


def test_a_vm_that_is_not_there_is_not_found(api, address):
    host = factories.context("web-01").vcenter.host
    answer = api.get(address, {"vm_name": "web-02", "vcenter_host": host})
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_vm"


def test_a_vm_that_is_no_longer_managed_is_not_found(api, address):
    context = management.release(factories.context("web-01"), actor="ops")
    query = {"vm_name": "web-01", "vcenter_host": context.vcenter.host}
    assert api.get(address, query).status_code == 404


def test_an_unknown_vcenter_is_not_found(api, address):
    answer = api.get(address, {"vm_name": "web-01", "vcenter_host": "nowhere.example.org"})
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_vcenter"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"vm_name": "a", "vcenterhost": "b"}, "vcenterhost"),
        ({"vm_name": "a", "status": "failed"}, "status"),
        ({"vm_name": "a", "page": "2"}, "page"),
        ({"vm_name": ""}, "vm_name"),
    ],
)
def test_what_does_not_belong_to_a_look_up_is_refused(api, address, query, field):
    answer = api.get(address, query)
    assert answer.status_code == 400
    assert field in answer.json()["errors"]


def test_the_host_alone_does_not_name_a_vm(api, address):
    answer = api.get(address, {"vcenter_host": "vc.example.org"})
    assert answer.status_code == 400
    assert "vm_name" in answer.json()["message"]
