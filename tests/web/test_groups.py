"""The pages of groups: making one, its VMs and their order, its runs."""

from __future__ import annotations

import re

import pytest
from django.db.models.functions import Now

from replication.models import GroupRun, VMGroup
from replication.services import finish, group_runs
from tests import factories
from tests.web.conftest import HTMX, text

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
HOSTILE = "db <b>01</b>"


@pytest.fixture
def vms() -> list:
    return factories.contexts(["app", HOSTILE, "web"], at=factories.vcenter())


@pytest.fixture
def shop(vms) -> VMGroup:
    return factories.group("Shop", *vms)


def order(group: VMGroup) -> list[tuple[int, str]]:
    rows = group.members.order_by("position").select_related("vm_context")
    return [(row.position, row.vm_context.vm_name) for row in rows]


def version_of(answer) -> str:
    return re.search(r'id="live"[^>]*data-version="([^"]*)"', answer.content.decode())[1]


def test_a_group_is_made_renamed_and_deleted(web, vms):
    assert "No group yet" in text(web.get("/groups/"))
    page = web.post("/groups/", {"name": "Shop <i>"}, follow=True)
    group = VMGroup.objects.get()
    assert (group.name, group.created_by) == ("Shop <i>", "ops")
    assert "Shop &lt;i&gt;" in page.content.decode()
    assert "already" in text(web.post("/groups/", {"name": "Shop <i>"}))
    web.post(f"/groups/{group.pk}/rename/", {"name": "Store"})
    web.post("/groups/", {"name": "Other"})
    assert "already" in text(web.post(f"/groups/{group.pk}/rename/", {"name": "Other"}))
    group.refresh_from_db()
    assert group.name == "Store"
    assert "and their policies stay" in text(web.get(f"/groups/{group.pk}/remove/"))
    assert "deleted" in text(web.post(f"/groups/{group.pk}/remove/", follow=True))
    assert [each.name for each in VMGroup.objects.all()] == ["Other"]


def test_vms_are_added_by_name_and_shown_in_panel_and_table(web, vms):
    group = factories.group("Shop")
    address = f"/groups/{group.pk}/members/add/"
    panel = f"/virtual-machines/?vm={vms[1].pk}"
    assert "Put it into a group" in text(web.get(panel))
    page = web.post(address, {"vm": HOSTILE}, follow=True).content.decode()
    assert "db &lt;b&gt;01" in page
    assert "<b>01" not in page
    shown = web.get(panel).content.decode()
    assert f'<a href="/groups/{group.pk}/">Shop</a>' in shown
    assert "Put it into a group" not in shown
    assert "with its group, when another of its VMs is due" in text(web.get(panel))
    table = text(web.get(f"/virtual-machines/?group={group.pk}"))
    assert "db" in table
    assert "web" not in table
    assert "can be added has this name" in text(web.post(address, {"vm": HOSTILE}))
    stranger = factories.context("far")
    assert "can be added has this name" in text(web.post(address, {"vm": stranger.pk}))
    index = text(web.get(f"/groups/?vm={vms[0].pk}"))
    assert "Add it here" in index
    web.post(address, {"vm": vms[0].pk})
    assert order(group) == [(1, HOSTILE), (2, "app")]


def test_two_vms_of_one_name_are_told_apart_by_their_context(web):
    twins = factories.contexts(["twin", "twin"], at=factories.vcenter())
    group = factories.group("Twins")
    page = text(web.post(f"/groups/{group.pk}/members/add/", {"vm": "twin"}))
    assert all(vm.pk in page for vm in twins)


def test_the_order_is_changed_by_buttons_that_keep_the_page(web, shop):
    last = shop.members.get(position=3)
    move = f"/groups/{shop.pk}/members/{last.pk}/move/"
    answer = web.post(move, {"to": "up"}, headers=HTMX, follow=True)
    assert f'id="up-{last.pk}"' in answer.content.decode()
    assert order(shop) == [(1, "app"), (2, "web"), (3, HOSTILE)]
    for _ in range(3):
        web.post(move, {"to": "up"})
    assert order(shop) == [(1, "web"), (2, "app"), (3, HOSTILE)]
    web.post(move, {"to": "down"})
    middle = shop.members.get(vm_context__vm_name="web")
    web.post(f"/groups/{shop.pk}/members/{middle.pk}/remove/")
    assert order(shop) == [(1, "app"), (2, HOSTILE)]


def test_a_group_is_replicated_and_its_run_cancelled(web, shop, vms):
    busy = factories.pending_job(vms[0])
    page = text(web.post(f"/groups/{shop.pk}/replicate/", follow=True))
    assert "Replication of the group Shop was started." in page
    assert "app is not in it" in page
    assert busy.pk in page
    assert "Waiting for a worker" in page
    assert "already being gathered" in text(web.post(f"/groups/{shop.pk}/replicate/", follow=True))
    assert "2 replications of the group Shop cancelled" in text(
        web.post(f"/groups/{shop.pk}/cancel/", follow=True)
    )
    group_runs.settle()
    page = text(web.get(f"/groups/{shop.pk}/"))
    assert "None of 3 VMs together" in page
    assert "Nothing of the group" in text(web.post(f"/groups/{shop.pk}/cancel/", follow=True))


def test_a_group_without_a_vm_that_can_be_replicated_says_why(web, vms):
    empty = factories.group("Empty")
    page = text(web.post(f"/groups/{empty.pk}/replicate/", follow=True))
    assert "No VM of Empty can be replicated now." in page
    assert not GroupRun.objects.exists()


def test_runs_tell_how_far_apart_the_snapshots_were_and_who_was_not_with_them(web, shop, vms):
    factories.group_run(shop, 0.0, 1.5, None)
    factories.group_run(shop, 0.0, 1.5, 60.0)
    page = text(web.get(f"/groups/{shop.pk}/"))
    assert "2 of 3 VMs together, 1.5 s apart" in page
    assert "60 seconds after the first of the others" in page
    assert "The vCenter did not answer." in page
    assert "2 of 3 VMs together, 1.5 s apart" in text(web.get("/groups/"))
    point = vms[0].recovery_points.order_by("-id").first()
    type(point).objects.filter(pk=point.pk).update(
        state="expired", expired_why="user", expired_at=Now()
    )
    assert "1 recovery point gone since" in text(web.get(f"/groups/{shop.pk}/"))


def test_a_group_that_is_being_gathered_cannot_be_deleted(web, shop):
    run = group_runs.begin(shop, trigger="manual", requested_by="ops")
    assert "Cancel it" in text(web.post(f"/groups/{shop.pk}/remove/", follow=True))
    for row in run.members.select_related("job"):
        finish.cancelled(row.job.pk, actor="ops")
    group_runs.settle()
    web.post(f"/groups/{shop.pk}/remove/")
    assert not VMGroup.objects.exists()


def test_the_page_of_a_group_follows_its_run_without_being_loaded_again(web, shop):
    address = f"/groups/{shop.pk}/"
    poll = {**HTMX, "X-Vmrep-Version": version_of(web.get(address))}
    assert web.get(address, headers=poll).status_code == 204
    group_runs.begin(shop, trigger="manual", requested_by="ops")
    answer = web.get(address, headers=poll)
    assert "Waiting for a worker" in text(answer)
    poll["X-Vmrep-Version"] = version_of(answer)
    GroupRun.objects.update(led_by="vm:1", updated_at=Now())
    assert web.get(address, headers=poll).status_code == 200
