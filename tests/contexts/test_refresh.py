"""Bringing a context up to date with what the vCenter says."""

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contexts.models import VMContext
from contexts.services import refresh
from replication.services import start
from tests import factories

pytestmark = pytest.mark.django_db


def _refresh(context, record):
    refresh.refresh([(context, record)])
    context.refresh_from_db()


def test_a_value_that_became_unknown_is_unknown_again():
    context = factories.context()
    assert context.cpu_count == 2
    _refresh(context, factories.vm_record(cpu_count=None, ip_addresses=None))
    assert context.cpu_count is None
    assert context.ip_addresses is None


def test_a_start_in_the_same_moment_is_not_lost():
    context = factories.context()
    stale = VMContext.objects.get(pk=context.pk)
    job = start.start(context, trigger="manual", requested_by="ops")
    _refresh(stale, factories.vm_record("renamed", cpu_count=8))
    assert (stale.current_job, stale.total_jobs_run, stale.cpu_count) == (job, 1, 8)


def test_another_disk_under_the_same_key_is_another_row():
    disk = factories.disk_record(2000)
    context = factories.context(disks=[disk])
    old = context.disks.get()
    _refresh(context, factories.vm_record(disks=[replace(disk, disk_uuid="another")]))
    old.refresh_from_db()
    assert old.removed_at is not None
    new = context.disks.get(removed_at=None)
    assert (new.disk_id, new.disk_uuid) == ("disk-2000", "another")


def test_a_disk_that_grew_is_the_same_row():
    disk = factories.disk_record(2000)
    context = factories.context(disks=[disk])
    old = context.disks.get()
    _refresh(context, factories.vm_record(disks=[replace(disk, capacity_bytes=1 << 30)]))
    assert context.disks.get() == old
    assert context.disks.get().capacity_bytes == 1 << 30


def test_a_removed_disk_or_adapter_keeps_its_row():
    context = factories.context()
    _refresh(context, factories.vm_record(disks=[], networks=[]))
    assert context.disks.get().removed_at is not None
    assert context.network_adapters.get().removed_at is not None


def test_an_independent_disk_says_why_it_is_unprotected():
    record = factories.vm_record(
        disks=[factories.disk_record(2000, disk_mode="independent_persistent")]
    )
    context = factories.context()
    _refresh(context, record)
    assert "independent" in context.disks.get(removed_at=None).unprotected_reason


def test_what_did_not_change_is_not_written():
    context = factories.context()
    record = factories.vm_record()
    _refresh(context, record)
    with CaptureQueriesContext(connection) as queries:
        refresh.refresh([(context, record)])
    writes = [it for it in queries if it["sql"].startswith(("UPDATE", "INSERT"))]
    assert writes == []


def test_a_value_that_another_refresh_wrote_meanwhile_is_put_right():
    two = factories.vm_record(cpu_count=2)
    context = factories.context()
    _refresh(context, two)
    stale = VMContext.objects.get(pk=context.pk)
    _refresh(context, replace(two, specs=two.specs | {"cpu_count": 4}))
    _refresh(stale, two)
    assert stale.cpu_count == 2
