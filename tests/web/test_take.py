"""Taking discovered VMs under management."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from contexts.models import DiscoveredVM, VCenter, VMContext
from contexts.services import management
from replication.models import ReplicationJob
from replication.services import start
from replication.states import Trigger
from tests import factories
from tests.web.conftest import notices, text


@pytest.fixture
def vcenter(db) -> VCenter:
    return factories.vcenter()


@pytest.fixture
def take(web, vcenter):
    def post(*vms: object, **values: object):
        data = {"vm": [getattr(vm, "pk", vm) for vm in vms], **values}
        return web.post(f"/discovery/{vcenter.pk}/take/", data, follow=True)

    return post


def test_one_vm_leads_to_its_panel_beside_the_list_of_what_was_taken(take, vcenter):
    repository = factories.repository()
    factories.context("before")
    answer = take(factories.discovered_vm("pgtest2", at=vcenter), repository=repository.pk)
    context = VMContext.objects.get(vm_name="pgtest2")
    assert context.repository == repository
    ((address, _),) = answer.redirect_chain
    assert re.fullmatch(rf"/virtual-machines/\?taken=\d+-\d+&vm={context.pk}", address)
    assert shown(answer) == {"pgtest2"}
    assert notices(answer) == ["1 VM is now under management."]
    assert context.events.get().actor == "ops"


def shown(answer) -> set[str]:
    return {vm.vm_name for vm in answer.context["table"].page.object_list.data}


def test_many_lead_to_the_list_of_what_was_taken_whatever_becomes_of_it(web, take, vcenter):
    """Not to those with the status that they have now: they would leave the list one by one."""
    factories.context("before")
    first = factories.discovered_vm("again", at=vcenter)
    repository = factories.repository()
    management.release(management.take([first], repository=repository, actor="x")[0], actor="x")
    vms = [first, *(factories.discovered_vm(name, at=vcenter) for name in ("a", "b"))]
    answer = take(*vms, repository=repository.pk)
    assert notices(answer) == ["3 VMs are now under management."]
    factories.context("after")
    ((address, _),) = answer.redirect_chain
    assert "/virtual-machines/?taken=" in address
    start.start(VMContext.objects.get(vm_name="a"), trigger=Trigger.MANUAL, requested_by="x")
    answer = web.get(address)
    assert shown(answer) == {"again", "a", "b"}
    assert "Just taken" in text(answer)
    assert shown(web.get("/virtual-machines/?taken=1-2-3")) == {
        *("again", "a", "b", "before", "after")
    }
    assert shown(web.get("/virtual-machines/?taken=0-999999")) == set()


def test_they_are_taken_and_replicated_in_one_go(take, vcenter, monkeypatch):
    """What vmrep would refuse gets no job that must fail; who cannot be started is named."""
    vms = [factories.discovered_vm(name, at=vcenter) for name in ("a", "b", "busy")]
    vms.append(factories.discovered_vm("plan", at=vcenter, is_template=True))
    real = start.start

    def start_one(context, **how):
        if context.vm_name == "busy":
            real(context, **how)  # somebody was faster
        return real(context, **how)

    monkeypatch.setattr("replication.services.start.start", start_one)
    answer = take(*vms, repository=factories.repository().pk, replicate="1")
    jobs = ReplicationJob.objects.order_by("source_vm_name")
    assert [job.source_vm_name for job in jobs] == ["a", "b", "busy"]
    (notice,) = notices(answer)
    assert notice == (
        "4 VMs are now under management. 2 replications were started. 1 VM was refused: busy is"
        f" already being replicated by {jobs[2].pk}. vmrep would refuse to replicate 1 of them as"
        " it is now: plan (a template)."
    )
    assert shown(answer) == {"a", "b", "busy", "plan"}


def test_without_a_vm_it_asks_for_one(take):
    assert "No VM is selected" in notices(take(repository=factories.repository().pk))[0]


def test_without_a_repository_it_asks_for_one(take, vcenter):
    answer = take(factories.discovered_vm(at=vcenter))
    assert "Choose the repository" in notices(answer)[0]
    assert not VMContext.objects.exists()


@pytest.mark.parametrize("vm", [99, "x"])
def test_a_vm_that_does_not_exist_is_refused(take, vm):
    answer = take(vm, repository=factories.repository().pk)
    assert "no longer there" in notices(answer)[0]


def test_a_vm_of_another_vcenter_is_refused(take):
    answer = take(factories.discovered_vm(), repository=factories.repository().pk)
    assert "no longer there" in notices(answer)[0]
    assert not VMContext.objects.exists()


def test_a_vm_that_is_gone_by_now_is_refused(take, vcenter):
    vm = factories.discovered_vm(at=vcenter)
    DiscoveredVM.objects.update(gone_at=timezone.now())
    assert "no longer there" in notices(take(vm, repository=factories.repository().pk))[0]


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


# ------------------------------------------------------------------ refused ones, all, RPO target


def test_it_says_which_of_those_taken_would_be_refused(take, vcenter):
    vms = [
        factories.discovered_vm("good", at=vcenter),
        factories.discovered_vm("plan", at=vcenter, is_template=True),
        factories.discovered_vm("empty", at=vcenter, disks=[]),
    ]
    answer = take(*vms, repository=factories.repository().pk)
    assert notices(answer) == [
        "3 VMs are now under management."
        " vmrep would refuse to replicate 2 of them as they are now:"
        " empty (no disk), plan (a template)."
    ]
    assert [message.level_tag for message in answer.context["messages"]] == ["warning"]


def test_one_that_would_be_refused_says_so(take, vcenter):
    vm = factories.discovered_vm("plan", at=vcenter, is_template=True)
    (notice,) = notices(take(vm, repository=factories.repository().pk))
    assert notice.endswith("vmrep would refuse to replicate it as it is now: plan (a template).")


def test_an_rpo_target_can_be_given(take, vcenter):
    vm = factories.discovered_vm(at=vcenter)
    take(vm, repository=factories.repository().pk, rpo_target="15 m")
    assert VMContext.objects.get().rpo_target_seconds == 900


def test_an_rpo_target_that_is_not_offered_is_refused(take, vcenter):
    vm = factories.discovered_vm(at=vcenter)
    answer = take(vm, repository=factories.repository().pk, rpo_target="99999999999 d")
    assert "is no duration" in notices(answer)[0]
    assert not VMContext.objects.exists()


@pytest.fixture
def many(vcenter):
    """Five in two folders: one is managed, one would be refused, one cannot be told apart."""
    for name, folder in (("a", "Web"), ("b", "Web"), ("orders", "Db")):
        factories.discovered_vm(name, at=vcenter, vm_path=f"/Lab/vm/{folder}/{name}")
    factories.context("managed", at=vcenter)
    factories.discovered_vm("plan", at=vcenter, is_template=True, vm_path="/Lab/vm/Web/plan")
    factories.discovered_vm("unknown", at=vcenter, instance_uuid=None)


def managed() -> set[str | None]:
    return set(VMContext.objects.values_list("vm_name", flat=True))


def test_all_that_fit_are_taken_but_for_those_that_would_be_refused(take, many):
    answer = take(everything="1", view="", repository=factories.repository().pk)
    assert managed() == {"managed", "a", "b", "orders"}
    assert notices(answer) == ["3 VMs are now under management."]


@pytest.mark.parametrize(
    ("view", "names"),
    [
        ("view=tree&folder=/Lab/vm/Web", {"a", "b"}),
        ("search=orders", {"orders"}),
        ("refused=true", {"plan"}),
        ("gone=true", set()),
        ("managed=true", set()),
    ],
)
def test_all_that_fit_are_those_of_the_pages_filters(take, many, view, names):
    take(everything="1", view=view, repository=factories.repository().pk)
    assert managed() == {"managed"} | names


def test_more_than_can_be_done_at_once_are_left_for_another_time(take, many, monkeypatch):
    monkeypatch.setattr("vmrep.web.views.discovery.MOST_AT_ONCE", 2)
    answer = take(everything="1", view="", repository=factories.repository().pk)
    assert notices(answer) == ["2 VMs are now under management. 1 more can be taken the same way."]


def test_nothing_left_to_take_is_shown(take, vcenter):
    answer = take(everything="1", view="", repository=factories.repository().pk)
    assert notices(answer) == ["There are no VMs left to take."]


def test_taking_again_keeps_repository_and_target(take, vcenter):
    vm = factories.discovered_vm(at=vcenter)
    first, second = factories.repository(), factories.repository()
    take(vm, repository=first.pk, rpo_target="15 m")
    management.release(VMContext.objects.get(), actor="ops")
    take(vm, repository=second.pk)
    context = VMContext.objects.get()
    assert (context.repository, context.rpo_target_seconds) == (first, 900)
    assert context.is_managed


def test_a_vm_with_a_notice_is_taken_only_by_itself(web, take, vcenter):
    said = [{"code": "vcls", "summary": "cluster services", "text": "A replica is of no use."}]
    special = factories.discovered_vm("vCLS-1", at=vcenter)
    DiscoveredVM.objects.filter(pk=special.pk).update(notices=said)
    factories.discovered_vm("a", at=vcenter)
    page = text(web.get("/discovery/", {"vcenter": vcenter.pk}))
    assert "cluster services: take it by itself" in page
    assert "A replica is of no use." in page
    assert page.count("data-refused") == 1
    repository = factories.repository().pk
    take(everything="1", view="", repository=repository)
    assert [context.vm_name for context in VMContext.objects.all()] == ["a"]
    take(special, repository=repository)
    context = VMContext.objects.get(vm_name="vCLS-1")
    panel = text(web.get("/virtual-machines/", {"vm": context.pk}))
    assert "A replica is of no use." in panel
