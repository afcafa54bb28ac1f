"""Disks that are left out: what is refused, and the event of each change."""

from __future__ import annotations

import pytest
from django.utils import timezone

from contexts.errors import DiskRefused, NotManaged
from contexts.models import VMContext, VMDisk
from contexts.services import protection
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def events(context: VMContext) -> list[tuple[str, str]]:
    """Those after the taking, the newest first."""
    return list(context.events.order_by("-id").values_list("why", "actor"))[:-1]


@pytest.fixture
def context():
    independent = factories.disk_record(2001, disk_mode="independent_persistent")
    return factories.context("web-01", disks=[factories.disk_record(), independent])


@pytest.fixture
def independent(context) -> VMDisk:
    return context.disks.get(device_key=2001)


def test_a_vm_that_was_let_go_has_no_wishes(context, independent):
    VMContext.objects.update(unmanaged_at=timezone.now())
    with pytest.raises(NotManaged):
        protection.leave_out(independent, actor="ops")


def test_a_disk_is_left_out_and_protected_again(context, independent):
    protection.leave_out(independent, actor="ops")
    independent.refresh_from_db()
    assert independent.accept_unprotected
    protection.protect_again(independent, actor="eve")
    independent.refresh_from_db()
    assert not independent.accept_unprotected
    (again, eve), (left_out, ops) = events(context)
    assert (again, eve) == ("not to be replicated without Hard disk 2", "eve")
    assert left_out.startswith("to be replicated without Hard disk 2, which is independent")
    assert ops == "ops"


def test_leaving_out_twice_is_one_event(context, independent):
    protection.leave_out(independent, actor="ops")
    protection.leave_out(independent, actor="ops")
    assert len(events(context)) == 1


def test_a_disk_that_can_be_replicated_is_not_left_out(context):
    disk = context.disks.get(device_key=2000)
    with pytest.raises(DiskRefused, match="web-01: Hard disk 1 can be replicated"):
        protection.leave_out(disk, actor="ops")
    disk.refresh_from_db()
    assert not disk.accept_unprotected


def test_a_disk_that_is_gone_is_refused(context, independent):
    VMDisk.objects.filter(pk=independent.pk).update(removed_at=timezone.now())
    for wish in (protection.leave_out, protection.protect_again):
        with pytest.raises(DiskRefused, match="no longer a disk of this VM"):
            wish(independent, actor="ops")


def test_a_wish_is_news_for_whoever_watches_the_vm(context, independent):
    before = VMContext.objects.get().updated_at
    protection.leave_out(independent, actor="ops")
    assert VMContext.objects.get().updated_at > before
