"""Where on a disk changes fall: what is kept of it, and how several syncs are put together."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from replication.engine.extent_map import BUCKETS, FULL
from replication.models import CBTHistory, DiskImage
from replication.selectors import telemetry
from replication.selectors.telemetry import ExtentMap
from replication.services import finish
from tests import factories

pytestmark = pytest.mark.django_db

FIRST_AREA = bytes([FULL]) + bytes(BUCKETS - 1)
LAST_AREA = bytes(BUCKETS - 1) + bytes([FULL])
NOWHERE = bytes(BUCKETS)


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


def completed_with(context, picture: bytes | None, **columns) -> CBTHistory:
    entry = CBTHistory.objects.get(job=factories.completed_job(context))
    CBTHistory.objects.filter(pk=entry.pk).update(
        **{"extent_map": picture, "extent_count": 1 if picture else 0, **columns}
    )
    return entry


def test_a_map_moves_from_the_image_to_the_history_when_the_job_ends():
    context = factories.context()
    job = factories.running_job(context)
    DiskImage.objects.update(extent_map=FIRST_AREA, extent_count=3)
    (running,) = telemetry.extent_maps_of_job(job)
    finish.failed(job.pk, "no")
    job.refresh_from_db()
    (failed,) = telemetry.extent_maps_of_job(job)
    assert failed == running
    assert (failed.levels, failed.extent_count) == (FIRST_AREA, 3)
    assert failed.capacity_bytes == context.disks.get().capacity_bytes


def test_the_maps_of_a_job_take_one_query_whatever_its_disks():
    disks = [factories.disk_record(2000 + key) for key in reversed(range(6))]
    job = factories.running_job(factories.context(disks=disks))
    DiskImage.objects.update(extent_map=FIRST_AREA, extent_count=1)
    with CaptureQueriesContext(connection) as captured:
        maps = telemetry.extent_maps_of_job(job)
    assert len(captured) == 1
    assert [it.disk.device_key for it in maps] == list(range(2000, 2006))


def a_map(levels: bytes, sync_type: str = "incremental", capacity_bytes: int = 1 << 30):
    return ExtentMap(None, "job-x", sync_type, capacity_bytes, 1, levels)


def test_changes_are_averaged_over_the_incremental_syncs_of_the_present_size():
    maps = [
        a_map(FIRST_AREA),
        a_map(NOWHERE),
        a_map(bytes([FULL]) * BUCKETS, "checksum"),
        a_map(LAST_AREA, capacity_bytes=1 << 29),
        a_map(bytes([FULL]) * BUCKETS, "initial"),
    ]
    assert telemetry.where_changes_fall(maps) == bytes([128]) + bytes(BUCKETS - 1)


def test_without_an_incremental_sync_nobody_can_tell_where_changes_fall():
    assert telemetry.where_changes_fall([]) is None
    assert telemetry.where_changes_fall([a_map(FIRST_AREA, "initial")]) is None


@pytest.mark.parametrize("picture", [b"", bytes(BUCKETS - 1), bytes(BUCKETS + 1)])
@pytest.mark.parametrize("model", [CBTHistory, DiskImage])
def test_half_a_map_is_refused_by_the_database(model, picture):
    factories.completed_job(factories.context())
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.update(extent_map=picture)
    model.objects.update(extent_map=NOWHERE)


@pytest.mark.parametrize("capacity_bytes", [None, 0])
def test_a_map_without_its_scale_is_refused_by_the_database(capacity_bytes):
    factories.completed_job(factories.context())
    with pytest.raises(IntegrityError), transaction.atomic():
        CBTHistory.objects.update(extent_map=NOWHERE, capacity_bytes=capacity_bytes)


def test_the_syncs_of_a_vm_are_read_disk_by_disk_in_one_query():
    disks = [factories.disk_record(2001), factories.disk_record(2000)]
    context = factories.context(disks=disks)
    for _ in range(3):
        factories.completed_job(context)
        factories.failed_job(context)  # without a plan: it takes no place among the last ones
    CBTHistory.objects.update(extent_map=FIRST_AREA, extent_count=1)
    failed = CBTHistory.objects.filter(disk__device_key=2000).latest("id")
    CBTHistory.objects.filter(pk=failed.pk).update(sync_success=False)
    with CaptureQueriesContext(connection) as captured:
        first, second = telemetry.syncs_of(context, limit=2)
    assert len(captured) == 1
    assert [each.disk.device_key for each in (first, second)] == [2000, 2001]
    assert [len(first.syncs), len(first.maps)] == [2, 1]
    assert first.syncs[0].pk == failed.pk
    assert [len(second.syncs), len(second.maps)] == [2, 2]
    assert second.syncs[0].pk > second.syncs[1].pk


def test_a_vm_without_a_sync_has_no_disk_to_show():
    context = factories.context()
    factories.completed_job(factories.context())
    assert telemetry.syncs_of(context) == []
