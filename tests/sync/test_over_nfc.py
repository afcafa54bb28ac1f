"""Replications over NFC, compared with their snapshots byte by byte."""

from __future__ import annotations

import pytest
from django.db.models import Sum

from contexts.models import VCenter
from contexts.states import TransportKind
from contexts.vsphere.nfc import tickets
from replication.models import CBTHistory, Place, ReplicationJob, Tally
from replication.services import places
from replication.states import JobStatus, TallyKind
from replication.sync import runner
from tests.sync.estate import MIB


@pytest.fixture
def context(estate):
    VCenter.objects.update(transport=TransportKind.NFC)
    estate.vcenter.refresh_from_db()
    return estate.take("small1")


def test_a_running_vm_is_replicated_in_full_and_then_by_its_changes(estate, context):
    job = estate.replicate(context)
    assert job.replication_type == "initial"
    estate.control.fill("small1", 2000, 16 * MIB, 8 * MIB, seed=1)
    estate.control.fill("small1", 2000, 40 * MIB + 512, 3 * MIB, seed=2)
    job = estate.replicate(context)
    entry = CBTHistory.objects.get(job=job)
    assert (job.replication_type, entry.sync_type) == ("incremental", "incremental")
    assert 11 * MIB <= job.bytes_transferred <= 12 * MIB
    assert_its_answers_were_timed()


def assert_its_answers_were_timed():
    """In both jobs: the vCenter's, the opening of the disk, and each byte that was read."""
    found = {
        kind: Tally.objects.filter(kind=kind).aggregate(
            count=Sum("count"), took=Sum("microseconds"), read=Sum("bytes")
        )
        for kind in TallyKind
    }
    assert found[TallyKind.JOB]["count"] == 2
    planned = sum(ReplicationJob.objects.values_list("bytes_transferred", flat=True))
    assert found[TallyKind.JOB]["read"] == planned <= found[TallyKind.READ]["read"]
    assert found[TallyKind.OPEN]["count"] >= 2
    assert all(each["count"] and each["took"] for each in found.values())


def test_it_needs_no_datastore_files(estate, context):
    estate.control.fail("GET /folder", fault="500", times=10_000)
    estate.replicate(context)


@pytest.mark.slow
def test_a_host_that_fails_or_lies_in_mid_read_changes_no_byte_of_the_copy(estate, context):
    for fault in ("close", "error", "twice", "wrong_place", "short"):
        estate.control.fill("small1", 2000, 16 * MIB, 8 * MIB, seed=fault)
        estate.control.fail("NFC read", nth=3, fault=fault)
        estate.replicate(context)
        assert not estate.lab._live.world.injection._rules, f"{fault}: it was met"


@pytest.mark.slow
def test_a_host_that_stays_away_is_waited_for_and_the_job_goes_on(estate, context):
    estate.control.fail("NFC read", nth=4, fault="close", times=1000)
    job = estate.run_job(context)
    assert job.status == JobStatus.PENDING
    assert "small1" in job.error_message
    assert "over NFC from 127.0.0.1" in job.error_message
    estate.control.clear_faults()
    ReplicationJob.objects.update(next_attempt_at=None)  # as if the seconds had passed
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(context)


def test_a_vm_that_moves_in_mid_copy_is_read_on_from_its_new_host(estate, context, monkeypatch):
    """The session goes on until it breaks; then the ticket is for the new host, and the place is
    there, too."""
    seen: list[str] = []
    take = places.take

    def watched(lease, job_id, resource, **how):
        if resource.kind == "host_sessions":
            seen.append(resource.key)
        return take(lease, job_id, resource, **how)

    monkeypatch.setattr(places, "take", watched)
    moved = tickets.Ticket.address.fget
    monkeypatch.setattr(
        tickets.Ticket,
        "address",
        property(lambda ticket: f"{moved(ticket)}{'-new' if len(seen) else ''}"),
    )
    estate.control.fail("NFC read", nth=3, fault="close")
    estate.replicate(context)
    assert len(set(seen)) == 2
    assert not Place.objects.exists()


@pytest.mark.scenario("host")
def test_a_lone_host_is_read_over_nfc(estate):
    """Its tickets name no host, and its services have other names."""
    VCenter.objects.update(transport=TransportKind.NFC)
    estate.discover()
    name = next(vm["name"] for vm in estate.control.list_vms())
    estate.replicate(estate.take(name))
