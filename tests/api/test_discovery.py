"""vcenters/{id}/discovery/: reading a vCenter's VMs, without taking any under management."""

from __future__ import annotations

import pytest
from django.utils import timezone

from contexts.models import DiscoveredVM, Discovery, VMContext
from contexts.models.specs import SPEC_NAMES
from contexts.services import discovery, vcenters
from contexts.vsphere.tls import presented_certificate
from tests import factories
from tests.factories import HOSTILE_NAME
from tests.labs import PASSWORD

pytestmark = pytest.mark.any_database


def names(answer) -> list[str]:
    assert answer.status_code == 200, answer.json()
    return [row["vm_name"] for row in answer.json()["results"]]


def test_it_is_started_and_says_where_to_look(api):
    vcenter = factories.vcenter()
    answer = api.post(f"vcenters/{vcenter.pk}/discovery/")
    assert answer.status_code == 202
    assert answer["Location"].endswith(f"/api/v1/vcenters/{vcenter.pk}/discovery/")
    run = Discovery.objects.get()
    assert answer.json()["discovery"]["id"] == run.pk
    assert (run.status, run.requested_by) == ("pending", "ops")
    assert api.get(answer["Location"]).json()["discovery"] == answer.json()["discovery"]


def test_while_one_runs_that_one_is_the_answer(api):
    vcenter = factories.vcenter()
    running = factories.discovery(vcenter, "running")
    answer = api.post(f"vcenters/{vcenter.pk}/discovery/")
    assert answer.status_code == 202
    assert answer.json()["discovery"]["id"] == running.pk


@pytest.mark.django_db(transaction=True)
def test_it_finds_the_vms_of_a_vcenter_with_their_specs(api, lab, monkeypatch):
    monkeypatch.setattr("contexts.messages.send", lambda *message: None)
    fingerprint = presented_certificate(lab.host, lab.port).fingerprint_sha256
    vcenter = vcenters.add(
        name="lab",
        host=lab.host,
        port=lab.port,
        username=lab.username,
        password=PASSWORD,
        trust_mode="pin",
        fingerprint_sha256=fingerprint,
    )
    address = f"vcenters/{vcenter.pk}/discovery/"
    run = api.post(address).json()["discovery"]["id"]
    discovery.run(run)  # as a worker does
    body = api.get(address).json()
    assert body["discovery"]["status"] == "completed"
    assert body["discovery"]["vms_seen"] == body["count"] == 2
    small1, small2 = body["results"]
    assert (small1["vm_name"], small1["cpu_count"], small1["memory_mb"]) == ("small1", 2, 2048)
    assert small1["disks"][0]["capacity_bytes"] == 64 << 20
    assert small2["power_state"] == "poweredOff"
    assert not VMContext.objects.exists()


def test_it_lists_every_spec_and_what_is_managed(api):
    context = factories.context("managed", cpu_count=None)
    factories.discovered_vm("not managed", at=context.vcenter)
    managed, other = api.get(f"vcenters/{context.vcenter_id}/discovery/").json()["results"]
    assert set(SPEC_NAMES) <= set(managed)
    assert managed["managed_context_id"] == context.pk
    assert managed["cpu_count"] is None
    assert other["managed_context_id"] is None
    assert other["networks"][0]["mac_address"] == "00:50:56:00:00:00"


def test_it_says_why_a_vm_would_be_refused(api):
    vcenter = factories.vcenter()
    factories.discovered_vm("template", at=vcenter, is_template=True)
    factories.discovered_vm("twin", at=vcenter, instance_uuid=None)
    template, twin = api.get(f"vcenters/{vcenter.pk}/discovery/").json()["results"]
    (refusal,) = template["refusals"]
    assert refusal["code"] == "template"
    assert refusal["reason"]
    assert refusal["remedy"]
    assert twin["vmware_vm_id"] is None
    assert twin["identity_problem"]


def test_it_leaves_out_what_is_gone(api):
    vm = factories.discovered_vm()
    DiscoveredVM.objects.update(gone_at=vm.seen_at)
    assert names(api.get(f"vcenters/{vm.vcenter_id}/discovery/")) == []


def test_a_vcenter_that_was_never_read_has_no_discovery(api):
    body = api.get(f"vcenters/{factories.vcenter().pk}/discovery/").json()
    assert (body["discovery"], body["count"]) == (None, 0)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("managed=true", ["managed"]),
        ("managed=false", ["off", "template"]),
        ("refused=true", ["template"]),
        ("refused=false", ["managed", "off"]),
        ("power_state=poweredOff", ["off"]),
        ("os=windows", ["off"]),
        ("search=temp", ["template"]),
        ("ordering=-vm_name", ["template", "off", "managed"]),
        ("page_size=1&page=2", ["off"]),
    ],
)
def test_filters_narrow_the_list(api, query, found):
    vcenter = factories.vcenter()
    factories.context("managed", at=vcenter)
    factories.discovered_vm("off", at=vcenter, power_state="poweredOff", os_type="Windows 11")
    factories.discovered_vm("template", at=vcenter, is_template=True)
    assert names(api.get(f"vcenters/{vcenter.pk}/discovery/?{query}")) == found


@pytest.mark.parametrize("query", ["power=on", "manged=true", "ordering=x", "page_size=x"])
def test_what_it_does_not_understand_it_refuses(api, query):
    vcenter = factories.vcenter()
    assert api.get(f"vcenters/{vcenter.pk}/discovery/?{query}").status_code == 400


def test_an_unknown_vcenter_is_not_found(api):
    assert api.get("vcenters/999/discovery/").status_code == 404
    assert api.post("vcenters/999/discovery/").status_code == 404


def test_an_unknown_field_is_refused_and_nothing_is_started(api):
    vcenter = factories.vcenter()
    assert api.post(f"vcenters/{vcenter.pk}/discovery/", {"full": True}).status_code == 400
    assert not Discovery.objects.exists()


def test_the_number_of_queries_does_not_grow_with_the_rows(api, queries):
    context = factories.context(HOSTILE_NAME)
    address = f"vcenters/{context.vcenter_id}/discovery/"
    one = queries(lambda: api.get(address))
    factories.contexts((f"vm-{number}" for number in range(29)), at=context.vcenter)
    assert queries(lambda: api.get(address)) == one
    assert len(names(api.get(address))) == 30


def test_what_disappeared_is_told_to_those_who_ask(api):
    vcenter = factories.vcenter()
    factories.discovered_vm("gone", at=vcenter)
    DiscoveredVM.objects.update(gone_at=timezone.now())
    factories.discovered_vm("here", at=vcenter, vm_path="/Lab/vm/Web/here")
    address = f"vcenters/{vcenter.pk}/discovery/"

    def names(query: str = "") -> list[str]:
        return [row["vm_name"] for row in api.get(address + query).json()["results"]]

    assert names() == ["here"]
    assert names("?gone=false") == ["here"]
    assert names("?gone=true") == ["gone"]
    assert names("?folder=/Lab/vm/Web") == ["here"]
    (row,) = api.get(f"{address}?gone=true").json()["results"]
    assert row["gone_at"]
