"""What stands in a context's row of its recovery points and disks is kept by the database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.checks import Tags, run_checks
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from contexts.models import VMContext, VMDisk
from contexts.services import refresh
from replication.database import figures
from replication.models import RecoveryPoint, ReplicationJob
from replication.services import cancel, removal
from tests import factories

pytestmark = pytest.mark.django_db

GIB = 1 << 30


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


@pytest.fixture
def vm(tmp_path):
    return factories.context("pgtest1", keep_in=factories.repository(path=tmp_path))


def newest(vm: VMContext):
    vm.refresh_from_db()
    return vm.newest_recovery_point_at


def disks(vm: VMContext) -> tuple[int, int | None]:
    vm.refresh_from_db()
    return vm.disk_count, vm.capacity_bytes


def test_a_vm_without_a_recovery_point_has_no_newest_one(vm):
    assert newest(vm) is None


def test_the_newest_recovery_point_counts_whatever_the_order_of_the_commits(vm):
    now = timezone.now()
    factories.completed_job(vm, consistent_at=now - timedelta(hours=1))
    assert newest(vm) == now - timedelta(hours=1)
    factories.completed_job(vm, consistent_at=now - timedelta(hours=2))
    assert newest(vm) == now - timedelta(hours=1)


def test_deleting_the_replica_takes_it_away(vm):
    factories.completed_job(vm)
    removal.delete_replica_data(vm, actor="ops", confirm_vm_name="pgtest1")
    assert newest(vm) is None


def test_a_statement_past_the_services_is_followed(vm):
    factories.completed_job(vm, consistent_at=timezone.now() - timedelta(hours=2))
    factories.completed_job(vm)
    older, newer = RecoveryPoint.objects.order_by("consistent_at")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE recovery_points SET state = 'expiring' WHERE id = %s", [newer.pk])
    assert newest(vm) == older.consistent_at


def test_another_vm_keeps_its_own(vm):
    other = factories.context("pgtest2")
    factories.completed_job(other)
    factories.completed_job(vm)
    before = newest(other)
    RecoveryPoint.objects.filter(vm_context=vm).update(state="expiring")
    assert newest(other) == before


def test_disks_are_counted_and_added_up_while_all_are_known(vm):
    assert disks(vm) == (1, 64 << 20)
    new = VMDisk.objects.create(
        vm_context=vm, disk_id="disk-2001", device_key=2001, capacity_bytes=GIB
    )
    assert disks(vm) == (2, GIB + (64 << 20))
    VMDisk.objects.filter(pk=new.pk).update(capacity_bytes=None)
    assert disks(vm) == (2, None)
    VMDisk.objects.filter(pk=new.pk).update(removed_at=timezone.now())
    assert disks(vm) == (1, 64 << 20)
    VMDisk.objects.filter(pk=new.pk).delete()
    assert disks(vm) == (1, 64 << 20)


def test_a_vm_that_lost_its_last_disk_has_no_size(vm):
    record = factories.vm_record("pgtest1", disks=[], instance_uuid=vm.vmware_vm_id)
    refresh.refresh([(vm, record)])
    assert disks(vm) == (0, None)


def test_a_disk_that_moves_to_another_vm_counts_there(vm):
    other = factories.context("pgtest2")
    VMDisk.objects.filter(vm_context=vm).update(vm_context=other, disk_id="disk-1", device_key=1)
    assert disks(vm) == (0, None)
    assert disks(other) == (2, 128 << 20)


def damaged(point: RecoveryPoint) -> None:
    RecoveryPoint.objects.filter(pk=point.pk).update(damaged_at=timezone.now(), damage="It is.")


def test_damage_of_the_newest_point_is_told_and_leaves_the_older_one_usable(vm):
    now = timezone.now()
    older = factories.recovery_point(vm, consistent_at=now - timedelta(hours=2))
    newer = factories.recovery_point(vm, consistent_at=now - timedelta(hours=1))
    damaged(newer)
    assert newest(vm) == newer.consistent_at
    assert vm.newest_point_damaged is True
    assert vm.usable_recovery_point_at == older.consistent_at
    RecoveryPoint.objects.filter(pk=newer.pk).update(state="expiring")
    assert newest(vm) == older.consistent_at
    assert vm.newest_point_damaged is False


def test_of_two_points_of_one_moment_the_later_one_is_the_newest(vm):
    at = timezone.now()
    damaged(factories.recovery_point(vm, consistent_at=at))
    newest(vm)
    assert vm.newest_point_damaged is True
    factories.recovery_point(vm, consistent_at=at)
    newest(vm)
    assert vm.newest_point_damaged is False


def test_a_disk_that_no_snapshot_holds_counts_until_somebody_decides(vm):
    disk = VMDisk.objects.filter(vm_context=vm)
    disk.update(unprotected_reason="is independent")
    newest(vm)
    assert vm.undecided_disk_count == 1
    disk.update(accept_unprotected=True)
    newest(vm)
    assert vm.undecided_disk_count == 0


def last_job_failed(vm: VMContext) -> bool:
    vm.refresh_from_db()
    return vm.last_job_failed


def test_whether_the_newest_job_failed_follows_every_job(vm):
    assert last_job_failed(vm) is False
    failed = factories.failed_job(vm)
    assert last_job_failed(vm) is True
    factories.pending_job(vm)
    assert last_job_failed(vm) is False, "while a job is active it is the newest one"
    cancel.cancel(vm.jobs.get(status="pending"), actor="ops")
    assert last_job_failed(vm) is False
    vm.jobs.filter(status="cancelled").delete()
    assert last_job_failed(vm) is True
    ReplicationJob.objects.filter(pk=failed.pk).delete()
    assert last_job_failed(vm) is False


WRONG = {
    "newest_recovery_point_at": None,
    "usable_recovery_point_at": None,
    "newest_point_damaged": True,
    "newest_point_repository_id": None,
    "undecided_disk_count": 7,
    "disk_count": 7,
    "capacity_bytes": 7,
    "last_job_failed": False,
}


@pytest.fixture
def kept(vm):
    """A VM of which every figure says something, and what they say."""
    factories.completed_job(vm)
    factories.failed_job(vm)
    return lambda: VMContext.objects.filter(pk=vm.pk).values(*figures.FIGURES).get()


def test_recomputing_agrees_with_what_was_kept(vm, kept):
    before = kept()
    figures.remove(connection)
    VMContext.objects.update(**WRONG)
    assert kept() == WRONG
    figures.recompute(connection)
    assert kept() == before


@pytest.mark.parametrize("figure", WRONG)
def test_what_somebody_else_writes_into_a_figure_does_not_stand(vm, kept, figure):
    before = kept()
    assert before[figure] != WRONG[figure]
    VMContext.objects.filter(pk=vm.pk).update(**{figure: WRONG[figure]})
    assert kept() == before


def test_a_whole_row_that_was_read_earlier_brings_no_old_figures_back(vm, kept):
    stale = VMContext.objects.get(pk=vm.pk)
    VMDisk.objects.filter(vm_context=vm).update(capacity_bytes=GIB)
    before = kept()
    assert before["capacity_bytes"] == GIB
    stale.save()
    assert kept() == before


def test_a_context_that_is_made_with_figures_has_those_of_its_rows(vm):
    new = VMContext.objects.create(
        context_id="ctx-new", vcenter=vm.vcenter, vm_name="new", vmware_vm_id="new", **WRONG
    )
    assert disks(new) == (0, None)


def test_disks_that_are_larger_than_any_do_not_overflow_the_sum(vm):
    """A hostile vCenter's: the refresh goes on, their size counts as unknown."""
    for key in (2001, 2002):
        VMDisk.objects.create(
            vm_context=vm, disk_id=f"disk-{key}", device_key=key, capacity_bytes=(1 << 63) - 1
        )
    assert disks(vm) == (3, None)


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="it asks for a row's version")
def test_a_context_whose_figures_stay_the_same_is_not_written(vm):
    def version() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT ctid::text FROM vm_replication_contexts")
            return cursor.fetchone()[0]

    before = version()
    VMDisk.objects.update(capacity_bytes=64 << 20)
    assert version() == before
    VMDisk.objects.update(capacity_bytes=GIB)
    assert version() != before


