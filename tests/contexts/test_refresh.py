"""Bringing a context up to date with what the vCenter says."""

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contexts.models import VMContext
from contexts.services import refresh
from contexts.vsphere.records import PARTS, no_specs
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


# ------------------------------------------------------------- which disk is which


def _with_disks(*records):
    """A context with these disks, each left out by agreement with its own label."""
    context = factories.context(disks=[])
    _refresh(context, factories.vm_record(disks=list(records)))
    context.disks.filter(removed_at=None).update(accept_unprotected=True)
    return context


def _known(context):
    """Row, key and agreement of the disks that the VM has, by UUID."""
    present = context.disks.filter(removed_at=None)
    return {
        row.disk_uuid: (row.pk, row.disk_id, row.device_key, row.accept_unprotected)
        for row in present
    }


def test_a_disk_whose_key_changed_is_found_by_its_uuid():
    disk = factories.disk_record(2000, disk_uuid="6000C29a-1111")
    context = _with_disks(disk)
    ((pk, *_),) = _known(context).values()
    for key, uuid in ((16000, "6000C29a-1111"), (2001, "6000c29A 1111")):
        moved = replace(disk, device_key=key, disk_uuid=uuid)
        _refresh(context, factories.vm_record(disks=[moved]))
        assert _known(context) == {uuid: (pk, f"disk-{key}", key, True)}
    assert context.disks.count() == 1


def test_two_disks_that_change_places_keep_their_rows():
    one, two = (factories.disk_record(key, disk_uuid=f"uuid-{key}") for key in (2000, 2001))
    context = _with_disks(one, two)
    before = _known(context)
    swapped = [replace(one, device_key=2001), replace(two, device_key=2000)]
    new = factories.disk_record(2002, disk_uuid="new")
    _refresh(context, factories.vm_record(disks=[*swapped, new]))
    after = _known(context)
    assert after["uuid-2000"] == (before["uuid-2000"][0], "disk-2001", 2001, True)
    assert after["uuid-2001"] == (before["uuid-2001"][0], "disk-2000", 2000, True)
    assert after["new"][3] is False
    assert context.disks.filter(removed_at=None).count() == context.disk_count == 3


def test_a_key_that_a_removed_disk_leaves_is_taken_by_one_that_moves():
    one, two = (factories.disk_record(key, disk_uuid=f"uuid-{key}") for key in (2000, 2001))
    context = _with_disks(one, two)
    before = _known(context)
    _refresh(context, factories.vm_record(disks=[replace(two, device_key=2000)]))
    assert _known(context) == {"uuid-2001": (before["uuid-2001"][0], "disk-2000", 2000, True)}


def test_a_uuid_that_two_disks_have_decides_nothing():
    """A copied disk has its original's UUID: which of them is which, only the key can say."""
    disk = factories.disk_record(2000, disk_uuid="same")
    context = _with_disks(disk)
    pk = context.disks.get().pk
    twins = [replace(disk, device_key=key) for key in (2000, 2001)]
    _refresh(context, factories.vm_record(disks=twins))
    rows = {row.device_key: row for row in context.disks.filter(removed_at=None)}
    assert rows[2000].pk == pk
    assert (rows[2000].accept_unprotected, rows[2001].accept_unprotected) == (True, False)
    moved = [replace(disk, device_key=key) for key in (2002, 2003)]
    _refresh(context, factories.vm_record(disks=moved))
    assert {row.accept_unprotected for row in context.disks.filter(removed_at=None)} == {False}
    assert context.disks.filter(removed_at=None).count() == 2


def test_what_is_unsaid_changes_nothing():
    context = factories.context()
    before = context.spec_values()
    nothing = factories.vm_record(disks=[], networks=[])
    nothing = replace(nothing, specs=no_specs(), unsaid=PARTS | before.keys())
    _refresh(context, nothing)
    assert context.spec_values() == before
    assert context.disks.get().removed_at is None
    assert context.network_adapters.get().removed_at is None
    elsewhere = replace(factories.nic_record(), ip_addresses=())
    _refresh(context, replace(nothing, networks=(elsewhere,), unsaid=frozenset({"addresses"})))
    assert context.network_adapters.get().ip_addresses != []
