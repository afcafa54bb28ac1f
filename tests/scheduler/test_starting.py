"""What the tick starts by itself, and what it leaves alone."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contexts.clock import database_now
from contexts.models import VCenter, VMContext
from replication.models import (
    RecoveryPoint,
    ReplicationJob,
    Repository,
    RepositorySign,
    VCenterSign,
    VMSchedule,
)
from replication.policies import services, settle
from replication.policies.checking import Window
from replication.policies.services import Where
from replication.scheduler import candidates, dates, decide, starting
from replication.scheduler.decide import AHEAD
from replication.services import pauses, queue
from replication.services.pauses import Subject
from replication.states import JobStatus, PauseKind, PolicyPriority, ScopeKind, Trigger
from tests import factories

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def slots(db) -> None:
    factories.sign_of_life("worker", "copies", slots=4)


@pytest.fixture
def web(tmp_path, slots) -> VMContext:
    """With a recovery point of two hours ago, and a target of one."""
    vm = factories.context("web", keep_in=factories.repository(path=tmp_path / "repository"))
    factories.completed_job(vm, consistent_at=timezone.now() - 2 * HOUR)
    return wanting(vm)


def wanting(vm: VMContext, **given) -> VMContext:
    services.set_own(vm, given or services.target(3600), actor="ops")
    vm.refresh_from_db()
    return vm


def tick() -> list[str]:
    """The names of the VMs for which it starts a job."""
    before = set(ReplicationJob.objects.values_list("pk", flat=True))
    settle.tick()
    dates.tick()
    starting.give_up()
    starting.start_due()
    started = ReplicationJob.objects.exclude(pk__in=before).order_by("created_at", "pk")
    assert all(job.trigger == Trigger.SCHEDULE for job in started)
    return [job.source_vm_name for job in started]


def test_what_is_due_is_started_once(web):
    assert tick() == ["web"]
    assert tick() == [], "it is being replicated"
    job = ReplicationJob.objects.get(status=JobStatus.PENDING)
    assert (job.requested_by, job.requested_sync) == ("schedule", "as_needed")


def test_a_vm_without_a_target_is_never_started_by_itself(slots):
    factories.context()
    assert tick() == []
    assert VMSchedule.objects.get().due_at is None


def test_a_vm_that_was_never_replicated_is_due_at_once(slots):
    wanting(factories.context("new"))
    assert tick() == ["new"]
    assert VMSchedule.objects.get().due_why == "first"


def test_without_a_living_worker_nothing_is_started(web):
    factories.SignOfLife.objects.update(seen_at=Now() - timedelta(minutes=1))
    assert tick() == []


def test_a_policy_that_changes_or_a_job_that_ends_makes_a_vm_due_anew(web):
    tick()
    job = ReplicationJob.objects.get(status=JobStatus.PENDING)
    starting.cancel.cancel(job, actor="ops")
    assert tick() == [], "who cancels it does not want it again at once"
    row = VMSchedule.objects.get()
    assert (row.due_why, row.failures_in_a_row) == ("retry", 1)
    assert row.due_at > database_now()
    wanting(web, rpo_kind="none")
    assert tick() == []
    assert VMSchedule.objects.get().due_at is None


def test_hours_of_a_vm_that_change_are_seen(web):
    now = database_now()
    minute = (now.hour * 60 + now.minute + 600) % 1440
    services.set_own(web, {}, (Window(127, minute, (minute + 60) % 1440),), actor="ops")
    assert tick() == []
    assert VMSchedule.objects.get().due_at > now
    services.set_own(web, {}, (), actor="ops")
    assert tick() == ["web"]


def test_a_start_that_has_become_too_late_is_not_made(web):
    settle.tick()
    dates.tick()
    VMSchedule.objects.update(holds_until=Now() - timedelta(seconds=1))
    starting.start_due()
    assert not ReplicationJob.objects.filter(status=JobStatus.PENDING).exists()
    assert dates.stale(database_now(), 10) == [web.pk]


def subjects(web: VMContext) -> dict[str, Subject]:
    policy = services.add("Gold", services.target(60), actor="ops")
    services.assign(policy, Where(ScopeKind.VM, vm_context=web), actor="ops")
    return {
        "all": Subject(PauseKind.ALL),
        "vcenter": Subject(PauseKind.VCENTER, vcenter=web.vcenter),
        "policy": Subject(PauseKind.POLICY, policy=policy),
        "vm": Subject(PauseKind.VM, vm_context=web),
    }


@pytest.mark.parametrize("kind", PauseKind.values)
def test_a_pause_keeps_vms_from_starting_until_it_ends(web, kind):
    subject = subjects(web)[kind]
    other = factories.context("other", keep_in=web.repository)
    wanting(other)
    pause = pauses.pause(subject, until=None, reason="maintenance", actor="ops")
    assert tick() == ([] if kind == "all" else ["other"])
    pauses.end(pause, actor="ops")
    assert "web" in tick()


def test_a_pause_ends_by_time_and_jobs_that_wait_wait_for_it(web):
    tick()
    pause = pauses.pause(Subject("vm", vm_context=web), until=None, reason="", actor="ops")
    assert queue.claim_next() is None
    job = ReplicationJob.objects.filter(status=JobStatus.PENDING)
    job.update(started_at=Now())
    assert queue.runnable().exists(), "one that has begun goes on: its snapshot is there"
    job.update(started_at=None)
    type(pause).objects.update(until=Now() - timedelta(seconds=1))
    assert queue.claim_next() is not None


def test_what_somebody_asks_for_comes_before_the_schedule_and_in_spite_of_a_pause(web):
    tick()
    other = factories.context("other", keep_in=web.repository)
    factories.pending_job(other)
    pauses.pause(Subject("all"), until=None, reason="", actor="ops")
    claimed, _ = queue.claim_next()
    assert claimed.source_vm_name == "other"
    assert queue.claim_next() is None


@pytest.mark.parametrize(
    "change",
    [
        lambda vm: VCenter.objects.update(login_refused_at=Now(), login_refused_why="no"),
        lambda vm: VMContext.objects.update(identity_asked_at=Now()),
        lambda vm: RepositorySign.objects.create(
            repository=vm.repository, host="a", looked_at=Now(), problem="away"
        ),
        lambda vm: VCenterSign.objects.create(
            vcenter=vm.vcenter, host="a", looked_at=Now(), problem="away"
        ),
        lambda vm: pauses.pause(Subject("all"), until=None, reason="", actor="ops"),
    ],
)
def test_what_could_only_fail_or_is_paused_is_not_started_and_takes_no_workers(web, change):
    """First copies get those that all others do not need."""
    settle.tick()
    dates.tick()
    assert candidates.capacity(database_now()).usual_load > 0
    change(web)
    assert tick() == []
    assert candidates.capacity(database_now()).usual_load == 0


def test_whose_identity_is_in_doubt_is_put_off(web, monkeypatch):
    monkeypatch.setattr(starting.start, "start", _refuse)
    assert tick() == []
    row = VMSchedule.objects.get()
    assert row.due_why == "retry"
    assert row.due_at > database_now() + HOUR / 2


def _refuse(*_, **__):
    raise starting.VMGone("It is gone.")


def test_those_most_at_risk_come_first_by_their_priority(slots, tmp_path, monkeypatch):
    monkeypatch.setattr(candidates, "SMALL_BYTES", 1)
    repository = factories.repository(path=tmp_path / "repository")
    at = factories.vcenter()
    names = ("two_of_one", "three_of_two", "first", "low", "high")
    for name in names:
        vm = factories.context(name, at=at, keep_in=repository)
        if name != "first":
            hours = 3 if name == "three_of_two" else 2
            factories.completed_job(vm, consistent_at=timezone.now() - hours * HOUR)
        target = services.target(7200 if name == "three_of_two" else 3600)
        priority = {"priority": name} if name in ("low", "high") else {}
        wanting(vm, **target, **priority)
    settle.tick()
    dates.tick()
    now = database_now()
    found = candidates.due(now, candidates.capacity(now))
    ordered = [VMContext.objects.get(pk=each.context_id).vm_name for each in found]
    assert ordered == ["high", "two_of_one", "three_of_two", "first", "low"]
    assert [each.use.lane for each in found] == ["usual", "usual", "usual", "long", "usual"]


def test_the_database_orders_what_is_due_as_the_simulation_does(slots, tmp_path, monkeypatch):
    """`decide.risk` and `decide.lane`, which the simulation runs, and their SQL."""
    for where in (candidates, decide):
        monkeypatch.setattr(where, "SMALL_BYTES", 1)
    repository = factories.repository(path=tmp_path / "repository")
    at = factories.vcenter()
    random = Random(4)
    for number in range(16):
        vm = factories.context(f"vm-{number}", at=at, keep_in=repository)
        if number % 4:
            age = timedelta(seconds=random.uniform(90, 9000))
            factories.completed_job(vm, consistent_at=timezone.now() - age)
        # The last one is only compared now and then.
        wanted = {"rpo_kind": "none"} if number == 15 else services.target(60 * 2 ** (number % 7))
        wanting(vm, **wanted, priority=random.choice(PolicyPriority.values))
    settle.tick()
    dates.tick()
    now = database_now()
    for pk in VMContext.objects.values_list("pk", flat=True):
        VMSchedule.objects.filter(pk=pk).update(
            due_at=now - timedelta(seconds=random.uniform(0, 900)),
            due_why="target",
            failures_in_a_row=random.choice((0, 0, 1, 2, 5)),
            expected_seconds=random.choice((None, 4.0, 1800.0, 1800.5)),
        )
    found = candidates.due(now, candidates.capacity(now))
    vms = VMContext.objects.select_related("schedule", "effective_policy")
    assert [each.context_id for each in found] == [
        vm.pk for vm in sorted(vms, key=lambda vm: (-_risk(vm, now), vm.pk))
    ]
    lanes = {vm.pk: _lane(vm) for vm in vms}
    assert {each.context_id: each.use.lane for each in found} == lanes
    assert set(lanes.values()) == set(decide.Lane)


def _risk(vm: VMContext, now) -> float:
    return decide.risk(
        vm.newest_recovery_point_at,
        vm.schedule.due_at,
        vm.rpo_target_seconds,
        vm.effective_policy.priority,
        now,
    )


def _lane(vm: VMContext) -> str:
    row = vm.schedule
    first_bytes = vm.capacity_bytes if vm.newest_recovery_point_at is None else None
    return decide.lane(first_bytes, row.expected_seconds, row.failures_in_a_row)


def test_those_of_a_full_vcenter_hide_no_others(slots, monkeypatch):
    """However many of them are more at risk."""
    monkeypatch.setattr(candidates, "MOST_AHEAD", 1)
    factories.contexts([f"full-{number}" for number in range(9)], at=factories.vcenter("full"))
    factories.contexts(["other"], at=factories.vcenter("other"))
    VMContext.objects.exclude(vm_name="other").update(created_at=F("created_at") - HOUR)
    for vm in VMContext.objects.all():
        wanting(vm)
    settle.tick()
    dates.tick()
    now = database_now()
    found = candidates.due(now, candidates.capacity(now))
    names = [VMContext.objects.get(pk=each.context_id).vm_name for each in found]
    assert names == ["full-0", "full-1", "full-2", "full-3", "other"]


def test_jobs_that_wait_for_what_is_away_keep_nobody_from_a_worker(web):
    """Two workers' jobs wait for their next attempts, and for a repository that is away."""
    others = factories.contexts([f"vm-{number}" for number in range(8)], keep_in=web.repository)
    for number, vm in enumerate(others):
        job = factories.pending_job(vm)
        if number % 2:
            type(job).objects.filter(pk=job.pk).update(next_attempt_at=Now() + HOUR)
    waiting = ReplicationJob.objects.filter(status=JobStatus.PENDING, next_attempt_at=None)
    away = factories.repository("away")
    RepositorySign.objects.create(repository=away, host="a", looked_at=Now(), problem="away")
    waiting.update(repository=away)
    stands = {use.stand for use in candidates.capacity(database_now()).active}
    assert stands == {decide.Stand.HELD_UP}
    assert tick() == ["web"]


