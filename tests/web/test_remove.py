"""Removing a VM from management, and deleting its replica data: the questions and the answers."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from contexts.models import VMContext
from contexts.services import management
from replication.models import RecoveryPoint, RecoveryPointHold, VMSnapshot
from replication.states import SnapshotState
from tests import factories
from tests.web.conftest import notices, text

PAGES = ["vm-remove", "vm-delete-replica-data"]


@pytest.fixture
def context(tmp_path, db):
    context = factories.context(
        "web-01", keep_in=factories.repository("here", path=tmp_path / "here")
    )
    factories.completed_job(context)
    factories.completed_job(context, planned_bytes=factories.MIB)
    return context


def _address(page: str, context: VMContext) -> str:
    return reverse(page, args=[context.pk])


def _assert_untouched(context: VMContext) -> None:
    context.refresh_from_db()
    assert context.is_managed
    assert set(RecoveryPoint.objects.values_list("state", flat=True)) <= {"available"}


def test_the_question_says_what_goes_and_what_stays(web, context):
    page = text(web.get(_address("vm-remove", context)))
    assert "The source VM is not changed." in page
    assert "2 jobs, counters and events" in page
    assert "2 recovery points of 33 MiB stored" in page
    assert "vmrep leaves no snapshot" in page
    assert context.pk in page


def test_a_snapshot_that_is_left_is_named(web, context):
    VMSnapshot.objects.filter(pk=VMSnapshot.objects.first().pk).update(
        state=SnapshotState.CREATED, removed_at=None, problem="The vCenter did not answer."
    )
    page = text(web.get(_address("vm-remove", context)))
    assert VMSnapshot.objects.first().name in page
    assert "The vCenter did not answer." in page
    assert "vmrep leaves no snapshot" not in page


@pytest.mark.parametrize("page", PAGES)
def test_asking_changes_nothing_and_is_not_cached(web, context, page):
    answer = web.get(_address(page, context))
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    _assert_untouched(context)


def test_removing_keeps_the_recovery_points(web, context):
    answer = web.post(_address("vm-remove", context), follow=True)
    assert answer.redirect_chain == [(f"/virtual-machines/?vm={context.pk}", 302)]
    assert notices(answer) == ["web-01 was removed from management. Its recovery points are kept."]
    context.refresh_from_db()
    assert not context.is_managed
    assert set(RecoveryPoint.objects.values_list("state", flat=True)) == {"available"}
    assert context.events.first().actor == "ops"


def test_removing_with_the_replica_takes_the_typed_name(web, context):
    body = {"delete_replica_data": "1", "confirm_vm_name": "web-1"}
    answer = web.post(_address("vm-remove", context), body)
    assert answer.status_code == 200
    assert "type web-01 exactly" in text(answer)
    _assert_untouched(context)
    answer = web.post(
        _address("vm-remove", context), body | {"confirm_vm_name": "web-01"}, follow=True
    )
    assert notices(answer) == [
        "web-01 was removed from management. 2 recovery points were deleted; 33 MiB will become"
        " free as the files are removed."
    ]
    context.refresh_from_db()
    assert not context.is_managed
    assert set(RecoveryPoint.objects.values_list("state", flat=True)) == {"expired"}


@pytest.mark.parametrize("typed", [None, "", "WEB-01", "web-01 "])
def test_deleting_takes_the_typed_name(web, context, typed):
    body = {} if typed is None else {"confirm_vm_name": typed}
    answer = web.post(_address("vm-delete-replica-data", context), body)
    assert answer.status_code == 200
    assert "type web-01 exactly" in text(answer)
    _assert_untouched(context)


def test_deleting_with_the_name_keeps_the_vm_managed(web, context):
    answer = web.post(
        _address("vm-delete-replica-data", context), {"confirm_vm_name": "web-01"}, follow=True
    )
    assert "2 recovery points were deleted" in notices(answer)[0]
    context.refresh_from_db()
    assert (context.is_managed, context.current_status) == (True, "discovered")
    assert "Delete replica data" not in text(answer)


def test_a_name_with_spaces_at_its_ends_can_be_typed(web, tmp_path):
    repository = factories.repository("here", path=tmp_path / "here")
    context = factories.context(" spaced ", keep_in=repository)
    factories.completed_job(context)
    web.post(_address("vm-delete-replica-data", context), {"confirm_vm_name": " spaced "})
    assert RecoveryPoint.objects.get().state == "expired"


@pytest.mark.parametrize("page", PAGES)
def test_while_a_job_is_active_the_page_says_so_and_the_action_is_refused(web, context, page):
    job = factories.pending_job(context)
    shown = text(web.get(_address(page, context)))
    assert "A replication of this VM is active" in shown
    assert "<button" not in shown[shown.index("<main") :]
    answer = web.post(
        _address(page, context), {"delete_replica_data": "1", "confirm_vm_name": "web-01"}
    )
    assert job.pk in text(answer)
    _assert_untouched(context)


def test_who_holds_a_recovery_point_is_shown(web, context):
    RecoveryPointHold.objects.create(
        recovery_point=RecoveryPoint.objects.first(), kind="test_failover", owner="anna"
    )
    page = _address("vm-delete-replica-data", context)
    assert "anna holds a recovery point" in text(web.get(page))
    assert "Nothing was deleted" in text(web.post(page, {"confirm_vm_name": "web-01"}))
    _assert_untouched(context)


def test_an_unmounted_repository_is_shown(web, context, tmp_path):
    (tmp_path / "here").rename(tmp_path / "away")
    answer = web.post(_address("vm-delete-replica-data", context), {"confirm_vm_name": "web-01"})
    assert answer.status_code == 200
    assert "mounted" in text(answer)
    _assert_untouched(context)


def test_the_panel_leads_to_both_questions(web, context):
    panel = {"vm": context.pk}
    shown = text(web.get("/virtual-machines/", panel))
    assert all(_address(page, context) in shown for page in PAGES)
    management.release(context, actor="ops")
    shown = text(web.get("/virtual-machines/", panel))
    assert _address("vm-remove", context) not in shown
    assert _address("vm-delete-replica-data", context) in shown
    assert "nothing to remove" in text(web.get(_address("vm-remove", context)))


@pytest.mark.parametrize("page", PAGES)
def test_hostile_texts_are_text(web, page, tmp_path):
    repository = factories.repository("here", path=tmp_path / "here")
    context = factories.context(factories.HOSTILE_NAME, keep_in=repository)
    point = factories.recovery_point(context)
    RecoveryPointHold.objects.create(recovery_point=point, kind="pin", owner=factories.HOSTILE_NAME)
    VMSnapshot.objects.update(
        state=SnapshotState.CREATED, removed_at=None, problem=factories.HOSTILE_NAME
    )
    for answer in (web.get(_address(page, context)), web.post(_address(page, context), {})):
        assert "<script>alert" not in text(answer)


@pytest.mark.parametrize("page", PAGES)
def test_it_needs_a_login_a_post_with_a_token_and_a_vm_that_is_there(
    web, client, context, user, page
):
    assert client.post(_address(page, context)).status_code == 302
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    body = {"delete_replica_data": "1", "confirm_vm_name": "web-01"}
    assert strict.post(_address(page, context), body).status_code == 403
    _assert_untouched(context)
    assert web.get(reverse(page, args=["ctx-nothing"])).status_code == 404
    assert web.delete(_address(page, context)).status_code == 405
