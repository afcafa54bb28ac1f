"""The page of a recovery point."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from contexts.models import VMContext
from replication.models import (
    PointRemoval,
    PointVerification,
    RecoveryPointHold,
)
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
    assert "1 stays, 0 go." in preview
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


def test_a_point_is_verified_from_its_page_and_from_its_vms_menu(web, vm):
    page = text(web.get(address(vm, 0)))
    assert "Never verified" in page
    assert "Verify it" in page
    web.post(address(vm, 0), {"act": "verify"})
    page = text(web.get(address(vm, 0)))
    assert "waits to be verified" in page
    assert "Cancel the verification" in page
    answer = web.post(f"/virtual-machines/{vm.pk}/verify/", follow=True)
    assert any("of this VM is being verified" in told for told in notices(answer))
    web.post(address(vm, 0), {"act": "cancel-verification"})
    assert PointVerification.objects.get().cancelled_by == "ops"
    assert "Never verified" in text(web.get(f"/virtual-machines/?vm={vm.pk}&tab=points"))


def test_what_a_verification_found_is_on_the_point_s_page(web, vm):
    point = vm.recovery_points.order_by("pk")[1]
    what = "<b>Hard disk 1</b>: 4,096 bytes at 0"
    factories.verification(point, "damaged", found=[what], damage_count=80)
    page = text(web.get(address(vm, 1)))
    assert "&lt;b&gt;Hard disk 1&lt;/b&gt;: 4,096 bytes at 0" in page
    assert "80 in all" in page
    assert "Do not fail over to it" in page
