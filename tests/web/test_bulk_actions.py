"""What a worker does with many VMs: asked on a page, followed on another one."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from contexts.models import VMContext
from replication.models import BulkAction, Pause, PolicyScope, ReplicationJob
from replication.policies import services
from replication.services import bulk_acts
from replication.states import JobStatus
from tests import factories
from tests.web.conftest import HTMX, notices, text
from tests.web.test_polling import Poller

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

ASK = "/bulk/ask/"


@pytest.fixture
def vms(db: None) -> list[VMContext]:
    return factories.contexts([f"web{number:02}" for number in range(12)] + ["<b>db</b>"])


def asked(web: Client, **data: object) -> dict[str, object]:
    """Asks, and returns what the page's button would send."""
    page = web.post(ASK, data).content.decode()
    sent: dict[str, object] = {"vm": re.findall(r'name="vm" value="([^"]*)"', page)}
    for name in ("kind", "confirmed", "everything", "view", "next"):
        if found := re.search(rf'name="{name}" value="([^"]*)"', page):
            sent[name] = found[1].replace("&amp;", "&")
    return sent


def test_it_names_the_number_and_the_first_asks_and_does_it_for_what_the_filters_find(web, vms):
    page = text(web.get(f"{ASK}?{urlencode({'kind': 'pause', 'everything': 1, 'view': ''})}"))
    assert "Pause 13 VMs?" in page
    assert "&lt;b&gt;db&lt;/b&gt;</strong>, <strong" in page
    assert "and 3 more" in page
    assert "web08" in page
    assert "web09" not in page
    view = "search=web&sort=-name&page=2"
    sent = asked(web, kind="pause", everything="1", view=view)
    assert not BulkAction.objects.exists()
    answer = web.post(ASK, {**sent, "length": "2 h", "reason": "moves"})
    action = BulkAction.objects.get()
    assert answer["Location"] == f"/bulk/{action.pk}/"
    assert (action.total, action.reason, action.asked_by) == (12, "moves", "ops")
    assert timedelta(hours=1) < action.until - timezone.now() <= timedelta(hours=2)
    bulk_acts.run_next()
    assert Pause.objects.count() == 12
    assert not Pause.objects.filter(vm_context=vms[-1]).exists()


def test_of_ticked_vms_with_the_policy_that_is_chosen(web, vms):
    gold = services.add("Gold", {}, actor="x")
    sent = asked(web, kind="policy", vm=[vms[0].pk, vms[1].pk], next="/virtual-machines/?page=2")
    assert sent["vm"] == [vms[0].pk, vms[1].pk]
    assert "no longer there" in text(web.post(ASK, {**sent, "policy": 9999}))
    page = text(web.post(ASK, {**sent, "policy": gold.pk}, follow=True))
    assert "Give policy Gold to 2 VMs" in page
    assert PolicyScope.objects.filter(policy=gold).count() == 0
    bulk_acts.run_next()
    assert PolicyScope.objects.filter(policy=gold).count() == 2
    web.post(ASK, asked(web, kind="policy", vm=[vms[0].pk]))
    bulk_acts.run_next()
    assert PolicyScope.objects.filter(policy=gold).count() == 1
    assert "Take their own policy from 1 VM" in text(web.get("/bulk/"))


def test_who_is_asked_about_other_vms_than_there_are_now_is_asked_again(web, vms):
    sent = asked(web, kind="remove", everything="1", view="search=web")
    late = factories.context("web-late")
    page = text(web.post(ASK, sent))
    assert "The selection has changed since you were asked" in page
    assert "Remove 13 VMs from management" in page
    assert not BulkAction.objects.exists()
    sent = asked(web, **sent)
    web.post(ASK, sent)
    assert BulkAction.objects.get().items.filter(vm_context=late).exists()


def test_what_cannot_be_asked_for_says_why(web, vms):
    for data, told in (
        ({"kind": "odd", "vm": [vms[0].pk]}, "choose what to do with the VMs"),
        ({"kind": "pause"}, "No VM matches"),
        ({"kind": "pause", "everything": "1", "view": "search=nothing"}, "No VM matches"),
        ({"kind": "pause", "everything": "1", "view": "status=odd"}, "A filter of the page"),
    ):
        (notice,) = notices(web.post(ASK, data, follow=True))
        assert told in notice, data
    assert not BulkAction.objects.exists()


