"""A VM that was taken back since its last recovery point: change IDs look valid, and are not."""

from __future__ import annotations

import pytest

from contexts.models import VCenter
from contexts.states import TransportKind
from contexts.vsphere import events
from replication.models import CBTHistory, RecoveryPoint, ReplicationJob
from tests.sync.estate import MIB, Estate

KEY = 2000


@pytest.fixture
def nfc(estate):
    VCenter.objects.update(transport=TransportKind.NFC)
    estate.vcenter.refresh_from_db()
    estate.control.configure("small1", tracking=True)
    return estate


def _write(estate: Estate, seed: object) -> None:
    estate.control.fill("small1", KEY, 40 * MIB, MIB, seed=seed)


def _entry(job: ReplicationJob) -> CBTHistory:
    return CBTHistory.objects.get(job=job)


def _number(entry: CBTHistory) -> int:
    return int(str(entry.change_id).partition("/")[2])


def test_a_revert_is_noticed_although_the_tree_and_the_numbers_are_as_they_were(nfc):
    """Back to the very snapshot that the VM was on."""
    before = nfc.users_snapshot("small1", "before")
    _write(nfc, "lost")
    context = nfc.take("small1")
    first = _entry(nfc.replicate(context))

    nfc.control.revert("small1", before)
    equal = _entry(nfc.replicate(context))
    assert _number(equal) == _number(first)  # "nothing has changed since"
    assert equal.sync_type == "checksum"


@pytest.mark.slow
def test_a_revert_is_noticed_whatever_the_tree_and_the_numbers_look_like(nfc):
    """Back to the very snapshot that the VM was on: the tree is as it was."""
    before = nfc.users_snapshot("small1", "before")
    _write(nfc, "lost")
    context = nfc.take("small1")
    nfc.replicate(context)
    nfc.control.revert("small1", before)
    nfc.replicate(context)

    _write(nfc, "lost again")
    second = _entry(nfc.replicate(context))
    assert second.sync_type == "incremental"
    nfc.control.revert("small1", before)
    for name in ("passing", "another"):
        passing = nfc.control.take_snapshot("small1", name)
        nfc.control.remove_snapshot("small1", passing)
    higher = _entry(nfc.replicate(context))
    assert _number(higher) > _number(second)
    assert (higher.sync_type, "vCenter's events say" in higher.note) == ("checksum", True)

    _write(nfc, "and again")
    nfc.replicate(context)
    nfc.control.revert("small1", before)
    nfc.control.remove_snapshot("small1", before)
    nfc.users_snapshots.clear()
    nfc.control.take_snapshot("small1", "passing")
    nfc.control.remove_snapshots("small1")
    assert _entry(nfc.replicate(context)).sync_type == "checksum"


@pytest.mark.slow
@pytest.mark.parametrize("ahead_seconds", [600, -600])
def test_the_hosts_clock_which_dates_snapshots_decides_nothing(nfc, ahead_seconds):
    """Events bear the vCenter's time."""
    nfc.control.set_host_clock(ahead_seconds)
    before = nfc.users_snapshot("small1", "before")
    _write(nfc, "lost")
    context = nfc.take("small1")
    nfc.replicate(context)
    _write(nfc, "lost, too")
    last = _entry(nfc.replicate(context))
    assert last.sync_type == "incremental"
    nfc.control.revert("small1", before)
    for name in ("passing", "another", "third"):
        nfc.control.remove_snapshot("small1", nfc.control.take_snapshot("small1", name))
    entry = _entry(nfc.replicate(context))
    assert _number(entry) > _number(last)
    assert (entry.sync_type, "vCenter's events say" in entry.note) == ("checksum", True)


