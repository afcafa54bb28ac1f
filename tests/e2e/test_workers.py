"""Real workers: messages, kill -9 and memory."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from replication import messages
from replication.models import (
    ContextLease,
    DiskImage,
    ImageMerge,
    JobLogLine,
    JobStep,
    ReplicationJob,
)
from replication.retention import services
from replication.services import start
from replication.states import JobStatus, MergeStage, RecoveryPointState, StepName, StepStatus
from tests.sync.estate import MIB, Estate
from vmrep.local import programs
from vmrep.local.supervisor import Child

STOPS_WITHIN_SECONDS = 120  # as deploy/systemd has it


def _wait(until: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def _ended(job: ReplicationJob) -> bool:
    """Whether the job is over, with its clean-up."""
    job.refresh_from_db()
    return (
        not job.is_active
        and JobStep.objects.filter(job=job, name=StepName.CLEAN_UP)
        .exclude(status=StepStatus.RUNNING)
        .exists()
    )


def _hinted_and_ended(job: ReplicationJob) -> bool:
    """A hint lives for seconds only, which a busy machine may take to look at it: send another."""
    if not ReplicationJob.objects.filter(pk=job.pk, worker_name="").exists():
        return _ended(job)
    messages.hint_job()
    time.sleep(2)
    return False


def _start(context) -> ReplicationJob:
    return start.start(context, trigger="manual", requested_by="ops")


def test_a_started_job_is_run_by_a_worker_at_once(estate, workers_without_beat):
    context = estate.take("small1")
    job = _start(context)
    _wait(lambda: _hinted_and_ended(job), 60)  # there is no tick: a message did it
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    require_lines_of(job, workers_without_beat.log_folder / "copies.log")


def require_lines_of(job: ReplicationJob, log: Path) -> None:
    """Each line of the worker is an object, whatever wrote it; those of the job say so."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    about = [line for line in lines if job.pk in line["message"] and "job" in line]
    assert len(about) > 5
    vm = job.vm_context
    for line in about:
        assert (line["job"], line["vm"]) == (job.pk, vm.vm_name), line
        assert (line["context"], line["vcenter"]) == (vm.pk, vm.vcenter.name), line
        assert (line["task"], line["attempt"]) == ("run_next_job", 1), line
    of_services = [line for line in lines if line["logger"] == "replication.services.job_log"]
    assert [line for line in of_services if "job" not in line] == []
    assert {line["logger"] for line in lines} > {"celery.app.trace", "celery.worker.strategy"}


@pytest.mark.slow
def test_a_killed_workers_job_is_taken_up_again_within_a_minute(estate, workers):
    context = estate.take("small1")
    first = _start(context)
    _wait(lambda: _ended(first), 30)
    estate.control.fill("small1", 2000, 0, 48 * MIB, seed=1)
    estate.control.delay("GET /folder", 1.0)
    job = _start(context)
    _wait(lambda: ReplicationJob.objects.filter(pk=job.pk, bytes_transferred__gt=0).exists(), 30)
    job.refresh_from_db()
    os.kill(int(job.worker_name.partition(":")[2]), signal.SIGKILL)
    killed_at = time.monotonic()
    estate.control.clear_faults()
    estate.assert_equal_to_snapshot(first.recovery_point)

    _wait(
        lambda: ReplicationJob.objects.filter(
            pk=job.pk, attempt=2, status__in=(JobStatus.RUNNING, JobStatus.COMPLETED)
        ).exists(),
        60,
    )
    assert time.monotonic() - killed_at < 60
    _wait(lambda: _ended(job), 30)
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert job.bytes_transferred == 48 * MIB
    estate.assert_equal_to_snapshot(job.recovery_point)
    _wait(lambda: not context.snapshots.exclude(state="removed").exists(), 30)
    estate.assert_nothing_left_over(context)


