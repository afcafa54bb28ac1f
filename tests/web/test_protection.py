"""Setting a VM's RPO target and leaving disks out, in its panel."""

from __future__ import annotations

import re

import pytest

from contexts.models import VMContext
from replication.policies import services
from tests import factories
from tests.web.conftest import HTMX, notices, text


@pytest.fixture
def context(db):
    independent = factories.disk_record(2001, disk_mode="independent_persistent")
    return factories.context("web-01", disks=[factories.disk_record(), independent])


def target(context: VMContext) -> str:
    return f"/virtual-machines/{context.pk}/rpo-target/"


def wish(context: VMContext) -> str:
    disk = context.disks.get(device_key=2001)
    return f"/virtual-machines/{context.pk}/disks/{disk.pk}/"


def test_a_target_is_chosen_in_the_panel(web, context):
    view = f"/virtual-machines/?vm={context.pk}"
    assert 'value="1 h"' in text(web.get(view))
    answer = web.post(target(context), {"target": "1h", "next": view}, follow=True)
    assert answer.redirect_chain == [(view, 302)]
    assert notices(answer) == ["web-01 now has an RPO target of 1 h."]
    context.refresh_from_db()
    assert context.rpo_target_seconds == 3600
    assert context.events.latest("id").actor == "ops"


def test_a_target_that_somebody_else_chose_meanwhile_is_not_overwritten(web, context):
    view = f"/virtual-machines/?vm={context.pk}"
    seen = re.search(r'name="shown" value="([^"]*)"', text(web.get(view)))[1]
    services.set_own(context, services.target(7200), actor="ann")
    answer = web.post(target(context), {"target": "1h", "shown": seen, "next": view}, follow=True)
    assert notices(answer) == [
        "Somebody changed the RPO target of web-01 after you opened the menu: it is 2 h now, its"
        " own. Nothing was changed; choose again."
    ]
    context.refresh_from_db()
    assert context.rpo_target_seconds == 7200
    seen = re.search(r'name="shown" value="([^"]*)"', text(answer))[1]
    web.post(target(context), {"target": "1h", "shown": seen})
    context.refresh_from_db()
    assert context.rpo_target_seconds == 3600


def test_a_target_is_taken_away(web, context):
    services.set_own(context, services.target(60), actor="x")
    answer = web.post(target(context), {"target": ""}, follow=True)
    assert notices(answer) == ["web-01 now has the RPO target that the policies say."]
    context.refresh_from_db()
    assert context.rpo_target_seconds is None


@pytest.mark.parametrize("words", ["x", "15", "-1 m", "30 s", "2000 d", "9" * 400, "9" * 55 + " d"])
def test_a_target_that_is_none_is_refused_and_told(web, context, words):
    answer = web.post(target(context), {"target": words}, follow=True)
    assert answer.status_code == 200
    assert "RPO target" in notices(answer)[0]
    context.refresh_from_db()
    assert context.rpo_target_seconds is None


def test_a_disk_is_left_out_with_htmx_and_the_panel_comes_back(web, context):
    view = f"/virtual-machines/?vm={context.pk}&tab=disks"
    assert "Replicate without this disk" in text(web.get(view))
    asked = {"wish": "leave_out", "next": view}
    answer = web.post(wish(context), asked, follow=True, headers=HTMX)
    assert notices(answer) == ["Confirm that web-01 is to be replicated without Hard disk 2."]
    assert not context.disks.get(device_key=2001).accept_unprotected
    asked["confirmed"] = "yes"
    answer = web.post(wish(context), asked, follow=True, headers=HTMX)
    assert notices(answer) == ["From now on web-01 is replicated without Hard disk 2."]
    assert "Not protected, as agreed" in text(answer)
    assert "Protect again" in text(answer)
    assert context.disks.get(device_key=2001).accept_unprotected


def test_a_disk_is_protected_again(web, context):
    context.disks.filter(device_key=2001).update(accept_unprotected=True)
    web.post(wish(context), {"wish": "protect"})
    assert not context.disks.get(device_key=2001).accept_unprotected


def test_a_wish_that_is_none_changes_nothing(web, context):
    answer = web.post(wish(context), {"wish": "delete"}, follow=True)
    assert "Say whether to leave" in notices(answer)[0]
    assert not context.disks.get(device_key=2001).accept_unprotected


def test_a_disk_of_another_vm_is_not_found(web, context):
    other = factories.context("other")
    address = wish(context).replace(context.pk, other.pk)
    assert web.post(address, {"wish": "leave_out"}).status_code == 404
    assert not context.disks.get(device_key=2001).accept_unprotected


def test_a_refusal_is_shown(web, context):
    disk = context.disks.get(device_key=2000)
    address = f"/virtual-machines/{context.pk}/disks/{disk.pk}/"
    answer = web.post(address, {"wish": "leave_out", "confirmed": "yes"}, follow=True)
    assert "can be replicated" in notices(answer)[0]


@pytest.mark.parametrize("address", [target, wish])
def test_it_takes_only_a_post(web, context, address):
    assert web.get(address(context)).status_code == 405


def test_an_unknown_vm_is_not_found(web, db):
    assert web.post("/virtual-machines/ctx-nothing/rpo-target/").status_code == 404
    assert web.post("/virtual-machines/ctx-nothing/disks/1/").status_code == 404