@pytest.mark.slow
def test_what_events_do_not_tell_is_compared(nfc, monkeypatch):
    before = nfc.users_snapshot("small1", "before")
    _write(nfc, "lost")
    context = nfc.take("small1")
    nfc.replicate(context)
    nfc.control.revert("small1", before)
    nfc.control.remove_snapshot("small1", nfc.control.take_snapshot("small1", "passing"))
    nfc.control.forget_events()
    entry = _entry(nfc.replicate(context))
    assert (entry.sync_type, "events do not tell" in entry.note) == ("checksum", True)

    assert _entry(nfc.replicate(context)).sync_type == "incremental"
    monkeypatch.setattr(events, "_MOST", 2)  # the two snapshots; there might be more
    entry = _entry(nfc.replicate(context))
    assert (entry.sync_type, "events do not tell" in entry.note) == ("checksum", True)


@pytest.mark.slow
def test_the_tree_alone_tells_of_a_revert_to_another_snapshot(nfc):
    nfc.control.fail("QueryEvents", fault="NoPermission", times=1000)
    older = nfc.users_snapshot("small1", "older")
    _write(nfc, 1)
    newer = nfc.users_snapshot("small1", "newer")
    _write(nfc, 2)
    context = nfc.take("small1")
    nfc.replicate(context)
    nfc.control.revert("small1", older)
    for _ in range(3):  # the numbers are higher than before
        nfc.users_snapshot("small1", "more")
    entry = _entry(nfc.replicate(context))
    assert (entry.sync_type, "reverted" in entry.note) == ("checksum", True)
    assert "“more”" in entry.note
    assert newer in nfc.users_snapshots


@pytest.mark.slow
def test_a_revert_to_a_snapshot_that_was_made_since_needs_no_comparison(nfc):
    """It holds all that the recovery point holds, and tracking tells what came after."""
    context = nfc.take("small1")
    _write(nfc, 1)
    nfc.replicate(context)
    nfc.control.fill("small1", KEY, 44 * MIB, MIB, seed="stays")
    since = nfc.control.take_snapshot("small1", "since")
    nfc.control.fill("small1", KEY, 48 * MIB, MIB, seed="lost")
    nfc.control.revert("small1", since)
    nfc.control.remove_snapshots("small1")
    nfc.control.fill("small1", KEY, 52 * MIB, MIB, seed="later")
    job = nfc.replicate(context)
    assert (job.replication_type, job.bytes_transferred) == ("incremental", 2 * MIB)


@pytest.mark.slow
def test_a_number_that_did_not_move_is_not_believed_without_snapshots_either(nfc, small1):
    """The datastore was rolled back to just before the last recovery point."""
    nfc.control.keep_storage("small1")
    _write(nfc, "lost")
    last = _entry(nfc.replicate(small1))
    nfc.control.configure("small1", power="off")
    nfc.control.roll_back_storage("small1")
    entry = _entry(nfc.replicate(small1))
    assert _number(entry) == _number(last)
    assert entry.sync_type == "checksum"


@pytest.mark.slow
def test_a_vm_that_was_registered_again_is_compared(nfc, small1):
    nfc.control.reregister("small1")
    nfc.discover()
    small1.refresh_from_db()
    entry = _entry(nfc.replicate(small1))
    assert (entry.sync_type, "registered again" in entry.note) == ("checksum", True)


def test_tracking_that_began_under_a_snapshot_is_not_asked_what_is_allocated(estate):
    """It knows nothing of the files below: what they hold would be missing in the copy."""
    VCenter.objects.update(transport=TransportKind.NFC)
    estate.vcenter.refresh_from_db()
    estate.users_snapshot("small1", "before")
    estate.control.configure("small1", tracking=True)
    context = estate.take("small1")
    entry = _entry(estate.replicate(context))
    assert entry.sync_type == "initial"
    assert "turned on or reset while the VM had snapshots" in entry.note
    assert entry.bytes_transferred == entry.capacity_bytes


def test_points_of_earlier_versions_are_gone_on_from_by_changes(nfc, small1):
    RecoveryPoint.objects.update(
        snapshots_known=None, source_moref="", snapshot_taken_at=None, source_booted_at=None
    )
    _write(nfc, 1)
    assert nfc.replicate(small1).replication_type == "incremental"
