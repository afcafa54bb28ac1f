"""The page of a recovery point."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from contexts.models import VMContext
from replication.models import PointRemoval, RecoveryPointHold
from tests import factories
from tests.web.conftest import notices, text


@pytest.fixture
def vm(db: None) -> VMContext:
    """With two recovery points."""
    context = factories.context("web-01")
    for days in (2, 1):
        factories.completed_job(context, consistent_at=timezone.now() - timedelta(days=days))
    return context


def address(vm: VMContext, number: int) -> str:
    point = vm.recovery_points.order_by("pk")[number]
    return f"/virtual-machines/{vm.pk}/points/{point.pk}/"


def test_a_point_is_pinned_and_then_cannot_be_deleted(web, vm):
    page = text(web.get(address(vm, 0)))
    assert "Delete this recovery point" in page
    assert "Being removed" not in page  # nobody asked for that
    web.post(address(vm, 0), {"act": "pin", "comment": "<b>before</b> the update"})
    page = text(web.get(address(vm, 0)))
    assert "ops has pinned it: &lt;b&gt;before&lt;/b&gt; the update" in page
    assert "Delete this recovery point" not in page
    answer = web.post(address(vm, 0), {"act": "delete"}, follow=True)
    assert any("has pinned it" in told for told in notices(answer))
    assert not PointRemoval.objects.exists()
    web.post(address(vm, 0), {"act": "unpin"})
    assert not RecoveryPointHold.objects.exists()


def test_a_point_is_commented_and_deleted_and_its_tab_says_so(web, vm):
    web.post(address(vm, 0), {"act": "comment", "comment": "with the old schema"})
    web.post(address(vm, 0), {"act": "delete"})
    page = text(web.get(address(vm, 0)))
    assert "It is to go: ops asked for it" in page
    assert "All of them, and other rules" not in page  # no rule keeps what somebody deletes
    preview = text(web.get(f"/virtual-machines/{vm.pk}/retention/"))
    assert "1 stay, 0 go." in preview
    assert "1 more is to be removed, because somebody asked for it" in preview
    tab = text(web.get(f"/virtual-machines/?vm={vm.pk}&tab=points"))
    for told in ("with the old schema", "To be removed (deleted by a user)", address(vm, 0)):
        assert told in tab


def test_the_newest_cannot_be_deleted_and_its_page_says_why(web, vm):
    assert "It is the newest recovery point" in text(web.get(address(vm, 1)))
    answer = web.post(address(vm, 1), {"act": "delete"}, follow=True)
    assert any("newest recovery point" in told for told in notices(answer))


def test_a_form_that_says_nothing_does_nothing_and_another_vm_s_point_is_not_found(web, vm):
    assert notices(web.post(address(vm, 0), follow=True))
    other = factories.context("other")
    wrong = address(vm, 0).replace(vm.pk, other.pk)
    assert web.get(wrong).status_code == 404
    assert web.post(wrong, {"act": "delete"}).status_code == 404
