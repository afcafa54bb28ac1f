"""Groups: their VMs' snapshots are taken within seconds, whatever happens to one of them or to the
worker that gathers them."""

from __future__ import annotations

import signal
import threading
from datetime import datetime
from itertools import chain, repeat
from types import SimpleNamespace

import pytest

from replication.models import GroupRun, ReplicationJob, VMGroup
from replication.scheduler import tick
from replication.selectors import limits
from replication.services import group_runs, groups, leases, queue, together
from replication.states import (
    GroupMemberState,
    GroupRunState,
    JobStatus,
    LeaseHolder,
    LimitKind,
    StepName,
)
from replication.sync import cleanup, job_run, runner
from replication.sync import group as gathering
from replication.sync.guard import Guard
from replication.sync.job_run import JobRun
from tests import factories
from tests.sync.estate import Estate, database_url
from tests.sync.group_worker_that_dies import POINTS
from tests.sync.nursery import nursery

SCENARIO = "tests/scenarios/group.toml"
pytestmark = pytest.mark.scenario(SCENARIO)
NAMES = ["app", "db", "web"]


@pytest.fixture
def stack(estate: Estate) -> VMGroup:
    """Three VMs, of which the database comes first; never replicated."""
    made = groups.add("Shop", actor="ops")
    for name in ("db", "app", "web"):
        groups.add_member(made, estate.take(name), actor="ops")
    return made


def begin(group: VMGroup) -> GroupRun:
    return group_runs.begin(group, trigger="manual", requested_by="ops")


def work() -> None:
    """Be the only worker until nothing is left that could begin; then the tick comes."""
    while gathering.run_next() is not None or runner.run_next() is not None:
        pass
    tick.tick()


def outcome(run: GroupRun) -> dict[str, str]:
    run.refresh_from_db()
    rows = run.members.select_related("vm_context")
    return {row.vm_context.vm_name: row.state for row in rows}


def test_the_snapshots_of_a_group_are_taken_within_seconds_and_each_copy_is_equal(estate, stack):
    estate.control.reset_meters()
    run = begin(stack)
    assert runner.run_next() is None, "no job of the group begins alone"
    work()
    assert outcome(run) == dict.fromkeys(NAMES, GroupMemberState.TOGETHER), problems(run)
    assert run.state == GroupRunState.ENDED
    points = [row.job.recovery_point for row in run.members.all()]
    for point in points:
        estate.assert_equal_to_snapshot(point)
    estate.assert_nothing_left_over(stack.members.first().vm_context)
    read_from = {image.snapshot_moref for point in points for image in point.images.all()}
    seen = [
        datetime.fromisoformat(each["at"])
        for each in estate.control.when_taken()
        if each["snapshot"] in read_from
    ]
    assert len(seen) == len(NAMES)
    apart = (max(seen) - min(seen)).total_seconds()
    assert apart == pytest.approx(run.spread_seconds, abs=0.01)
    assert apart <= together.WITHIN.total_seconds()


def problems(run: GroupRun) -> list[tuple[str, str]]:
    return list(run.members.values_list("why", "job__error_message"))


def assert_equal_copies(estate: Estate, group: VMGroup, *names: str) -> None:
    """Of these VMs, and nothing else is left of any."""
    jobs = ReplicationJob.objects.filter(status=JobStatus.COMPLETED)
    assert sorted(jobs.values_list("source_vm_name", flat=True)) == sorted(names)
    for job in jobs:
        estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(group.members.first().vm_context)


@pytest.mark.slow
def test_who_is_not_ready_in_time_is_left_behind_and_replicated_alone(estate, stack, monkeypatch):
    """The others do not wait for it: neither with their snapshots nor with their copies."""
    others_are_there = threading.Event()
    gates = []
    arrive, prepare = gathering.Gate.arrive, gathering.prepare

    def arrive_and_tell(gate: gathering.Gate, who: str) -> None:
        arrive(gate, who)
        if len(gate._expected) == 1:
            gates.append(gate)
            others_are_there.set()

    def prepare_or_hang(run: JobRun, **how: bool) -> None:
        if run.job.source_vm_name != "web":
            return prepare(run, **how)
        assert others_are_there.wait(60)
        gates[0].closes_at = run.ready_by = 0.0  # as if the time were over
        return run.check()

    monkeypatch.setattr(gathering.Gate, "arrive", arrive_and_tell)
    monkeypatch.setattr(gathering, "prepare", prepare_or_hang)
    run = begin(stack)
    assert gathering.run_next() == run.pk
    assert run.members.get(vm_context__vm_name="web").state == GroupMemberState.GOING
    estate.control.set_host_clock(60.0)  # as if a minute passed until a worker is free for it
    work()
    states = outcome(run)
    assert states["app"] == states["db"] == GroupMemberState.TOGETHER, problems(run)
    assert states["web"] == GroupMemberState.APART
    why = run.members.get(vm_context__vm_name="web").why
    assert "was not ready when the snapshots of its group were taken" in why
    assert "seconds after the first of the others" in why
    assert_equal_copies(estate, stack, *NAMES)