def test_a_missing_trigger_is_reported(vm):
    assert not run_checks(tags=[Tags.database], databases=["default"])
    figures.remove(connection)
    (problem,) = run_checks(tags=[Tags.database], databases=["default"])
    assert problem.id == "replication.W002"
    assert "figures_recovery_points_insert" in problem.msg
    figures.install(connection)
    assert not run_checks(tags=[Tags.database], databases=["default"])


def test_what_was_written_while_triggers_were_missing_is_made_good_by_migrate(vm):
    figures.remove(connection)
    VMDisk.objects.filter(vm_context=vm).update(capacity_bytes=3 * GIB)
    factories.recovery_point(vm)
    assert newest(vm) is None
    call_command("migrate", verbosity=0)
    assert figures.missing(connection) == []
    assert newest(vm) is not None
    assert disks(vm) == (1, 3 * GIB)


def test_a_trigger_that_does_something_else_is_reported(vm):
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "CREATE OR REPLACE FUNCTION figures_vm_disks_insert() RETURNS trigger"
                " LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$"
            )
        else:
            cursor.execute("DROP TRIGGER figures_vm_disks_insert")
            cursor.execute(
                "CREATE TRIGGER figures_vm_disks_insert AFTER INSERT ON vm_disks"
                " BEGIN SELECT 1; END"
            )
    assert figures.missing(connection) == ["figures_vm_disks_insert"]
    call_command("migrate", verbosity=0)
    assert figures.missing(connection) == []
