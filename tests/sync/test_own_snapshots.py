"""VMs that have snapshots of their own, and linked clones, read over NFC byte by byte."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contexts.models import VCenter
from contexts.states import TransportKind
from replication.models import CBTHistory
from replication.states import JobStatus
from replication.sync import verdict
from tests.sync.estate import MIB


@pytest.fixture
def nfc(estate):
    VCenter.objects.update(transport=TransportKind.NFC)
    estate.vcenter.refresh_from_db()
    return estate


def test_a_vm_with_snapshots_of_its_own_is_replicated_in_full_and_by_its_changes(nfc):
    nfc.control.configure("small1", tracking=True)
    nfc.users_snapshot("small1", "before the upgrade")
    nfc.control.fill("small1", 2000, 16 * MIB, MIB, seed=1)
    nfc.users_snapshot("small1", "after it")
    nfc.control.fill("small1", 2000, 17 * MIB, MIB, seed=2)
    context = nfc.take("small1")
    assert nfc.replicate(context).replication_type == "initial"
    nfc.control.fill("small1", 2000, 40 * MIB, MIB, seed=3)
    job = nfc.replicate(context)
    assert (job.replication_type, job.bytes_transferred) == ("incremental", MIB)


def test_tracking_is_not_turned_on_while_a_vm_has_snapshots(nfc, monkeypatch):
    monkeypatch.setattr(verdict, "PASSES_WITHIN", timedelta(0))
    nfc.users_snapshot("small1", "before the upgrade")
    job = nfc.run_job(nfc.take("small1"))
    assert job.status == JobStatus.FAILED
    assert "“before the upgrade”" in job.error_message
    assert "block tracking" in job.error_message


@pytest.mark.slow
def test_a_linked_clone_is_read_through_its_parents_files(nfc):
    snapshot = nfc.users_snapshot("small1")
    nfc.control.link_clone("small1", "linked", snapshot)
    nfc.control.configure("linked", power="on")
    nfc.control.fill("small1", 2000, 40 * MIB, MIB, seed="the parent's own")
    nfc.control.fill("linked", 2000, 44 * MIB, MIB, seed="the clone's own")
    context = nfc.take("linked")
    job = nfc.replicate(context)
    entry = CBTHistory.objects.get(job=job)
    # What it has from its parent, change tracking need not list: the whole disk is read.
    assert (entry.sync_type, entry.bytes_transferred) == ("initial", 64 * MIB)
    nfc.control.fill("linked", 2000, 48 * MIB, MIB, seed="later")
    job = nfc.replicate(context)
    assert (job.replication_type, job.bytes_transferred) == ("incremental", MIB)


@pytest.mark.slow
def test_a_linked_clone_that_has_snapshots_is_read_whole_too(nfc):
    nfc.control.link_clone("small1", "linked", nfc.users_snapshot("small1"))
    nfc.control.configure("linked", power="on", tracking=True)
    nfc.users_snapshot("linked", "of the clone")
    nfc.control.fill("linked", 2000, 44 * MIB, MIB, seed="the clone's own")
    job = nfc.replicate(nfc.take("linked"))
    assert job.bytes_transferred == 64 * MIB