def test_replicating_and_cancelling_all_that_match_asks_on_a_page_of_its_own(web, vms):
    data = {"action": "start", "everything": "1", "view": "search=web&page=2", "vm": [vms[0].pk]}
    answer = web.post("/virtual-machines/bulk/", data)
    assert answer["Location"].startswith(f"{ASK}?kind=replicate&everything=1&view=search")
    assert "Replicate 12 VMs?" in text(web.get(answer["Location"]))
    with_htmx = web.post("/virtual-machines/bulk/", {**data, "action": "cancel"}, headers=HTMX)
    assert with_htmx["HX-Redirect"].startswith(f"{ASK}?kind=cancel&everything=1")
    assert not ReplicationJob.objects.exists()
    web.post(ASK, asked(web, kind="replicate", everything="1", view="search=web"))
    bulk_acts.run_next()
    jobs = ReplicationJob.objects.filter(status=JobStatus.PENDING, trigger="manual")
    assert jobs.filter(requested_by="ops").count() == 12


def test_its_page_is_live_names_each_refused_vm_and_can_be_cancelled(web, vms):
    factories.pending_job(vms[0])
    web.post(ASK, asked(web, kind="remove", vm=[vm.pk for vm in (vms[0], vms[1], vms[12])]))
    action = BulkAction.objects.get()
    page = Poller(web, f"/bulk/{action.pk}/")
    assert page.poll() == 204
    claimed = bulk_acts._claim()
    for item in action.items.order_by("vm_context__vm_name")[1:3]:
        bulk_acts._handle(item, claimed, [], set())
    assert page.poll() == 200
    assert "1 of 3 done" in page.part
    assert "1 refused" in page.part
    assert "1 to come" in page.part
    only = text(web.get(f"/bulk/{action.pk}/?state=refused"))
    assert "web00 is being replicated" in only
    assert "web01" not in only
    lines = b"".join(web.get(f"/bulk/{action.pk}/?format=csv&state=done").streaming_content)
    assert lines.decode().splitlines()[1].startswith('"web01",')
    answer = web.post(f"/bulk/{action.pk}/cancel/", follow=True)
    assert notices(answer) == ["The bulk action was cancelled. 1 of 3 VMs is left as it was."]
    assert "Cancelled by ops" in text(answer)
    (again,) = notices(web.post(f"/bulk/{action.pk}/cancel/", follow=True))
    assert "is over (cancelled)" in again
    assert web.get("/bulk/9999/").status_code == 404


def test_it_says_so_when_no_worker_is_there_to_do_it(web, vms, monkeypatch):
    web.post(ASK, asked(web, kind="resume", vm=[vms[0].pk]))
    action = BulkAction.objects.get()
    monkeypatch.setattr("replication.selectors.health.what_is_missing", lambda *_: "Nobody lives.")
    assert "It waits: Nobody lives." in text(web.get(f"/bulk/{action.pk}/"))
    bulk_acts.run_next()
    assert "It waits" not in text(web.get(f"/bulk/{action.pk}/"))


def test_the_list_offers_all_that_match_when_they_are_on_several_pages(web, vms):
    page = text(web.get("/virtual-machines/?page_size=25"))
    assert "data-everything" not in page
    assert 'formaction="/bulk/ask/"' in page
    factories.contexts(f"more{number}" for number in range(15))
    page = text(web.get("/virtual-machines/?page_size=25"))
    assert "all 28 that match" in page
    assert 'name="view" value="page_size=25"' in page


def test_moving_vms_asks_for_the_repository(web, vms):
    there = factories.repository("there")
    sent = asked(web, kind="repository", vm=[vms[0].pk, vms[1].pk])
    assert "Move 2 VMs to another repository" in text(web.post(ASK, sent))  # without one
    web.post(ASK, sent | {"repository": there.pk})
    assert BulkAction.objects.get().repository == there


@pytest.mark.parametrize(
    ("kind", "means"),
    [
        ("replicate", "a VM's replication is in the queue"),
        ("copy_in_full", "a VM's replication is in the queue"),
        ("cancel", "was told to end"),
        ("pause", ""),
    ],
)
def test_it_says_what_done_means_where_more_follows(web, vms, kind, means):
    """Nothing was copied yet when a bulk action that asks for copies has ended."""
    web.post(ASK, asked(web, kind=kind, vm=[vms[0].pk]))
    bulk_acts.run_next()
    page = text(web.get(f"/bulk/{BulkAction.objects.get().pk}/"))
    assert ("“Done” means" in page) == bool(means)
    assert means in page
