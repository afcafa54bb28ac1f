"""The demo's integrity check finds what is broken, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from contexts.models import VCenter, VMContext, VMDisk
from replication.engine.directory import DirectoryRepository
from replication.models import DiskImage, RecoveryPoint, ReplicationJob, Repository
from replication.services import repositories
from vmrep.demo import integrity

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return repositories.add_directory("one", str(tmp_path / "repository"))


@pytest.fixture
def point(repository: Repository) -> RecoveryPoint:
    """A VM with one completed replication, its image in place."""
    vcenter = VCenter.objects.create(name="lab", host="lab", username="u", password_encrypted="x")
    context = VMContext.objects.create(
        context_id="ctx-a-20260101-000000",
        vcenter=vcenter,
        vmware_vm_id="u-1",
        repository=repository,
        vm_name="a",
        total_jobs_run=1,
        successful_jobs=1,
    )
    disk = VMDisk.objects.create(
        vm_context=context, disk_id="disk-2000", device_key=2000, capacity_bytes=1 << 20
    )
    job = ReplicationJob.objects.create(
        id="job-20260101-000000-aa",
        vm_context=context,
        repository=repository,
        source_vm_id="u-1",
        source_vm_name="a",
        status="completed",
        replication_type="initial",
        trigger="manual",
        requested_by="admin",
        total_bytes=0,
        completed_at=timezone.now(),
    )
    VMContext.objects.filter(pk=context.pk).update(last_successful_job=job)
    point = RecoveryPoint.objects.create(
        vm_context=context,
        repository=repository,
        job=job,
        consistent_at=timezone.now(),
        quiesced=False,
        disk_count=1,
        state="available",
    )
    image = DiskImage.objects.create(
        repository=repository,
        vm_context=context,
        disk=disk,
        job=job,
        recovery_point=point,
        attempt=1,
        state="committed",
        locator="a/disk.qcow2",
        sync_type="initial",
        capacity_bytes=1 << 20,
        planned_bytes=0,
        snapshot_moref="snapshot-1",
    )
    storage(repository).create(image.locator, 1 << 20, None)
    return point


def storage(repository: Repository) -> DirectoryRepository:
    return repositories.storage(repository)


def test_nothing_is_found_where_all_is_well(point: RecoveryPoint) -> None:
    assert list(integrity.problems()) == []


def test_a_missing_image_is_found(point: RecoveryPoint, repository: Repository) -> None:
    storage(repository).path("a/disk.qcow2").unlink()
    assert [line for line in integrity.problems() if line.startswith("image ")]


def test_a_damaged_image_is_found(point: RecoveryPoint, repository: Repository) -> None:
    storage(repository).path("a/disk.qcow2").write_bytes(b"QFI\xfb" + b"\xff" * 4096)
    assert [line for line in integrity.problems() if line.startswith("image ")]


def test_an_unmounted_repository_is_found(point: RecoveryPoint, repository: Repository) -> None:
    shutil.rmtree(storage(repository).root)
    assert [line for line in integrity.problems() if "mounted" in line]


def test_a_recovery_point_without_its_images_is_found(point: RecoveryPoint) -> None:
    point.images.all().delete()
    assert f"recovery point {point.pk}: 0 images of 1 disks" in list(integrity.problems())


def test_wrong_statistics_are_found(point: RecoveryPoint) -> None:
    VMContext.objects.update(total_jobs_run=5, successful_jobs=3, failed_jobs=2)
    found = "\n".join(integrity.problems())
    assert "total_jobs_run is 5, but there are 1 such jobs" in found
    assert "failed_jobs is 2, but there are 0 such jobs" in found


def test_a_wrong_last_successful_job_is_found(point: RecoveryPoint) -> None:
    VMContext.objects.update(last_successful_job=None)
    assert "None is not its last successful job" in "\n".join(integrity.problems())


def test_a_completed_job_without_a_recovery_point_is_found(point: RecoveryPoint) -> None:
    point.images.all().delete()
    point.delete()
    assert "completed without a recovery point" in "\n".join(integrity.problems())


def test_an_image_of_an_ended_job_that_was_left_over_is_found(point: RecoveryPoint) -> None:
    DiskImage.objects.update(state="deleting")
    assert "(a/disk.qcow2) is left over: deleting" in "\n".join(integrity.problems())


def test_an_orphan_and_a_broken_rule_are_found(point: RecoveryPoint) -> None:
    """Made as only somebody without foreign keys or with superuser rights can make them."""
    without_rules(
        "UPDATE disk_images SET recovery_point_id = 4711",
        "UPDATE replication_jobs SET attempt = 0",
    )
    try:
        found = "\n".join(integrity.problems())
    finally:
        without_rules(
            f"UPDATE disk_images SET recovery_point_id = {point.pk}",
            "UPDATE replication_jobs SET attempt = 1",
        )
    assert "disk_images" in found
    assert "replication_jobs" in found


def without_rules(*statements: str) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA foreign_keys = OFF")
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        else:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(
                "ALTER TABLE replication_jobs DROP CONSTRAINT IF EXISTS job_attempt_possible"
            )
        for statement in statements:
            cursor.execute(statement)
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA foreign_keys = ON")
            cursor.execute("PRAGMA ignore_check_constraints = OFF")
        else:
            cursor.execute("SET session_replication_role = DEFAULT")
            cursor.execute(
                "ALTER TABLE replication_jobs ADD CONSTRAINT job_attempt_possible"
                " CHECK (attempt >= 1) NOT VALID"
            )