def test_a_scheduled_job_that_could_not_begin_in_time_is_given_up(web):
    wanting(web, give_up_after_minutes=5)
    tick()
    ReplicationJob.objects.filter(status=JobStatus.PENDING).update(
        created_at=F("created_at") - timedelta(minutes=6)
    )
    factories.pending_job(factories.context("by hand", keep_in=web.repository))
    assert tick() == []
    waiting = ReplicationJob.objects.filter(status=JobStatus.PENDING)
    assert [job.source_vm_name for job in waiting] == ["by hand"]


def test_a_comparison_is_asked_for_when_it_is_time(web):
    wanting(web, compare_every_days=1)
    ReplicationJob.objects.update(
        started_at=F("started_at") - timedelta(days=2),
        created_at=F("created_at") - timedelta(days=2),
        completed_at=F("completed_at") - timedelta(days=2),
    )
    assert tick() == ["web"]
    assert ReplicationJob.objects.get(status=JobStatus.PENDING).requested_sync == "checksum"


def test_after_three_days_without_a_tick_few_are_started_by_a_constant_number_of_statements(slots):
    """However many are due, and each once."""
    few, many = factories.vcenter("few"), factories.vcenter("many")
    factories.contexts(["a", "b"], at=few)
    policy = services.add("Gold", services.target(900), actor="ops")
    for at in (few, many):
        services.assign(policy, Where(ScopeKind.VCENTER, vcenter=at), actor="ops")
    looked = [_looking()]
    factories.contexts(
        [f"vm-{number:03}" for number in range(28)], at=many
    )  # one batch of SQLite's
    VMContext.objects.update(created_at=F("created_at") - timedelta(days=3))
    looked.append(_looking())
    assert looked[0] == looked[1]
    started = tick()
    assert len(started) == len(set(started)) == AHEAD * 4
    assert tick() == []
    assert VMSchedule.objects.count() == 30


def _looking() -> int:
    """How many statements it takes to settle, to work out the dates, and to find what is due."""
    VMSchedule.objects.all().delete()
    settle.settle(settle.stale(1000))
    with CaptureQueriesContext(connection) as captured:
        dates.tick()
        now = database_now()
        candidates.due(now, candidates.capacity(now))
    assert VMSchedule.objects.exists()
    return len(captured)


def test_points_that_go_make_the_next_replication_the_first(web):
    settle.tick()
    dates.tick()
    assert VMSchedule.objects.get().due_why == "target"
    RecoveryPoint.objects.update(state="expired")
    assert dates.stale(database_now(), 10) == [web.pk]
    assert Repository.objects.count() == 1
