"""Two transactions that change what one context's figures are taken from, in the same second."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from contexts.models import VMContext, VMDisk
from replication.models import RecoveryPoint, ReplicationJob
from tests import factories
from tests.at_once import at_once

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite lets one transaction write at a time"
    ),
]


@pytest.fixture
def vm(tmp_path):
    return factories.context("pgtest1", keep_in=factories.repository(path=tmp_path))


def adding_disk(vm: VMContext, key: int) -> Callable[[], Any]:
    return lambda: VMDisk.objects.create(
        vm_context=vm, disk_id=f"disk-{key}", device_key=key, capacity_bytes=1 << 20
    )


def test_disks_that_come_at_once_are_all_counted(vm):
    at_once(*(adding_disk(vm, key) for key in (2001, 2002, 2003)))
    vm.refresh_from_db()
    assert vm.disk_count == 4
    assert vm.capacity_bytes == (64 << 20) + 3 * (1 << 20)


def test_of_points_that_expire_at_once_none_is_the_newest(vm):
    now = timezone.now()
    times = [now - timedelta(hours=hours) for hours in (1, 2, 3)]
    first, second, third = (
        factories.completed_job(vm, consistent_at=at).recovery_point for at in times
    )

    def expiring(point: RecoveryPoint) -> Callable[[], Any]:
        return lambda: RecoveryPoint.objects.filter(pk=point.pk).update(state="expiring")

    at_once(expiring(first), expiring(second))
    vm.refresh_from_db()
    assert vm.newest_recovery_point_at == third.consistent_at


def test_of_points_that_are_damaged_at_once_none_is_usable(vm):
    points = [factories.completed_job(vm).recovery_point for _ in range(2)]

    def damaging(point: RecoveryPoint) -> Callable[[], Any]:
        row = RecoveryPoint.objects.filter(pk=point.pk)
        return lambda: row.update(damaged_at=timezone.now(), damage="It is.")

    at_once(*(damaging(point) for point in points))
    vm.refresh_from_db()
    assert vm.newest_point_damaged is True
    assert vm.usable_recovery_point_at is None


def test_of_jobs_that_are_deleted_at_once_none_is_the_newest(vm):
    factories.failed_job(vm)
    jobs = [factories.cancelled_job(vm).pk for _ in range(2)]
    vm.refresh_from_db()
    assert vm.last_job_failed is False

    def deleting(job_id: str) -> Callable[[], Any]:
        return lambda: ReplicationJob.objects.filter(pk=job_id).delete()

    at_once(*(deleting(job_id) for job_id in jobs))
    vm.refresh_from_db()
    assert vm.last_job_failed is True
