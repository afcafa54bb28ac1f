"""Removing VMs from management and deleting their replica data: what is refused, what is left."""

from datetime import timedelta

import pytest
from django.utils import timezone

from contexts.errors import ContextBusy, NotManaged
from contexts.models import ContextEvent, VMContext
from contexts.services import management
from contexts.states import ContextStatus
from replication.errors import NameNotConfirmed, RecoveryPointHeld
from replication.models import ContextLease, DiskImage, RecoveryPoint, RecoveryPointHold
from replication.services import leases, removal
from replication.states import ImageState, LeaseHolder, RecoveryPointState
from tests import factories
from tests.factories import MIB

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]


@pytest.fixture
def context(tmp_path):
    context = factories.context("web-01", keep_in=factories.repository(path=tmp_path / "here"))
    factories.completed_job(context)
    factories.completed_job(context, planned_bytes=MIB)
    return context


def _delete(context, typed="web-01"):
    return removal.delete_replica_data(context, confirm_vm_name=typed, actor="ops")


def _assert_untouched(context):
    before = context.current_status
    context.refresh_from_db()
    assert context.current_status == before
    assert context.is_managed
    assert set(RecoveryPoint.objects.values_list("state", flat=True)) == {"available"}
    assert set(DiskImage.objects.values_list("state", flat=True)) == {ImageState.COMMITTED}
    assert not ContextLease.objects.exists()


def test_points_expire_and_their_images_wait_for_the_clean_up(
    context, hints, django_capture_on_commit_callbacks
):
    last_status_change = context.last_status_change
    job = context.last_successful_job
    with django_capture_on_commit_callbacks(execute=True):
        deleted = _delete(context)
        assert hints == []
    assert hints == [("replication.tasks.clean_up", context.pk)]
    assert deleted == removal.Deleted(recovery_points=2, images=2, stored_bytes=33 * MIB)
    assert set(RecoveryPoint.objects.values_list("state", flat=True)) == {"expired"}
    assert set(DiskImage.objects.values_list("state", flat=True)) == {ImageState.DELETING}
    assert not ContextLease.objects.exists()
    context.refresh_from_db()
    assert context.is_managed
    assert context.current_status == ContextStatus.DISCOVERED
    assert context.last_status_change > last_status_change
    assert (context.total_jobs_run, context.successful_jobs) == (2, 2)
    assert context.last_successful_job == job
    event = context.events.first()
    assert (event.old, event.new, event.actor, event.job) == (
        "ready_for_failover",
        "discovered",
        "ops",
        None,
    )
    assert "2 recovery points" in event.why


def test_deleting_again_is_fine(context):
    _delete(context)
    assert _delete(context) == removal.Deleted()
    context.refresh_from_db()
    assert context.current_status == ContextStatus.DISCOVERED


def test_a_failed_vm_stays_failed(tmp_path):
    context = factories.context("web-01", keep_in=factories.repository(path=tmp_path / "here"))
    factories.failed_job(context)
    assert _delete(context) == removal.Deleted()
    context.refresh_from_db()
    assert context.current_status == ContextStatus.FAILED
    event = context.events.first()
    assert (event.old, event.new) == ("failed", "failed")


@pytest.mark.parametrize("typed", ["", "web-0", "WEB-01", "web-01 ", "ctx-web-01"])
def test_another_name_deletes_nothing(context, typed):
    with pytest.raises(NameNotConfirmed, match="web-01"):
        _delete(context, typed)
    _assert_untouched(context)


@pytest.mark.parametrize("name", [None, "", "  ", "two\nlines", "\u202egpj.exe"])
def test_a_name_that_nobody_can_type_is_replaced_by_the_contexts_id(name):
    context = factories.context(name)
    assert removal.confirmation_text(context) == context.pk


@pytest.mark.parametrize("name", ["web-01", " leading", "Ünïcode VM", factories.HOSTILE_NAME])
def test_every_other_name_confirms_as_it_is(name):
    assert removal.confirmation_text(factories.context(name)) == name


