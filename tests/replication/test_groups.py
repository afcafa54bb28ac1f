"""Which snapshots were taken together, and what a group's members may be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from replication.errors import GroupRefused
from replication.models import GroupRun, GroupRunMember, ReplicationJob
from replication.models.groups import MOST_MEMBERS
from replication.services import group_runs, groups, old_jobs, queue, together
from replication.states import GroupMemberState, GroupRunState, JobStatus
from tests import factories

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
