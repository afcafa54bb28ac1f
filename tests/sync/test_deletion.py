"""Deleting replica data: kill -9 at every step, and what comes after it."""

import signal
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from contexts.errors import ContextBusy
from contexts.models import VMContext
from contexts.states import ContextStatus
from replication.engine.errors import RepositoryUnavailable
from replication.integrity.findings import Scope
from replication.integrity.look import find
from replication.models import CBTHistory, ContextLease, DiskImage, RecoveryPoint, ReplicationJob
from replication.services import cancel, left_overs, old_jobs, removal, start
from replication.states import ImageState, RecoveryPointState
from replication.sync import cleanup
from tests.sync.estate import MIB, Estate, database_url
from tests.sync.nursery import nursery

POINTS = [
    *("after commit", "between files"),
    *(
        pytest.param(point, marks=pytest.mark.slow)
        for point in ("before commit", "before file", "after first image", "between file and row")
    ),
]


@pytest.fixture
def context(estate: Estate, small2: VMContext) -> VMContext:
    """Two disks, two recovery points: an image stands upon another."""
    estate.control.fill("small2", 2000, 4 * MIB, 2 * MIB, seed=1)
    assert estate.replicate(small2).replication_type == "incremental"
    return small2


def _delete(context: VMContext) -> removal.Deleted:
    return removal.delete_replica_data(context, confirm_vm_name="small2", actor="ops")


def _delete_and_die(context: VMContext, point: str) -> None:
    code, stderr = nursery(database_url()).run("tests.sync.deletion_that_dies", point, context.pk)
    assert code == -signal.SIGKILL, stderr
    ContextLease.objects.update(expires_at=Now() - timedelta(seconds=1))  # 40 seconds later


def _files(estate: Estate) -> list[str]:
    return [
        path.name
        for path in estate.repository_folder.rglob("*")
        if path.is_file() and path.name != "vmrep-repository.json"
    ]


def _assert_every_claimed_file_is_there(estate: Estate) -> None:
    for point in RecoveryPoint.objects.exclude(state=RecoveryPointState.EXPIRED):
        estate.assert_equal_to_snapshot(point)


@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_no_point_claims_what_is_gone_and_the_janitor_finishes(
    estate, context, point
):
    _delete_and_die(context, point)
    _assert_every_claimed_file_is_there(estate)
    states = set(RecoveryPoint.objects.values_list("state", flat=True))
    context.refresh_from_db()
    if point == "before commit":
        assert states == {RecoveryPointState.AVAILABLE}
        assert context.current_status == ContextStatus.READY
        assert left_overs.contexts_to_clean() == []
        _delete(context)
    else:
        assert states == {RecoveryPointState.EXPIRED}
        assert context.current_status == ContextStatus.DISCOVERED
    assert left_overs.contexts_to_clean() == [context.pk]
    cleanup.clean_context(context.pk)
    assert _files(estate) == []
    assert not DiskImage.objects.exists()
    assert left_overs.contexts_to_clean() == []
    assert context.events.filter(old="ready_for_failover", new="discovered").count() == 1


@pytest.mark.slow
@pytest.mark.any_database
def test_the_next_replication_starts_over_and_is_equal(estate, context):
    deleted = _delete(context)
    assert (deleted.recovery_points, deleted.images) == (2, 4)
    assert deleted.stored_bytes > 10 * MIB
    # Before the janitor came: the job itself removes what is left.
    job = estate.replicate(context)
    assert job.replication_type == "initial"
    assert set(CBTHistory.objects.filter(job=job).values_list("sync_type", flat=True)) == {
        "initial"
    }
    assert CBTHistory.objects.count() == 6  # the history of what was deleted stays
    assert RecoveryPoint.objects.filter(state=RecoveryPointState.EXPIRED).count() == 2
    context.refresh_from_db()
    assert (context.total_jobs_run, context.successful_jobs) == (3, 3)


@pytest.mark.slow
@pytest.mark.any_database
def test_an_unmounted_repository_is_not_judged(estate, context):
    estate.repository_folder.rename(estate.repository_folder.with_name("unmounted"))
    with pytest.raises(RepositoryUnavailable, match="mounted"):
        _delete(context)
    estate.repository_folder.with_name("unmounted").rename(estate.repository_folder)
    assert set(DiskImage.objects.values_list("state", flat=True)) == {ImageState.COMMITTED}
    _assert_every_claimed_file_is_there(estate)


@pytest.mark.any_database
@pytest.mark.slow
def test_a_repository_that_goes_away_after_the_transaction_is_cleaned_when_it_is_back(
    estate, context
):
    _delete(context)
    estate.repository_folder.rename(estate.repository_folder.with_name("unmounted"))
    cleanup.clean_context(context.pk)
    assert DiskImage.objects.filter(state=ImageState.DELETING).count() == 4
    estate.repository_folder.with_name("unmounted").rename(estate.repository_folder)
    cleanup.clean_context(context.pk)
    assert _files(estate) == []
    assert not DiskImage.objects.exists()


@pytest.mark.any_database
@pytest.mark.slow
def test_files_go_while_the_vcenter_is_away_and_without_its_password(estate, context):
    _delete(context)
    estate.lab.stop()
    estate.vcenter.password_encrypted = "of another installation"
    estate.vcenter.save(update_fields=["password_encrypted"])
    cleanup.clean_context(context.pk)
    assert _files(estate) == []


@pytest.mark.any_database
@pytest.mark.slow
def test_a_vm_that_is_no_longer_managed_can_lose_its_replica_too(estate, context):
    removal.remove_from_management(context, actor="ops")
    assert RecoveryPoint.objects.filter(state=RecoveryPointState.AVAILABLE).count() == 2
    _delete(context)
    cleanup.clean_context(context.pk)
    assert _files(estate) == []
    again = estate.take("small2")
    assert again == context
    assert estate.replicate(again).replication_type == "initial"


def test_while_a_job_is_active_nothing_is_deleted(estate, context):
    active = start.start(context, trigger="manual", requested_by="ops")
    with pytest.raises(ContextBusy, match=active.pk):
        _delete(context)
    _assert_every_claimed_file_is_there(estate)


@pytest.mark.slow
@pytest.mark.any_database
def test_the_audit_finds_nothing_wrong_at_any_step(estate, context):
    cancel.cancel(start.start(context, trigger="manual", requested_by="ops"), actor="ops")
    assert list(find(Scope())) == []
    removal.remove_from_management(context, actor="ops")
    assert list(find(Scope())) == []
    _delete(context)
    assert list(find(Scope())) == []  # the files are still there: that takes its time
    cleanup.clean_context(context.pk)
    assert list(find(Scope(quiet=True))) == []
    ReplicationJob.objects.update(completed_at=Now() - timedelta(days=2))
    assert old_jobs.delete_old_jobs(timedelta(days=1)).deleted == 1
    assert list(find(Scope(quiet=True))) == []
    estate.replicate(estate.take("small2"))
    assert list(find(Scope(quiet=True))) == []
