"""POST vm-contexts/{id}/release/ and vm-contexts/{id}/delete-replica-data/."""

from __future__ import annotations

import pytest

from contexts.models import VMContext
from replication.models import DiskImage, RecoveryPoint, RecoveryPointHold
from replication.states import ImageState
from tests import factories
from tests.factories import MIB


@pytest.fixture
def context(tmp_path, db):
    context = factories.context(
        "web-01", keep_in=factories.repository("here", path=tmp_path / "here")
    )
    factories.completed_job(context)
    return context


def _release(api, context, body=None):
    return api.post(f"vm-contexts/{context.pk}/release/", body or {})


def _delete(api, context, body):
    return api.post(f"vm-contexts/{context.pk}/delete-replica-data/", body)


def _assert_untouched(context):
    context.refresh_from_db()
    assert context.is_managed
    assert context.current_status == "ready_for_failover"
    assert RecoveryPoint.objects.get().state == "available"
    assert DiskImage.objects.get().state == ImageState.COMMITTED


WITH_REPLICA = {"delete_replica_data": True, "confirm_vm_name": "web-01"}


@pytest.mark.parametrize("body", [{}, {"delete_replica_data": False}])
def test_releasing_keeps_the_recovery_points(api, context, body):
    answer = _release(api, context, body)
    assert answer.status_code == 200
    context.refresh_from_db()
    assert not context.is_managed
    shown = answer.json()
    assert shown.pop("unmanaged_at") is not None
    assert shown == {
        "context_id": context.pk,
        "current_status": "ready_for_failover",
        "recovery_points_kept": 1,
        "stored_bytes_kept": 32 * MIB,
        "recovery_points_deleted": 0,
        "stored_bytes_deleted": 0,
    }
    assert context.events.first().actor == "ops"
    assert api.get("vm-contexts/").json()["count"] == 0
    assert api.get(f"vm-contexts/{context.pk}/").status_code == 200


def test_with_the_name_the_replica_goes_too(api, context):
    answer = _release(api, context, WITH_REPLICA)
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["recovery_points_kept"], shown["recovery_points_deleted"]) == (0, 1)
    assert (shown["current_status"], shown["stored_bytes_deleted"]) == ("discovered", 32 * MIB)
    context.refresh_from_db()
    assert not context.is_managed
    assert RecoveryPoint.objects.get().state == "expired"


@pytest.mark.parametrize("typed", ["web-02", "", " web-01"])
def test_another_name_is_a_bad_request_and_changes_nothing(api, context, typed):
    for answer in (
        _release(api, context, WITH_REPLICA | {"confirm_vm_name": typed}),
        _delete(api, context, {"confirm_vm_name": typed}),
    ):
        assert answer.status_code == 400
        assert answer.json()["code"] == "name_not_confirmed"
        assert "web-01" in answer.json()["errors"]["confirm_vm_name"][0]
    _assert_untouched(context)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"delete_replica_data": True}, "confirm_vm_name"),
        ({"confirm_vm_name": "web-01"}, "confirm_vm_name"),
        ({"delete_replica_data": "yes", "confirm_vm_name": "web-01"}, "delete_replica_data"),
        ({"delete_replica_data": 1, "confirm_vm_name": "web-01"}, "delete_replica_data"),
        (WITH_REPLICA | {"confirm_vm_name": 1}, "confirm_vm_name"),
        ({"delete_replicas": True}, "delete_replicas"),
    ],
)
def test_half_a_wish_or_an_unknown_one_is_a_bad_request(api, context, body, field):
    answer = _release(api, context, body)
    assert answer.status_code == 400
    assert field in answer.json()["errors"]
    _assert_untouched(context)


def test_while_a_job_runs_both_answer_409_and_name_it(api, context):
    job = factories.running_job(context)
    for answer in (
        _release(api, context),
        _release(api, context, WITH_REPLICA),
        _delete(api, context, {"confirm_vm_name": "web-01"}),
    ):
        assert answer.status_code == 409
        assert answer.json()["code"] == "busy"
        assert job.pk in answer.json()["message"]
    context.refresh_from_db()
    assert (context.current_job, context.is_managed) == (job, True)


def test_a_held_recovery_point_is_a_conflict(api, context):
    RecoveryPointHold.objects.create(
        recovery_point=RecoveryPoint.objects.get(), kind="pin", owner="anna"
    )
    for answer in (
        _release(api, context, WITH_REPLICA),
        _delete(api, context, {"confirm_vm_name": "web-01"}),
    ):
        assert answer.status_code == 409
        assert answer.json()["code"] == "recovery_point_held"
    _assert_untouched(context)


def test_an_unmounted_repository_is_service_unavailable(api, context, tmp_path):
    (tmp_path / "here").rename(tmp_path / "away")
    answer = _release(api, context, WITH_REPLICA)
    assert answer.status_code == 503
    assert "mounted" in answer.json()["message"]
    _assert_untouched(context)


def test_what_is_not_managed_is_a_conflict_but_its_replica_can_be_deleted(api, context):
    _release(api, context)
    assert _release(api, context).json()["code"] == "not_managed"
    answer = _delete(api, context, {"confirm_vm_name": "web-01"})
    assert answer.status_code == 200
    assert answer.json()["recovery_points_deleted"] == 1


def test_deleting_alone_leaves_the_vm_managed(api, context):
    answer = _delete(api, context, {"confirm_vm_name": "web-01"})
    assert answer.status_code == 200
    assert answer.json()["unmanaged_at"] is None
    assert api.get(f"vm-contexts/{context.pk}/").json()["recovery_points"] == []
    assert api.get("vm-contexts/").json()["count"] == 1


def test_deleting_wants_the_name(api, context):
    answer = _delete(api, context, {})
    assert answer.status_code == 400
    assert "confirm_vm_name" in answer.json()["errors"]
    _assert_untouched(context)


def test_a_released_vm_is_revived_by_a_replication_with_its_history(api, context):
    _release(api, context)
    answer = api.post("replications/", {"vmware_vm_id": context.vmware_vm_id})
    assert answer.status_code == 202
    assert answer.json()["vm_context_id"] == context.pk
    again = VMContext.objects.get()
    assert (again.is_managed, again.total_jobs_run) == (True, 2)


def test_an_unknown_context_is_not_found(api):
    assert api.post("vm-contexts/ctx-nobody/release/").status_code == 404
    body = {"confirm_vm_name": "x"}
    assert api.post("vm-contexts/ctx-nobody/delete-replica-data/", body).status_code == 404
