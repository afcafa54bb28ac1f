"""What the database refuses is refused by the admin in words, never with an error of the server.

That no row can be added, deleted or rewritten is in test_nothing_by_hand.py.
"""

from __future__ import annotations

import pytest
from django.forms.models import model_to_dict

from contexts.models import VCenter, VMContext, VMDisk
from replication.models import ReplicationJob, Repository
from tests import factories
from tests.admin.estate import address
from tests.admin.test_nothing_by_hand import no_inlines
from vmrep.web.admin.contexts import VCenterAdmin


def test_a_vcenter_with_a_context_is_not_deleted_among_others(admin):
    context = factories.context()
    free = factories.vcenter()
    body = {
        "action": "delete_selected",
        "_selected_action": [context.vcenter_id, free.pk],
        "post": "yes",
    }
    answer = admin.post(address(VCenter, "changelist"), body)
    assert answer.status_code == 200
    assert "protected" in answer.content.decode()
    assert VCenter.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", ["before its rows are looked at", "after they were"])
def test_a_vcenter_is_not_deleted_when_a_vm_of_it_is_taken_meanwhile(
    admin, said, monkeypatch, moment
):
    vcenter = factories.vcenter()
    delete_model = VCenterAdmin.delete_model

    def taken_meanwhile(self, request, obj):
        row = model_to_dict(obj)
        if moment == "after they were":
            delete_model(self, request, obj)
        VMContext.objects.create(
            context_id="ctx-a", vcenter_id=row["id"], vmware_vm_id="u", vm_name="a"
        )
        if moment == "before its rows are looked at":
            delete_model(self, request, obj)

    monkeypatch.setattr(VCenterAdmin, "delete_model", taken_meanwhile)
    answer = admin.post(address(VCenter, "delete", vcenter.pk), {"post": "yes"})
    if moment == "after they were":
        assert answer.status_code == 409
        assert "Nothing was changed" in answer.content.decode()
    else:
        assert answer.status_code == 302
        assert "cannot be removed" in said(answer)[0]
    assert VCenter.objects.get() == vcenter
    assert not VMContext.objects.exists()


@pytest.mark.parametrize("target", ["-1", "1.5", "x", "9" * 30])
def test_an_impossible_target_is_an_error_of_the_form(admin, target):
    context = factories.context()
    body = {"rpo_target_seconds": target, **no_inlines()}
    answer = admin.post(address(VMContext, "change", context.pk), body)
    assert answer.status_code == 200
    assert "rpo_target_seconds" in answer.context["adminform"].form.errors
    context.refresh_from_db()
    assert context.rpo_target_seconds is None


def test_a_target_with_a_nul_is_refused_like_every_field_with_one(admin):
    context = factories.context()
    body = {"rpo_target_seconds": "\x00", **no_inlines()}
    answer = admin.post(address(VMContext, "change", context.pk), body)
    assert answer.status_code == 400
    context.refresh_from_db()
    assert context.rpo_target_seconds is None


@pytest.mark.parametrize("name", ["", "taken"])
def test_a_repository_keeps_a_name_of_its_own(admin, name):
    factories.repository("taken")
    repository = factories.repository("mine")
    answer = admin.post(address(Repository, "change", repository.pk), {"name": name})
    assert answer.status_code == 200
    assert "name" in answer.context["adminform"].form.errors


def test_rows_of_inlines_cannot_be_smuggled_in(admin):
    """A form for another VM's disk, or for a new one, sent along with the context's own."""
    context, other = factories.context("a"), factories.context("b")
    disk = other.disks.get()
    body = {
        "rpo_target_seconds": 900,
        **no_inlines(),
        "disks-TOTAL_FORMS": 2,
        "disks-INITIAL_FORMS": 1,
        "disks-0-id": disk.pk,
        "disks-0-vm_context": context.pk,
        "disks-0-DELETE": "on",
        "disks-1-vm_context": context.pk,
        "disks-1-disk_id": "disk-2999",
        "disks-1-device_key": 2999,
    }
    assert admin.post(address(VMContext, "change", context.pk), body).status_code == 302
    disk.refresh_from_db()
    assert disk.vm_context == other
    assert VMDisk.objects.count() == 2


@pytest.mark.parametrize("key", ["ctx-none", "\x00", "x" * 500])
@pytest.mark.parametrize("action", ["replicate_now", "cancel_replication"])
def test_an_action_on_what_does_not_exist_does_nothing(admin, action, key):
    body = {"action": action, "_selected_action": [key]}
    answer = admin.post(address(VMContext, "changelist"), body)
    assert answer.status_code == (400 if key == "\x00" else 302)
    assert not ReplicationJob.objects.exists()


@pytest.mark.parametrize("key", ["\x00", "x"])
def test_a_key_that_no_page_has_sent_is_a_bad_request(admin, key):
    factories.vcenter()
    body = {"action": "delete_selected", "_selected_action": [key], "post": "yes"}
    assert admin.post(address(VCenter, "changelist"), body).status_code == 400
    assert VCenter.objects.exists()
