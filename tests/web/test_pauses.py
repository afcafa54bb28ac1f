"""The page of pauses, and what a VM's panel says of its next run."""

from __future__ import annotations

import pytest
from django.db.models.functions import Now

from contexts.clock import database_now
from replication.models import Pause, VMSchedule
from replication.policies import services, settle
from replication.scheduler import dates
from tests import factories
from tests.web.conftest import text

pytestmark = pytest.mark.django_db


@pytest.fixture
def vm():
    return factories.context("web <b>01</b>")


def panel(web, vm) -> str:
    return text(web.get(f"/virtual-machines/?vm={vm.pk}"))


def test_the_panel_says_when_a_vm_is_next(web, vm):
    assert "not known yet: the scheduler looks within seconds" in panel(web, vm)
    settle.tick()
    dates.work_out([vm.pk], database_now())
    assert "never: no target and no calendar" in panel(web, vm)
    services.set_own(vm, services.target(3600), actor="ops")
    dates.work_out([vm.pk], database_now())
    assert "as soon as a worker is free" in panel(web, vm)
    VMSchedule.objects.update(due_at=Now() + (database_now() - database_now().replace(year=2025)))
    assert "first replication" in panel(web, vm)
    factories.pending_job(vm)
    assert "after this replication" in panel(web, vm)
    Pause.objects.create(kind="vcenter", vcenter=vm.vcenter, paused_by="ops")
    assert "is paused by ops until somebody ends it" in panel(web, vm)


def test_a_vm_is_paused_from_its_panel_and_the_pause_ended(web, vm):
    address = f"/pauses/?vm={vm.pk}"
    assert address in web.get(f"/virtual-machines/?vm={vm.pk}").content.decode()
    assert "Nothing is paused." in text(web.get(address))
    page = web.post(address, {"kind": "vm", "length": "2 h", "reason": "<i>moves"}, follow=True)
    pause = Pause.objects.get()
    assert (pause.vm_context_id, pause.paused_by) == (vm.pk, "ops")
    assert 7100 < (pause.until - database_now()).total_seconds() <= 7200
    assert "web &lt;b&gt;01&lt;/b&gt;" in page.content.decode()
    assert "&lt;i&gt;moves" in page.content.decode()
    page = text(web.post(f"/pauses/{pause.pk}/end/", follow=True))
    assert "has ended" in page
    assert "Nothing is paused." in page


def test_the_list_says_what_more_than_one_vm_waits_for(web, vm):
    def said() -> str:
        return text(web.get("/virtual-machines/")).partition('id="paused"')[2].partition("</p>")[0]

    Pause.objects.create(kind="vm", vm_context=vm, paused_by="ops")
    assert said() == "", "that one says so itself"
    for number in range(3):
        policy = services.add(f"P{number}", {}, actor="ops")
        Pause.objects.create(kind="policy", policy=policy, paused_by="<b>ops</b>")
    assert "Policy P0 is paused by &lt;b&gt;ops&lt;/b&gt; until somebody ends it." in said()
    assert "More is paused" not in said()
    Pause.objects.create(kind="all", paused_by="ops")
    assert "All VMs are paused by ops until somebody ends it." in said()
    assert "More is paused." in said()
    Pause.objects.update(ended_at=Now(), ended_by="ops")
    assert said() == ""


def test_vcenters_policies_and_all_are_paused(web, vm):
    policy = services.add("Gold", {}, actor="ops")
    web.post("/pauses/", {"kind": "vcenter", "vcenter": vm.vcenter_id})
    web.post("/pauses/", {"kind": "policy", "policy": policy.pk})
    web.post("/pauses/", {"kind": "all"})
    page = text(web.get("/pauses/"))
    for words in ("all VMs", "policy Gold", f"vCenter {vm.vcenter}", "until somebody ends it"):
        assert words in page
    assert Pause.objects.count() == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "vcenter"}, "Say which vCenter is to be paused."),
        ({"kind": "policy"}, "Say which Policy is to be paused."),
        ({"kind": "vm"}, "Select a valid choice"),
        ({"kind": "all", "length": "soon"}, "soon"),
        ({"kind": "all", "length": "0 m"}, "more than nothing"),
        ({"kind": "all", "length": "99999999 d"}, "at most ten years"),
        ({"kind": "all", "length": "999999999 w"}, "at most ten years"),
    ],
)
def test_what_means_nothing_is_refused(web, vm, values, words):
    assert words in text(web.post("/pauses/", values))
    assert not Pause.objects.exists()
