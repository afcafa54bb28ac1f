"""A VM that is away for a while in the middle of a job, or comes back under another reference: what
was copied is kept, and the next attempt finds it."""

import pytest

from contexts.models import VCenter
from contexts.states import TransportKind
from replication.models import DiskImage
from replication.states import JobStatus
from replication.sync import cleanup, runner
from tests.sync.estate import try_again


@pytest.fixture
def context(estate, ready):
    VCenter.objects.update(transport=TransportKind.NFC)
    estate.vcenter.refresh_from_db()
    ready.refresh_from_db()
    return ready


@pytest.fixture
def before(monkeypatch):
    """Do something just before a step of the job, once."""

    def arrange(step, do):
        take = getattr(runner, step)

        def do_and_take(*arguments):
            monkeypatch.setattr(runner, step, take)
            do()
            return take(*arguments)

        monkeypatch.setattr(runner, step, do_and_take)

    return arrange


@pytest.mark.parametrize(
    "step",
    [
        "take_snapshot",
        *(pytest.param(it, marks=pytest.mark.slow) for it in ("transfer", "make_plan", "verify")),
    ],
)
def test_a_vm_that_is_registered_again_is_found_by_the_next_attempt(estate, context, before, step):
    before(step, lambda: estate.control.reregister("small1"))
    job = estate.run_job(context)
    assert (job.status, job.attempt) == (JobStatus.PENDING, 2), job.error_message
    assert "small1" in job.error_message
    job = try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.minutes_later()  # a snapshot that was asked for could have come late
    cleanup.clean_context(context.pk)
    estate.assert_nothing_left_over(context)


def test_a_vm_that_is_deleted_in_mid_job_is_said_to_be_gone(estate, context, before):
    before("transfer", lambda: estate.control.destroy("small1"))
    job = estate.run_job(context)
    assert job.status == JobStatus.PENDING
    job = try_again(job)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "vm_gone")


@pytest.mark.parametrize(
    "state", ["disconnected", pytest.param("inaccessible", marks=pytest.mark.slow)]
)
def test_a_host_that_is_away_costs_no_progress(estate, context, state):
    estate.control.fail("NFC read", nth=9, fault="close", times=1000)
    job = estate.run_job(context)
    assert job.status == JobStatus.PENDING
    begun = DiskImage.objects.get(job=job)
    estate.control.clear_faults()
    estate.control.configure("small1", connection_state=state)
    job = try_again(job)
    assert job.status == JobStatus.PENDING, job.error_message
    assert f"small1: the VM is {state} in the vCenter" in job.error_message
    assert DiskImage.objects.get(job=job) == begun
    estate.control.configure("small1", connection_state="connected")
    job = try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(context)


def test_a_vm_that_is_orphaned_is_refused(estate, context):
    estate.control.configure("small1", connection_state="orphaned")
    job = estate.run_job(context)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "preflight_refused")


@pytest.mark.slow
def test_a_snapshot_that_cannot_be_understood_is_told_with_its_vm_and_the_servers_words(
    estate, context, before
):
    def garble():
        moref = context.snapshots.order_by("-id").values_list("moref", flat=True)[0]
        estate.control.odd_property(
            moref,
            "config.hardware.device",
            '<val xsi:type="ArrayOfVirtualDevice"><VirtualDevice xsi:type="VirtualDisk"><key>many'
            "</key></VirtualDevice></val>",
        )

    before("make_plan", garble)
    job = estate.run_job(context)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "not_vsphere")
    assert job.error_message.startswith("small1: ")
    assert "'many'" in job.error_message
    estate.control.clear_odd_properties()
    cleanup.clean_context(context.pk)
    estate.assert_nothing_left_over(context)


@pytest.mark.slow
def test_a_vm_whose_devices_are_odd_by_now_keeps_no_snapshot(estate, context, before):
    def garble():
        estate.control.odd_property(
            "small1",
            "config.hardware.device",
            '<val xsi:type="ArrayOfVirtualDevice"><VirtualDevice xsi:type="VirtualDisk"><key>2000'
            "</key></VirtualDevice></val>",
        )

    before("clean_up", garble)
    job = estate.run_job(context)
    assert job.status == JobStatus.COMPLETED
    step = job.steps.get(name="clean_up")
    assert step.status == "warning"
    assert "could not check the VM" in step.message
    assert "the disk 2000 has no backing" in step.message
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(context)
