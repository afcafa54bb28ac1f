"""Taking discovered VMs under management."""

from __future__ import annotations

import pytest
from django.utils import timezone

from contexts.models import DiscoveredVM, VCenter, VMContext
from tests import factories
from tests.web.conftest import notices


@pytest.fixture
def vcenter(db) -> VCenter:
    return factories.vcenter()


@pytest.fixture
def take(web, vcenter):
    def post(*vms: object, **values: object):
        data = {"vm": [getattr(vm, "pk", vm) for vm in vms], **values}
        return web.post(f"/discovery/{vcenter.pk}/take/", data, follow=True)

    return post


def test_one_vm_leads_to_its_panel(take, vcenter):
    repository = factories.repository()
    answer = take(factories.discovered_vm("pgtest2", at=vcenter), repository=repository.pk)
    context = VMContext.objects.get()
    assert (context.vm_name, context.repository) == ("pgtest2", repository)
    assert answer.redirect_chain == [(f"/virtual-machines/?vm={context.pk}", 302)]
    assert notices(answer) == ["1 VM is under management now."]
    assert context.events.get().actor == "ops"


def test_many_lead_to_the_list_of_what_was_taken(take, vcenter):
    vms = [factories.discovered_vm(name, at=vcenter) for name in ("a", "b")]
    answer = take(*vms, repository=factories.repository().pk)
    assert VMContext.objects.count() == 2
    assert answer.redirect_chain == [("/virtual-machines/?status=discovered", 302)]
    assert notices(answer) == ["2 VMs are under management now."]


def test_without_a_vm_it_asks_for_one(take):
    assert "No VM is selected" in notices(take(repository=factories.repository().pk))[0]


def test_without_a_repository_it_asks_for_one(take, vcenter):
    answer = take(factories.discovered_vm(at=vcenter))
    assert "Choose the repository" in notices(answer)[0]
    assert not VMContext.objects.exists()


@pytest.mark.parametrize("vm", [99, "x"])
def test_a_vm_that_does_not_exist_is_refused(take, vm):
    answer = take(vm, repository=factories.repository().pk)
    assert "not there any more" in notices(answer)[0]


def test_a_vm_of_another_vcenter_is_refused(take):
    answer = take(factories.discovered_vm(), repository=factories.repository().pk)
    assert "not there any more" in notices(answer)[0]
    assert not VMContext.objects.exists()


def test_a_vm_that_is_gone_by_now_is_refused(take, vcenter):
    vm = factories.discovered_vm(at=vcenter)
    DiscoveredVM.objects.update(gone_at=timezone.now())
    assert "not there any more" in notices(take(vm, repository=factories.repository().pk))[0]


def test_all_are_taken_or_none(take, vcenter):
    good = factories.discovered_vm("good", at=vcenter)
    bad = factories.discovered_vm("bad", at=vcenter, instance_uuid=None)
    answer = take(good, bad, repository=factories.repository().pk)
    assert notices(answer)[0].startswith("bad: ")
    assert not VMContext.objects.exists()


def test_a_refusal_leads_back_to_the_same_view(take, vcenter):
    view = f"/discovery/?vcenter={vcenter.pk}&search=x"
    assert take(next=view).redirect_chain == [(view, 302)]


def test_it_takes_only_a_post(web, vcenter):
    assert web.get(f"/discovery/{vcenter.pk}/take/").status_code == 405
