"""Disks that change while a job is under way: the snapshot says what there is, nobody else."""

import pytest
from django.utils import timezone

from contexts.services import discovery, vcenters
from contexts.vsphere import inventory
from contexts.vsphere.session import Session
from replication.models import ReplicationJob, VMSnapshot
from replication.states import JobStatus
from replication.sync import runner


@pytest.fixture
def before_the_snapshot(monkeypatch):
    """Do something between Prepare and the first snapshot."""
    take_snapshot = runner.take_snapshot

    def arrange(do):
        def do_and_take(run):
            monkeypatch.setattr(runner, "take_snapshot", take_snapshot)
            do()
            take_snapshot(run)

        monkeypatch.setattr(runner, "take_snapshot", do_and_take)

    return arrange


def _try_again(job: ReplicationJob) -> ReplicationJob:
    ReplicationJob.objects.filter(pk=job.pk).update(next_attempt_at=None)
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    return job


def _disk_ids(job: ReplicationJob) -> list[str]:
    return sorted(job.recovery_point.images.values_list("disk__disk_id", flat=True))


def test_a_disk_added_just_before_the_snapshot_is_in_the_recovery_point(
    estate, before_the_snapshot
):
    context = estate.take("small1")
    before_the_snapshot(lambda: estate.add_disk(context))
    job = estate.replicate(context)
    assert job.recovery_point.disk_count == 2


@pytest.mark.slow
def test_a_disk_that_a_late_discovery_takes_for_removed_is_in_the_recovery_point(
    estate, before_the_snapshot
):
    context = estate.take("small1")
    with Session(vcenters.endpoint(estate.vcenter)) as session:
        page = next(inventory.read_vms(session))
    estate.add_disk(context)
    before_the_snapshot(
        lambda: discovery._store_page(estate.vcenter, page.records, set(), timezone.now())
    )
    job = estate.replicate(context)
    assert job.recovery_point.disk_count == 2


@pytest.mark.slow
def test_a_disk_removed_just_before_the_snapshot_leaves_the_recovery_point(
    estate, before_the_snapshot
):
    context = estate.take("small2")
    before_the_snapshot(lambda: estate.remove_disk(context, 2001))
    assert _disk_ids(estate.replicate(context)) == ["disk-2000"]


@pytest.mark.slow
def test_a_disk_that_became_independent_before_the_snapshot_refuses_the_job(
    estate, before_the_snapshot, small2
):
    """Its file goes on changing: what was read of it would be of no moment at all."""
    before_the_snapshot(
        lambda: estate.control.set_disk("small2", 2001, mode="independent_persistent")
    )
    job = estate.run_job(small2)
    assert job.status == JobStatus.FAILED
    assert "independent" in job.error_message


@pytest.mark.slow
def test_an_independent_disk_that_was_accepted_before_is_left_out(
    estate, before_the_snapshot, small2
):
    small2.disks.filter(disk_id="disk-2001").update(accept_unprotected=True)
    before_the_snapshot(
        lambda: estate.control.set_disk("small2", 2001, mode="independent_persistent")
    )
    job = estate.run_job(small2)
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert _disk_ids(job) == ["disk-2000"]


@pytest.mark.slow
def test_a_disk_added_beside_a_kept_snapshot_costs_an_attempt_and_a_new_snapshot(estate):
    context = estate.take("small1")
    estate.control.fail("GET /folder", nth=4, fault="503", times=1000)
    job = estate.run_job(context)
    estate.control.clear_faults()
    assert job.status == JobStatus.PENDING
    estate.add_disk(context)

    job = _try_again(job)
    assert job.status == JobStatus.PENDING, job.error_message
    assert "is not in the snapshot" in job.error_message
    job = _try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert job.recovery_point.disk_count == 2
    assert VMSnapshot.objects.filter(job=job).count() == 2
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(context)
