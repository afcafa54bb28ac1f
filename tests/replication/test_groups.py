"""Which snapshots were taken together, and what a group's members may be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models.functions import Now

from replication.errors import GroupRefused
from replication.models import GroupRun, GroupRunMember, Occurrence, ReplicationJob
from replication.models.groups import MOST_MEMBERS
from replication.services import group_runs, groups, old_jobs, pauses, queue, together
from replication.services.pauses import Subject
from replication.states import GroupMemberState, GroupRunState, JobStatus, PauseKind
from tests import factories
from tests.at_once import at_once, on_postgresql

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


def at(*seconds: float) -> dict[int, datetime]:
    return {number: NOON + timedelta(seconds=each) for number, each in enumerate(seconds)}


@pytest.mark.parametrize(
    ("seconds", "keys", "spread"),
    [
        ((0, 1, 2), {0, 1, 2}, 2.0),
        ((0, 10), {0, 1}, 10.0),
        ((0, 10.5), set(), None),
        ((60, 0, 61, 62), {0, 2, 3}, 2.0),
        ((0, 1, 60, 61), {0, 1}, 1.0),
        ((0, 8, 16), {0, 1}, 8.0),
        ((5,), {0}, None),
        ((), set(), None),
    ],
)
def test_as_many_as_were_taken_within_ten_seconds_are_together(seconds, keys, spread):
    times = at(*seconds)
    assert together.together(times) == keys
    near = {key: times[key] for key in keys}
    assert together.spread_seconds(near) == spread


@pytest.mark.django_db
def test_a_group_has_so_many_members_and_each_of_one_group(db):
    vms = factories.contexts([f"vm-{n}" for n in range(MOST_MEMBERS + 1)], at=factories.vcenter())
    group = factories.group("Shop", *vms[:MOST_MEMBERS])
    with pytest.raises(GroupRefused, match="no group can have more"):
        groups.add_member(group, vms[-1], actor="ops")
    with pytest.raises(GroupRefused, match="is in the group “Shop” already"):
        groups.add_member(factories.group("Other"), vms[0], actor="ops")
    events = vms[0].events.values_list("why", flat=True)
    assert "added to the group “Shop”" in list(events)


@pytest.mark.django_db
def test_jobs_that_were_cancelled_before_anybody_gathered_them_end_the_run(db):
    vms = factories.contexts(["app", "db"], at=factories.vcenter())
    run = group_runs.begin(factories.group("Shop", *vms), trigger="manual", requested_by="ops")
    assert queue.runnable().count() == 0
    assert group_runs.cancel_jobs(run, actor="ops") == 2
    assert group_runs.claim_next() is None
    group_runs.settle()
    run.refresh_from_db()
    assert run.state == GroupRunState.ENDED
    states = set(run.members.values_list("state", "why"))
    assert states == {(GroupMemberState.MISSING, "Cancelled")}


@pytest.mark.django_db
def test_a_repository_that_is_away_holds_a_run_up_only_for_a_while(db, tmp_path, monkeypatch):
    vcenter = factories.vcenter()
    here, away = factories.repository(path=tmp_path / "here"), factories.repository()
    app = factories.context("app", at=vcenter, keep_in=here)
    db_vm = factories.context("db", at=vcenter, keep_in=away)
    run = group_runs.begin(
        factories.group("Shop", app, db_vm), trigger="manual", requested_by="ops"
    )
    assert group_runs.claim_next() is None, "it may come back"
    monkeypatch.setattr(group_runs, "GATHER_SECONDS", 0.0)
    gathering = group_runs.claim_next()
    assert [job.source_vm_name for job, _ in gathering.jobs] == ["app"]
    left = run.members.get(vm_context=db_vm)
    assert left.state == GroupMemberState.GOING
    assert "Its repository could not be used" in left.why
    assert [job.source_vm_name for job in queue.runnable()] == ["db"]


@pytest.fixture
def make(db, tmp_path):
    """A group of so many VMs, whose run waits for a worker."""
    at, where = factories.vcenter(), factories.repository(path=tmp_path / "here")

    def begin(*names: str, trigger: str = "manual") -> GroupRun:
        vms = factories.contexts(names, at=at, keep_in=where)
        return group_runs.begin(
            factories.group(names[0], *vms), trigger=trigger, requested_by="ops"
        )

    return begin


def test_a_run_that_one_vm_keeps_gathering_goes_on_without_it(make):
    """As when vSphere takes half an hour to make its snapshot; its worker lives."""
    run = make("app", "db")
    gathering = group_runs.claim_next()
    (_, of_app), (slow, of_slow) = gathering.jobs
    factories.finish.go_alone(gathering.jobs[0][0].pk, lease=of_app)
    group_runs.let_go(gathering, gathering.jobs[0][0].pk)
    group_runs.leases.release(of_app)
    group_runs.settle()
    run.refresh_from_db()
    assert run.state == GroupRunState.GATHERING
    GroupRun.objects.update(updated_at=Now() - timedelta(seconds=group_runs.LONGEST_SECONDS + 1))
    group_runs.settle()
    run.refresh_from_db()
    assert (run.state, run.problem) == (GroupRunState.COPYING, "")
    assert slow.pk not in {job.pk for job in queue.runnable()}, "its worker is still at it"
    factories.finish.go_alone(slow.pk, lease=of_slow)
    group_runs.let_go(gathering, slow.pk)
    group_runs.leases.release(of_slow)
    group_runs.gathered(gathering)
    assert queue.runnable().count() == 2
    run.refresh_from_db()
    assert run.state == GroupRunState.COPYING


def test_a_pause_keeps_scheduled_vms_from_being_gathered(make):
    run = make("app", "db", trigger="schedule")
    paused = run.members.get(vm_context__vm_name="app")
    pauses.pause(
        Subject(PauseKind.VM, vm_context=paused.vm_context), until=None, reason="", actor="ops"
    )
    everything = pauses.pause(Subject(PauseKind.ALL), until=None, reason="", actor="ops")
    GroupRun.objects.update(waits_since=NOON - timedelta(days=1))
    assert group_runs.claim_next() is None, "all of it waits, however long the pause is"
    GroupRun.objects.update(waits_since=Now())
    pauses.end(everything, actor="ops")
    gathering = group_runs.claim_next()
    assert [job.source_vm_name for job, _ in gathering.jobs] == ["db"], "it is not waited for"
    paused.refresh_from_db()
    assert (paused.state, paused.why) == (GroupMemberState.GOING, "It was paused.")
    assert paused.job.started_at is None
    by_hand = make("web")
    pauses.pause(Subject(PauseKind.ALL), until=None, reason="", actor="ops")
    assert group_runs.claim_next().run_id == by_hand.pk, "somebody asked for it"


def test_workers_gather_so_many_vms_at_once_and_none_is_overtaken(make, monkeypatch):
    monkeypatch.setattr(group_runs, "MOST_AT_ONCE", 3)
    runs = [make("a", "b"), make("c", "d"), make("e")]
    first = group_runs.claim_next()
    assert first.run_id == runs[0].pk
    assert queue.busy_workers() == 1, "one gathers both"
    assert group_runs.claim_next() is None
    group_runs.gathered(first)
    assert group_runs.claim_next().run_id == runs[1].pk
    assert group_runs.claim_next().run_id == runs[2].pk


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_the_same_moment_gather_no_more_together(make, monkeypatch):
    monkeypatch.setattr(group_runs, "MOST_AT_ONCE", 3)
    make("a", "b")
    make("c", "d")
    claimed = at_once(group_runs.claim_next, group_runs.claim_next)
    assert len([each for each in claimed if each is not None]) == 1


@pytest.mark.django_db
def test_old_jobs_take_runs_with_them_but_not_open_ones(db):
    vm = factories.context("app")
    group = factories.group("Shop", vm)
    factories.group_run(group, None)
    opened = group_runs.begin(group, trigger="manual", requested_by="ops")
    job = ReplicationJob.objects.get(status=JobStatus.PENDING)
    factories.finish.failed(job.pk, "x")
    outcome = old_jobs.delete_old_jobs(timedelta(0))
    assert outcome.deleted == 1
    assert list(GroupRun.objects.all()) == [opened]
    group_runs.settle()
    old_jobs.delete_old_jobs(timedelta(0))
    assert not GroupRunMember.objects.exists()


@pytest.mark.any_database
def test_that_a_group_is_not_consistent_is_told_once_until_it_is_again(db):
    first, second = factories.contexts(["db-01", "web-01"], at=factories.vcenter())
    group = factories.group("Shop", first, second)
    for seconds in (
        (0, 1),
        (0, None),
        (0, 90),
        (None, None),
        (None, None),
        (0, 2),
        (0, 1),
        (0, 50),
    ):
        factories.group_run(group, *seconds)
    told = [
        (each.kind, each.vcenter_id)
        for each in Occurrence.objects.filter(kind__startswith="group").order_by("pk")
    ]
    kinds = ("group_apart", "group_failed", "group_recovered", "group_apart")
    assert told == [(kind, first.vcenter_id) for kind in kinds]
    (words, *_) = Occurrence.objects.filter(kind="group_apart").values_list("what", flat=True)
    assert "group “Shop”" in words
    assert "web-01" in words


@pytest.mark.any_database
def test_a_run_that_somebody_cancelled_is_told_to_nobody(db):
    group = factories.group("Shop", factories.context("db-01"))
    run = group_runs.begin(group, trigger="manual", requested_by="ops")
    group_runs.cancel_jobs(run, actor="ops")
    group_runs.settle()
    group_runs.settle()
    assert GroupRun.objects.get().state == GroupRunState.ENDED
    assert not Occurrence.objects.filter(kind__startswith="group").exists()