def test_a_held_recovery_point_is_not_deleted(context):
    point = context.recovery_points.last()
    hold = RecoveryPointHold.objects.create(
        recovery_point=point, kind="test_failover", owner="anna", expires_at=None
    )
    for expires_at in (None, timezone.now() + timedelta(hours=1)):
        RecoveryPointHold.objects.update(expires_at=expires_at)
        with pytest.raises(RecoveryPointHeld, match="anna"):
            _delete(context)
        _assert_untouched(context)
    RecoveryPointHold.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert _delete(context).recovery_points == 2
    hold.refresh_from_db()
    assert hold.recovery_point.state == RecoveryPointState.EXPIRED


def test_a_hold_of_another_vm_does_not_matter(context):
    other = factories.context("other", keep_in=context.repository)
    RecoveryPointHold.objects.create(
        recovery_point=factories.recovery_point(other), kind="pin", owner="anna"
    )
    assert _delete(context).recovery_points == 2
    assert other.recovery_points.get().state == RecoveryPointState.AVAILABLE
    assert other.images.get().state == ImageState.COMMITTED


@pytest.mark.parametrize("state", ["pending", "running"])
def test_while_a_job_is_active_nothing_is_deleted_or_removed(context, state):
    job = (factories.pending_job if state == "pending" else factories.running_job)(context)
    for attempt in (
        lambda: _delete(context),
        lambda: removal.remove_from_management(context, actor="ops"),
        lambda: removal.remove_from_management(
            context, actor="ops", delete_replica_data=True, confirm_vm_name="web-01"
        ),
    ):
        with pytest.raises(ContextBusy, match=job.pk):
            attempt()
    context.refresh_from_db()
    assert (context.current_job, context.is_managed) == (job, True)
    assert context.recovery_points.filter(state="available").count() == 2


def test_while_another_process_writes_nothing_is_deleted(context):
    lease = leases.acquire(context.pk, LeaseHolder.RETENTION)
    with pytest.raises(ContextBusy, match="retention"):
        _delete(context)
    leases.release(lease)
    _assert_untouched(context)


def test_removing_keeps_the_replica(context):
    assert removal.remove_from_management(context, actor="ops") == removal.Deleted()
    context.refresh_from_db()
    assert not context.is_managed
    assert context.current_status == ContextStatus.READY
    assert context.recovery_points.filter(state="available").count() == 2
    assert context.events.first().why == "removed from management"


def test_removing_with_the_replica_is_one_transaction(context):
    with pytest.raises(NameNotConfirmed):
        removal.remove_from_management(context, actor="ops", delete_replica_data=True)
    RecoveryPointHold.objects.create(
        recovery_point=context.recovery_points.first(), kind="pin", owner="anna"
    )
    with pytest.raises(RecoveryPointHeld):
        _remove_with_replica(context)
    _assert_untouched(context)
    RecoveryPointHold.objects.all().delete()
    assert _remove_with_replica(context).recovery_points == 2
    context.refresh_from_db()
    assert not context.is_managed
    assert context.current_status == ContextStatus.DISCOVERED
    assert [event.why for event in context.events.all()[:2]] == [
        "replica data deleted: 2 recovery points, 2 images, 33 MiB",
        "removed from management",
    ]


def _remove_with_replica(context):
    return removal.remove_from_management(
        context, actor="ops", delete_replica_data=True, confirm_vm_name="web-01"
    )


def test_what_is_not_managed_cannot_be_removed_again_but_its_replica_can_be_deleted(context):
    removal.remove_from_management(context, actor="ops")
    with pytest.raises(NotManaged):
        removal.remove_from_management(context, actor="ops")
    with pytest.raises(NotManaged):
        _remove_with_replica(context)
    assert context.recovery_points.filter(state="available").count() == 2
    assert _delete(context).recovery_points == 2


def test_taking_it_again_revives_it_with_its_history(context):
    events = ContextEvent.objects.count()
    _remove_with_replica(context)
    (again,) = management.take(
        [context.vcenter.discovered_vms.get()], repository=context.repository, actor="ops"
    )
    assert again == context
    assert again.is_managed
    assert (again.total_jobs_run, again.current_status) == (2, ContextStatus.DISCOVERED)
    assert again.jobs.count() == again.cbt_history.count() == 2
    assert ContextEvent.objects.count() == events + 3
    assert VMContext.objects.count() == 1