@pytest.mark.slow
def test_who_fails_is_missing_and_the_others_are_together(estate, stack):
    estate.control.destroy("web")
    run = begin(stack)
    work()
    assert outcome(run) == {
        "db": GroupMemberState.TOGETHER,
        "app": GroupMemberState.TOGETHER,
        "web": GroupMemberState.MISSING,
    }
    failed = ReplicationJob.objects.get(source_vm_name="web")
    assert (failed.status, failed.error_code) == (JobStatus.FAILED, "vm_gone")
    assert run.members.get(vm_context__vm_name="web").why == failed.error_message
    assert_equal_copies(estate, stack, "app", "db")


@pytest.mark.slow
def test_a_datastore_that_may_have_no_more_snapshots_leaves_one_behind(estate, stack, monkeypatch):
    """Its job waits for a place, as any job does; the group's other snapshots are taken."""
    monkeypatch.setitem(limits._DEFAULTS, LimitKind.DATASTORE_SNAPSHOTS, 2)
    estate.control.reset_meters()
    run = begin(stack)
    work()
    ReplicationJob.objects.update(next_attempt_at=None)
    work()
    states = sorted(outcome(run).values())
    assert states[1:] == [GroupMemberState.TOGETHER] * 2, problems(run)
    assert estate.control.snapshots_at_once()["datastore1"]["most"] <= 2
    assert_equal_copies(estate, stack, *NAMES)


@pytest.mark.slow
def test_who_is_ready_is_not_left_behind_when_the_gate_opens_by_time(db, monkeypatch):
    """The gate was looked at just before its time is over, and the VM's own time just after."""
    context = factories.context()
    job = factories.pending_job(context)
    lease = leases.acquire(context.pk, LeaseHolder.JOB, job_id=job.pk)
    queue.begin(ReplicationJob.objects.all())
    clock = SimpleNamespace(monotonic=chain([0.0, 99.0, 99.9, 100.1], repeat(100.2)).__next__)
    monkeypatch.setattr(gathering, "time", clock)
    monkeypatch.setattr(job_run, "time", clock)
    gate = gathering.Gate([job.pk, "another, which is never ready"], 100.0)
    with Guard(lease) as guard:
        run = JobRun(job, lease, guard, session=None, storage=None)
        run.ready_by = gate.closes_at
        gathering._all_ready(gate, run)
    job.refresh_from_db()
    assert job.current_operation == StepName.SNAPSHOT.label


BEFORE_A_SNAPSHOT = [
    *("after the claim", "after one was prepared", "when all are ready"),
    "with a stun that no answer told of",
]


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_while_it_gathers_leaves_nothing_and_no_job_stuck(estate, stack, point):
    run = begin(stack)
    code, stderr = nursery(database_url()).run("tests.sync.group_worker_that_dies", point)
    assert code == -signal.SIGKILL, stderr
    assert runner.run_next() is None or point == "before all are", "its leases hold"
    estate.take_over()
    run.refresh_from_db()
    begun_again = run.state == GroupRunState.WAITING
    assert begun_again or point not in BEFORE_A_SNAPSHOT
    ReplicationJob.objects.update(next_attempt_at=None)
    work()
    assert not ReplicationJob.objects.exclude(status=JobStatus.COMPLETED).exists(), problems(run)
    states = outcome(run)
    assert run.state == GroupRunState.ENDED
    if begun_again:
        assert run.gatherings == 2
        assert set(states.values()) == {GroupMemberState.TOGETHER}
        assert "began again" in run.problem
    assert begun_again or "by itself" not in run.problem
    for row in run.members.all():
        assert (row.state == GroupMemberState.TOGETHER) == (row.why == "")
    estate.minutes_later()  # nothing that was asked for can still arrive
    for member in stack.members.all():
        cleanup.clean_context(member.vm_context_id)
    assert_equal_copies(estate, stack, *NAMES)


@pytest.mark.slow
def test_a_run_whose_workers_keep_dying_is_given_up_and_its_vms_go_alone(estate, stack):
    run = begin(stack)
    for _ in range(group_runs.MOST_GATHERINGS):
        code, stderr = nursery(database_url()).run(
            "tests.sync.group_worker_that_dies", "after the claim"
        )
        assert code == -signal.SIGKILL, stderr
        estate.take_over()
        ReplicationJob.objects.update(next_attempt_at=None)
    run.refresh_from_db()
    assert run.state == GroupRunState.COPYING
    assert "by itself" in run.problem
    work()
    assert_equal_copies(estate, stack, *NAMES)
