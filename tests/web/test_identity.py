"""A VM that is gone or under a new instance UUID: table, panel, discovery, and the decision."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from contexts.models import DiscoveredVM, VMContext
from tests import factories
from tests.factories import LOOKS
from tests.web.conftest import notices, text

HOSTILE = factories.HOSTILE_NAME


@pytest.fixture
def context(db) -> VMContext:
    return factories.gone_context(**LOOKS)


@pytest.fixture
def vm(context) -> DiscoveredVM:
    return factories.discovered_vm("shop", at=context.vcenter, **LOOKS)


def page_of(vm: DiscoveredVM) -> str:
    return reverse("discovery-identity", args=[vm.vcenter_id, vm.pk])


def panel(web, context: VMContext) -> str:
    page = text(web.get("/virtual-machines/", {"vm": context.pk}))
    return page[page.index('id="panel"') :]


def test_a_vm_that_is_gone_says_so_in_table_and_panel(web, context):
    page = text(web.get("/virtual-machines/"))
    assert "Gone <time" in re.sub(r"\s+", " ", page)
    shown = panel(web, context)
    assert f"Gone from {context.vcenter.name} since" in shown
    assert "keeps its history and recovery" in shown


def test_a_vm_that_is_there_is_not_called_gone(web):
    context = factories.context()
    page = text(web.get("/virtual-machines/", {"vm": context.pk}))
    assert "Gone" not in page
    assert "identity" not in page.lower().replace('<h3 class="facts-title">identity</h3>', "")


def test_a_changed_identity_leads_to_the_decision_from_panel_and_discovery(web, context, vm):
    assert "Identity changed" in text(web.get("/virtual-machines/"))
    assert f'href="{page_of(vm)}"' in panel(web, context)
    page = text(web.get("/discovery/", {"vcenter": vm.vcenter_id}))
    row = re.search(rf'<tr id="vm-{vm.pk}".*?</tr>', page, re.DOTALL)[0]
    assert "Probably web under a new instance UUID" in row
    assert f'href="{page_of(vm)}"' in row
    assert " disabled>" in row
    assert "Can be taken" not in row


def test_the_decision_names_both_vms_and_says_what_stays(web, context, vm):
    page = text(web.get(page_of(vm)))
    assert "shop is web: continue its history" in page
    for shown in (context.vmware_vm_id, vm.vmware_vm_id, context.pk, "[ds] web/web.vmx"):
        assert shown in page
    assert "Neither answer changes a VM" in page


def test_saying_that_it_is_the_same_goes_to_its_panel(web, context, vm):
    decided = {"decision": "same", "context": context.pk}
    answer = web.post(page_of(vm), decided, follow=True)
    assert answer.redirect_chain[-1][0] == f"/virtual-machines/?vm={context.pk}"
    assert notices(answer) == ["shop is the same VM and continues its history."]
    context.refresh_from_db()
    assert context.vmware_vm_id == vm.vmware_vm_id
    assert context.events.first().actor == "ops"


def test_saying_that_it_is_another_lets_it_be_taken(web, context, vm):
    answer = web.post(page_of(vm), {"decision": "another", "context": context.pk}, follow=True)
    assert "You can take it as a new one" in notices(answer)[0]
    assert "Can be taken" in text(answer)
    vm.refresh_from_db()
    assert vm.identity_rejected_at is not None


def test_a_refusal_is_shown_and_changes_nothing(web, context, vm):
    DiscoveredVM.objects.filter(pk=vm.pk).update(bios_uuid="another")
    answer = web.post(page_of(vm), {"decision": "same", "context": context.pk}, follow=True)
    assert "There is no evidence that" in notices(answer)[0]
    uuid = context.vmware_vm_id
    context.refresh_from_db()
    assert context.vmware_vm_id == uuid


def test_without_a_decision_nothing_is_decided(web, context, vm):
    answer = web.post(page_of(vm), {"context": context.pk}, follow=True)
    assert "same VM or another one" in notices(answer)[0]
    assert not context.events.exclude(old="").exists()


def test_there_is_nothing_to_decide_about_other_vms(web, context, vm):
    other = factories.discovered_vm("other", at=context.vcenter)
    assert web.get(page_of(other)).status_code == 404
    elsewhere = reverse("discovery-identity", args=[factories.vcenter().pk, vm.pk])
    assert web.get(elsewhere).status_code == 404
    for wrong in ("", "ctx-nobody"):
        answer = web.post(page_of(vm), {"decision": "same", "context": wrong})
        assert answer.status_code == 404


def test_it_needs_a_login(client, vm):
    for answer in (client.get(page_of(vm)), client.post(page_of(vm))):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/login/")


def test_hostile_names_are_shown_as_text(web):
    context = factories.context(HOSTILE, **LOOKS)
    DiscoveredVM.objects.update(gone_at=timezone.now())
    vm = factories.discovered_vm(HOSTILE, at=context.vcenter, **LOOKS)
    for page in (page_of(vm), "/discovery/", f"/virtual-machines/?vm={context.pk}"):
        shown = text(web.get(page))
        assert "&lt;script&gt;alert(1)" in shown
        assert "<script>alert" not in shown


@pytest.mark.parametrize("page", ["/virtual-machines/", "/discovery/"])
def test_a_page_costs_the_same_queries_with_any_number_of_them(web, queries, context, vm, page):
    few = queries(lambda: web.get(page))
    for number in range(3):
        looks = {**LOOKS, "moref": f"vm-1{number}"}
        factories.context("more", at=context.vcenter, **looks)
        DiscoveredVM.objects.filter(moref=looks["moref"]).update(gone_at=timezone.now())
        factories.discovered_vm("more", at=context.vcenter, **looks)
    assert queries(lambda: web.get(page)) == few
