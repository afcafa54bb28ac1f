"""One slow vCenter holds one thread of the control worker, not all of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from contexts.errors import ContextError, VCenterBusy
from contexts.models import VCenter
from contexts.services import discovery, slots
from contexts.states import DiscoveryStatus
from replication.integrity.findings import Scope
from replication.integrity.snapshots import snapshots_at_vcenters
from replication.models import ContextLease, DiskImage, JobStep, VMSnapshot
from replication.services import finish
from replication.states import SnapshotState, StepName, StepStatus
from replication.sync import cleanup
from tests import factories, hostile
from tests.hostile import HostileServer, serving

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HostileServer]:
    with serving(tmp_path, hostile.closes_in_the_middle) as server:
        yield server


def vcenter_at(server: HostileServer) -> VCenter:
    return factories.vcenter(
        host="127.0.0.1",
        port=server.port,
        trust_mode="pin",
        fingerprint_sha256=server.fingerprint,
        instance_uuid="",
    )


def test_the_second_caller_is_refused_and_gets_the_slot_afterwards() -> None:
    vcenter = factories.vcenter()
    with (
        slots.conversation(vcenter),
        slots.conversation(factories.vcenter()),  # another's is another
        pytest.raises(VCenterBusy, match="is busy with"),
        slots.conversation(vcenter),
    ):
        pytest.fail("two conversations at once")
    with slots.conversation(vcenter):
        pass


def test_a_caller_may_wait_for_the_slot() -> None:
    vcenter = factories.vcenter()
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with slots.conversation(vcenter):
            held.set()
            leave.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    threading.Timer(0.1, leave.set).start()
    with slots.conversation(vcenter, wait_seconds=60):
        assert leave.is_set()
    holder.join()


def test_a_discovery_stays_pending_until_the_next_tick(server: HostileServer) -> None:
    vcenter = vcenter_at(server)
    run = discovery.request(vcenter, actor="ops")
    with slots.conversation(vcenter):
        discovery.run(run.pk)
    run.refresh_from_db()
    assert run.status == DiscoveryStatus.PENDING
    assert server.heard == []
    discovery.run(run.pk)
    run.refresh_from_db()
    assert run.status == DiscoveryStatus.FAILED
    assert server.heard != []


@pytest.mark.django_db(transaction=True)
def test_a_clean_up_waits_too(server: HostileServer) -> None:
    vcenter = vcenter_at(server)
    context = factories.context(at=vcenter)
    job = factories.running_job(context)  # it has a snapshot
    finish.failed(job.pk, "The worker died.")
    ContextLease.objects.all().delete()
    with slots.conversation(vcenter):
        cleanup.clean_context(context.pk)
    assert server.heard == []
    cleanup.clean_context(context.pk)
    assert server.heard != []


@pytest.mark.django_db(transaction=True)
def test_a_clean_up_of_files_does_not_wait(server: HostileServer, tmp_path: Path) -> None:
    vcenter = vcenter_at(server)
    repository = factories.repository(path=tmp_path / "repository")
    job = factories.running_job(factories.context(at=vcenter, keep_in=repository))
    finish.failed(job.pk, "The worker died.")
    ContextLease.objects.all().delete()
    with slots.conversation(vcenter):
        cleanup.clean_context(job.vm_context_id)
    assert not DiskImage.objects.exists()
    assert not ContextLease.objects.exists()
    step = JobStep.objects.get(job=job, name=StepName.CLEAN_UP)
    assert step.status == StepStatus.WARNING
    assert "is busy with a discovery or a clean-up" in step.message
    assert VMSnapshot.objects.exclude(state=SnapshotState.REMOVED).exists()
    assert server.heard == []


def test_the_integrity_check_says_that_a_busy_vcenter_was_not_checked(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replication.integrity.snapshots._WAIT_SECONDS", 0.01)
    vcenter = vcenter_at(server)
    with slots.conversation(vcenter):
        (finding,) = snapshots_at_vcenters(Scope())
    assert "busy with a discovery or a clean-up" in finding.what
    assert server.heard == []


def test_a_reading_whose_run_counts_as_ended_stops(server: HostileServer) -> None:
    """Its worker was silent for long, and by now another one may read."""
    run = factories.discovery(vcenter_at(server), status=DiscoveryStatus.RUNNING)
    long_ago = timezone.now() - discovery.SILENT_FOR - timedelta(seconds=1)
    type(run).objects.filter(pk=run.pk).update(updated_at=long_ago)
    discovery.pick_up_forgotten()
    with pytest.raises(ContextError, match="was ended while it was reading"):
        discovery._go_on(run)
