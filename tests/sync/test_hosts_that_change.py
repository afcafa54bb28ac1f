"""What hosts and vCenters do in the middle of a job over NFC. Each has its verdict; each copy is
compared byte by byte."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from contexts.models import VCenter
from contexts.services import vcenters
from contexts.states import TransportKind
from contexts.vsphere.nfc import authd, renewing
from replication.models import Place, VMSnapshot
from replication.states import JobStatus, SnapshotState
from replication.sync import cleanup, transfer
from tests.sync.estate import MIB, PASSWORD, try_again

TWO_HOSTS = str(Path(__file__).parents[1] / "scenarios" / "two_hosts.toml")
FIRST, SECOND = "esx1.lab.example.com", "esx2.lab.example.com"

# 1: when the host is tried, 2: when the disk is tried, 3: for the transfer.
CONNECTIONS = [*(pytest.param(number, marks=pytest.mark.slow) for number in (1, 2)), 3]

pytestmark = [pytest.mark.scenario(TWO_HOSTS), pytest.mark.usefixtures("no_sample")]


@pytest.fixture
def ready(estate, monkeypatch):
    """A VM with one recovery point and 24 MiB changed since; read over NFC, without long pauses."""
    monkeypatch.setattr(renewing, "RETRY_DELAYS_SECONDS", (0.0, 0.0, 0.0))
    VCenter.objects.update(transport=TransportKind.NFC)
    estate.vcenter.refresh_from_db()
    context = estate.take("small1")
    estate.replicate(context)
    estate.control.fill("small1", 2000, 4 * MIB, 24 * MIB, seed=1)
    return context


@pytest.fixture
def before_connection(monkeypatch):
    """Let something happen between the n-th ticket and its connection."""

    def arrange(number, event):
        connect, count = authd.connect, [0]

        def connect_later(*given):
            count[0] += 1
            if count[0] == number:
                event()
            return connect(*given)

        monkeypatch.setattr(authd, "connect", connect_later)

    return arrange


@pytest.fixture
def in_mid_transfer(monkeypatch):
    """Let something happen when a part of the copy has been read, and the rest waits."""

    def arrange(event):
        read, count, lock = renewing.RenewingDisk.read_many, [0], threading.Lock()

        def read_after(self, reads):
            with lock:
                count[0] += 1
                if count[0] == 2:  # the first one tried the disk
                    read(self, reads)
                    event()
                    return
            read(self, reads)

        monkeypatch.setattr(renewing.RenewingDisk, "read_many", read_after)

    return arrange


@pytest.mark.parametrize("number", CONNECTIONS)
def test_a_hosts_certificate_that_is_renewed_after_a_ticket_costs_another_ticket(
    estate, ready, before_connection, number
):
    before_connection(number, lambda: estate.control.renew_certificate(FIRST))
    assert estate.replicate(ready).attempt == 1
    assert not Place.objects.exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 3])
def test_a_certificate_that_vsphere_does_not_know_is_lasting_and_has_a_remedy(
    estate, ready, before_connection, number
):
    before_connection(number, lambda: estate.control.renew_certificate(FIRST, told=False))
    job = estate.run_job(ready)
    assert job.status == JobStatus.FAILED
    assert "reconnect the host in vCenter" in job.error_message
    estate.control.state_thumbprint(FIRST)  # which is what reconnecting does
    cleanup.clean_context(ready.pk)
    estate.replicate(ready)


@pytest.mark.slow
@pytest.mark.parametrize("number", CONNECTIONS)
def test_a_vm_that_is_moved_after_a_ticket_is_read_from_its_new_host(
    estate, ready, before_connection, number
):
    before_connection(number, lambda: estate.control.vmotion("small1", SECOND))
    assert estate.replicate(ready).attempt == 1
    assert not Place.objects.exists()


@pytest.mark.slow
def test_a_vm_that_is_moved_between_two_tickets_is_read_on(estate, ready, in_mid_transfer):
    """As before maintenance: the session outlives the move, but not the host's restart."""

    def move_and_restart():
        estate.control.vmotion("small1", SECOND)
        estate.control.set_host(FIRST, "maintenance")
        assert estate.control.cut_nfc(FIRST) > 0

    in_mid_transfer(move_and_restart)
    assert estate.replicate(ready).attempt == 1
    assert not Place.objects.exists()


@pytest.mark.slow
def test_a_host_in_maintenance_still_serves_the_vms_that_it_has(estate, ready, in_mid_transfer):
    in_mid_transfer(lambda: estate.control.set_host(FIRST, "maintenance"))
    assert estate.replicate(ready).attempt == 1


@pytest.mark.slow
@pytest.mark.parametrize("state", ["disconnected", "notResponding"])
def test_a_host_that_goes_in_mid_transfer_is_waited_for_and_the_copy_resumes(
    estate, ready, in_mid_transfer, monkeypatch, state
):
    monkeypatch.setattr(transfer, "CHECKPOINT_EVERY_SECONDS", 0.0)

    def go():
        estate.control.set_host(FIRST, state)
        estate.control.cut_nfc(FIRST)

    in_mid_transfer(go)
    job = estate.run_job(ready)
    assert job.status == JobStatus.PENDING
    assert "small1" in job.error_message + job.current_operation
    job = try_again(job)  # it is still away
    assert job.status == JobStatus.PENDING
    assert "bring them back" in job.error_message
    estate.control.set_host(FIRST)
    job = try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(ready)


@pytest.mark.slow
def test_a_vcenters_pinned_certificate_that_changes_in_mid_job_is_confirmed_by_hand(
    estate, ready, in_mid_transfer
):
    in_mid_transfer(estate.control.renew_certificate)
    job = estate.run_job(ready)
    if job.status == JobStatus.COMPLETED:  # no new connection was needed before the clean-up
        assert "certificate" in job.steps.get(name="clean_up").message
    else:
        assert (job.status, job.error_code) == (JobStatus.FAILED, "certificate_changed")
        assert "confirm" in job.error_message
    assert VMSnapshot.objects.exclude(state=SnapshotState.REMOVED).exists()
    presented = vcenters.presented_certificate(estate.lab.host, estate.lab.port)
    vcenters.update(
        VCenter.objects.get(),
        password=PASSWORD,
        fingerprint_sha256=presented.fingerprint_sha256,
    )
    cleanup.clean_context(ready.pk)
    estate.assert_nothing_left_over(ready)
    estate.replicate(ready)
