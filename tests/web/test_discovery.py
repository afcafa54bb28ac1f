"""The discovery page: choosing a vCenter, reading it, and what it shows of each VM."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from contexts.models import DiscoveredVM, Discovery
from contexts.states import DiscoveryStatus
from tests import factories
from tests.web.conftest import text


def row(web, vm: DiscoveredVM) -> str:
    page = text(web.get("/discovery/", {"vcenter": vm.vcenter_id}))
    found = re.search(rf'<tr id="vm-{vm.pk}".*?</tr>', page, re.DOTALL)
    assert found
    return found[0]


def test_without_a_vcenter_it_leads_to_adding_one(web):
    assert 'href="/vcenters/add/"' in text(web.get("/discovery/"))


def test_without_a_choice_it_shows_the_first_vcenter(web):
    factories.vcenter("b")
    factories.vcenter("a")
    assert "a has not been read yet" in text(web.get("/discovery/"))


@pytest.mark.parametrize("vcenter", ["99", "x"])
def test_an_unknown_vcenter_is_not_found(web, vcenter):
    assert web.get("/discovery/", {"vcenter": vcenter}).status_code == 404


def test_it_shows_specs_and_calls_unknown_unknown(web):
    vm = factories.discovered_vm(cpu_count=4, memory_mb=None, power_state=None)
    shown = row(web, vm)
    assert '<td class="number hide-2">4</td>' in shown
    assert shown.count("unknown</span>") == 2
    assert "1 · 64 MiB" in shown


def test_it_says_what_would_be_refused_and_what_to_do(web):
    shown = row(web, factories.discovered_vm(is_template=True))
    assert "Would be refused" in shown
    assert "It is a template" in shown
    assert "Convert it to a virtual machine" in shown


def test_a_vm_that_cannot_be_told_apart_cannot_be_ticked(web):
    shown = row(web, factories.discovered_vm(instance_uuid=None))
    assert "Cannot be taken" in shown
    assert " disabled>" in shown
    assert "data-select-one" not in shown


def test_a_managed_vm_leads_to_its_context(web):
    context = factories.context("pgtest1")
    shown = row(web, DiscoveredVM.objects.get())
    assert f"/virtual-machines/?vm={context.pk}" in shown
    assert " disabled>" in shown


def test_a_vm_that_is_gone_is_not_shown(web):
    vm = factories.discovered_vm("was-here")
    DiscoveredVM.objects.update(gone_at=timezone.now())
    assert "was-here" not in text(web.get("/discovery/", {"vcenter": vm.vcenter_id}))


def test_a_hostile_name_is_written_as_text(web):
    vm = factories.discovered_vm(
        factories.HOSTILE_NAME, disks=[factories.disk_record(label="<i>", disk_mode="independent")]
    )
    page = text(web.get("/discovery/", {"vcenter": vm.vcenter_id}))
    assert "<script>alert" not in page
    assert "<i>" not in page


def test_it_filters_what_is_managed_and_refused(web):
    vcenter = factories.vcenter()
    factories.context("managed", at=vcenter)
    factories.discovered_vm("free", at=vcenter)
    factories.discovered_vm("template", at=vcenter, is_template=True)

    def shown(**query: str) -> list[str]:
        page = text(web.get("/discovery/", {"vcenter": vcenter.pk, **query}))
        return re.findall(r'aria-label="Select ([^"]+)" data-keep', page)

    assert shown() == ["free", "managed", "template"]
    assert shown(managed="false") == ["free", "template"]
    assert shown(refused="true") == ["template"]
    assert shown(search="fre") == ["free"]
    assert shown(sort="-name") == ["template", "managed", "free"]


def test_a_running_discovery_shows_its_progress(web):
    vcenter = factories.vcenter()
    factories.discovery(vcenter, DiscoveryStatus.RUNNING, vms_seen=500, vms_total=5000)
    page = text(web.get("/discovery/"))
    assert "500 VMs of 5000" in page
    assert 'max="5000" value="500"' in page


def test_a_failed_discovery_says_why(web):
    vcenter = factories.vcenter()
    factories.discovery(
        vcenter, DiscoveryStatus.FAILED, error_message="The login was refused. Check it."
    )
    assert "The login was refused. Check it." in text(web.get("/discovery/"))


def test_without_a_repository_it_leads_to_adding_one(web):
    vm = factories.discovered_vm()
    assert 'href="/repositories/add/"' in text(web.get("/discovery/", {"vcenter": vm.vcenter_id}))


def test_discover_asks_for_a_discovery(web):
    vcenter = factories.vcenter()
    answer = web.post(f"/discovery/{vcenter.pk}/start/")
    assert answer["Location"] == f"/discovery/?vcenter={vcenter.pk}"
    run = Discovery.objects.get()
    assert (run.vcenter, run.status, run.requested_by) == (vcenter, "pending", "ops")


def test_discovering_twice_is_one_discovery(web):
    vcenter = factories.vcenter()
    for _ in range(2):
        assert web.post(f"/discovery/{vcenter.pk}/start/").status_code == 302
    assert Discovery.objects.count() == 1


def test_discover_takes_only_a_post(web):
    vcenter = factories.vcenter()
    assert web.get(f"/discovery/{vcenter.pk}/start/").status_code == 405
    assert not Discovery.objects.exists()


def test_the_number_of_queries_does_not_grow_with_the_rows(web, queries):
    vcenter, repository = factories.vcenter(), factories.repository()
    factories.context(at=vcenter, keep_in=repository)
    factories.discovered_vm(at=vcenter)
    web.get("/discovery/")
    one = queries(lambda: web.get("/discovery/"))
    for _ in range(15):
        factories.context(at=vcenter, keep_in=repository)
        factories.discovered_vm(at=vcenter)
    assert queries(lambda: web.get("/discovery/")) == one