@pytest.mark.slow
def test_a_worker_that_is_told_to_stop_hands_its_job_over(estate, workers, standing_workers):
    """In time for systemd, and to a worker that reads nothing twice."""
    context = estate.take("small1")
    first = _start(context)
    _wait(lambda: _ended(first), 60)
    estate.control.fill("small1", 2000, 0, 48 * MIB, seed=1)
    estate.control.delay("GET /folder", 1.0)
    job = _start(context)
    _wait(lambda: ReplicationJob.objects.filter(pk=job.pk, bytes_transferred__gt=0).exists(), 60)
    (worker,) = [child for child in workers.children if child.program.name == "copies"]
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(STOPS_WITHIN_SECONDS) == 0
    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.PENDING, 2)
    assert not ContextLease.objects.exists()
    resumed_at = DiskImage.objects.get(job=job).checkpoint_bytes
    assert resumed_at > 0

    estate.control.clear_faults()
    standing_workers._forget_dead()
    workers.start([programs.copies(standing_workers._broker, name="other")])
    try:
        _wait(lambda: _ended(job), 60)
    finally:
        workers.children.pop().kill()
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    assert JobLogLine.objects.filter(
        job=job, message__contains=f"resuming at the checkpoint {resumed_at:,}"
    ).exists()


@pytest.mark.slow
def test_a_worker_that_is_told_to_stop_hands_a_merge_over(
    estate, workers_without_beat, standing_workers, tmp_path
):
    """In time for systemd, from the middle of a program that merges files: all other points are
    equal then, and another worker ends the removal."""
    context = estate.take("small1")
    for number in range(3):
        estate.control.fill("small1", 2000, 0, 32 * MIB, seed=number)
        job = _start(context)
        _wait(lambda job=job: _ended(job), 60)
        assert job.status == JobStatus.COMPLETED, job.error_message
    points = list(context.recovery_points.order_by("pk"))
    program = tmp_path / "bin" / "qemu-img"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ "$1" = commit ] || exec {shutil.which("qemu-img")} "$@"\n'
        f'shift; touch {tmp_path}/begun; exec {shutil.which("qemu-img")} commit -r 500k "$@"\n'
    )
    program.chmod(0o755)
    workers, broker = workers_without_beat, standing_workers._broker
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    slow = Child(programs.storage(broker), {**workers.environment, "PATH": path}, tmp_path)
    try:
        services.delete(points[1], actor="ops")
        _wait((tmp_path / "begun").exists, 60)
        assert ImageMerge.objects.get().stage == MergeStage.MERGING
        slow.process.send_signal(signal.SIGTERM)
        assert slow.process.wait(STOPS_WITHIN_SECONDS) == 0
    finally:
        slow.kill()
    assert not ContextLease.objects.exists()
    assert ImageMerge.objects.get().stage == MergeStage.MERGING
    for point in (points[0], points[2]):
        estate.assert_equal_to_snapshot(point)

    other = Child(programs.storage(broker), workers.environment, tmp_path)
    try:
        messages.hint_retention()
        _wait(lambda: not ImageMerge.objects.exists(), 60)
    finally:
        other.kill()
    points[1].refresh_from_db()
    assert points[1].state == RecoveryPointState.EXPIRED
    for point in (points[0], points[2]):
        estate.assert_equal_to_snapshot(point)


@pytest.mark.slow
def test_a_worker_stays_small_whatever_the_disks_size(lab_scenario, workers, tmp_path):
    estate = Estate(lab_scenario("huge"), tmp_path)
    (vm,) = estate.control.list_vms()
    context = estate.take(vm["name"])
    (worker,) = [child for child in workers.children if child.program.name == "copies"]
    peak = 0
    for _ in range(2):
        job = _start(context)
        while not _ended(job):
            peak = max(peak, _pss_bytes(worker.process.pid))
            time.sleep(0.02)
        assert job.status == JobStatus.COMPLETED, job.error_message
        estate.assert_equal_to_snapshot(job.recovery_point)
        estate.control.fill(vm["name"], 2000, 1 << 40, 64 * MIB, seed=1)
    print(f"\npeak PSS of the worker and its children: {peak / MIB:.0f} MiB")
    assert 20 * MIB < peak < 300 * MIB


def _pss_bytes(pid: int) -> int:
    """Memory of a process and all below it; what they share is counted once."""
    total = 0
    for process in [pid, *_descendants(pid)]:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total


def _descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in children:
            found += [child, *_descendants(child)]
    return found
