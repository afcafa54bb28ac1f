"""What the tick foretells, and why it passes VMs over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contexts.clock import database_now
from contexts.models import VCenter, VMContext
from replication.models import (
    Occurrence,
    Pause,
    ProtectionSpell,
    ReplicationJob,
    RepositorySign,
    VCenterSign,
    VMSchedule,
)
from replication.policies import services, settle
from replication.policies.services import Where
from replication.scheduler import candidates, dates, outlook, spells
from replication.scheduler.foresight import NEVER, Outlook, breach_expected_at, outage_ends_at
from replication.scheduler.hindrances import VM, Hindrances
from replication.services import limits, pauses
from replication.services.pauses import Subject
from replication.states import ScopeKind
from tests import factories

pytestmark = pytest.mark.django_db
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def web(tmp_path) -> VMContext:
    """Within its target of an hour, for 20 minutes more."""
    factories.sign_of_life("worker", "copies", slots=4)
    return protected("web", keep_in=factories.repository(path=tmp_path / "repository"))


def protected(name: str, *, minutes_left: int = 20, **how) -> VMContext:
    vm = factories.context(name, **how)
    factories.completed_job(vm, consistent_at=timezone.now() - (60 - minutes_left) * MINUTE)
    services.set_own(vm, services.target(3600), actor="ops")
    vm.refresh_from_db()
    return vm


def tick() -> None:
    settle.tick()
    dates.tick()
    spells.turn()
    outlook.look_ahead()


def told() -> list[str]:
    return list(Occurrence.objects.order_by("pk").values_list("what", flat=True))


def row(vm: VMContext) -> VMSchedule:
    return VMSchedule.objects.get(pk=vm.pk)


def test_a_breach_is_foretold_once_and_taken_back_when_it_will_not_come(web):
    tick()
    assert row(web).breach_expected_at is None
    pause = pauses.pause(Subject("vm", vm_context=web), until=None, reason="", actor="ops")
    tick()
    tick()
    foretold = row(web)
    assert foretold.breach_expected_at == foretold.breaks_at == web.newest_recovery_point_at + HOUR
    assert foretold.breach_why == "it is paused by ops until somebody ends it"
    (what,) = told()
    assert what.startswith("web is expected to go over its RPO target of 1 h at 20")
    assert what.endswith(": it is paused by ops until somebody ends it.")
    assert Occurrence.objects.get().kind == "over_target_expected"
    spell = ProtectionSpell.objects.get(ended_at=None)
    assert spell.state == "protected"
    assert spell.foretold_at is not None

    pauses.end(pause, actor="ops")
    tick()
    assert (row(web).breach_expected_at, row(web).breach_why) == (None, "")
    pauses.pause(Subject("all"), until=None, reason="", actor="ops")
    tick()
    assert len(told()) == 1, "of one danger"
    assert row(web).breach_why == "all VMs are paused by ops until somebody ends it"


def test_another_danger_is_told_of_when_the_first_has_passed_but_not_twice_a_day(web):
    pauses.pause(Subject("all"), until=None, reason="", actor="ops")
    tick()
    ProtectionSpell.objects.update(foretold_at=F("foretold_at") - 2 * HOUR)
    factories.completed_job(web, consistent_at=timezone.now() - 30 * MINUTE)
    tick()
    assert len(told()) == 1
    ProtectionSpell.objects.update(foretold_at=F("foretold_at") - timedelta(days=1))
    VMSchedule.objects.update(breach_expected_at=None, breach_why="")
    tick()
    assert len(told()) == 2


def test_what_is_over_its_target_is_not_expected_to_be(web):
    pauses.pause(Subject("all"), until=None, reason="", actor="ops")
    tick()
    factories.RecoveryPoint.objects.update(consistent_at=timezone.now() - 2 * HOUR)
    tick()
    assert row(web).breach_expected_at is None
    assert [each.kind for each in Occurrence.objects.order_by("pk")] == [
        "over_target_expected",
        "over_target",
    ]


def test_a_job_that_begins_its_next_attempt_too_late_is_told_of(web):
    """It rests for longer than the target is still kept."""
    job = factories.pending_job(web)
    tick()
    assert row(web).breach_expected_at is None
    for minutes, is_late in ((10, False), (25, True)):
        ReplicationJob.objects.filter(pk=job.pk).update(next_attempt_at=Now() + minutes * MINUTE)
        outlook.look_ahead()
        assert (row(web).breach_expected_at is not None) == is_late
    assert row(web).breach_why == "its replication waits for too long"


def test_an_outage_holds_up_a_job_that_has_begun_or_was_asked_for_and_a_pause_does_not(web):
    factories.pending_job(web)
    pauses.pause(Subject("all"), until=None, reason="", actor="ops")
    tick()
    assert row(web).breach_why == ""
    _long_outage(web)
    tick()
    assert row(web).breach_why == f"vCenter {web.vcenter.name} does not answer"


def test_a_target_that_cannot_be_kept_is_told_with_its_figures(web):
    tick()
    VMSchedule.objects.update(
        changed_per_second=5 << 20,
        bytes_per_second=40 << 20,
        overhead_seconds=3000,
        wait_seconds=1,
        latest_start_at=Now(),
        due_at=Now() + 5 * MINUTE,
    )
    outlook.look_ahead()
    assert row(web).breach_why.startswith("1 h cannot be kept: 17.6 GiB/h at 40 MiB/s needs 1 h 54")


def _short_outage(vm: VMContext) -> None:
    seen = {"vcenter": vm.vcenter, "host": "a", "problem": "No route."}
    VCenterSign.objects.create(**seen, looked_at=Now(), reached_at=Now() - MINUTE)


def _long_outage(vm: VMContext) -> None:
    seen = {"vcenter": vm.vcenter, "host": "a", "problem": "No route."}
    VCenterSign.objects.create(**seen, looked_at=Now(), reached_at=Now() - 3 * MINUTE)


def _fails(vm: VMContext) -> None:
    for _ in range(2):
        factories.failed_job(vm)
    ReplicationJob.objects.filter(status="failed").update(
        completed_at=F("completed_at") - 30 * MINUTE
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_short_outage, ""),
        (_long_outage, "vCenter {vcenter} does not answer"),
        (_fails, "its last replications have failed"),
        (
            lambda vm: VCenter.objects.update(login_refused_at=Now(), login_refused_why="no"),
            "vCenter {vcenter} refused the password",
        ),
        (
            lambda vm: VMContext.objects.update(identity_asked_at=Now()),
            "its vCenter was rebuilt: somebody has to confirm that it is the same VM",
        ),
        (
            lambda vm: factories.SignOfLife.objects.update(seen_at=Now() - 3 * MINUTE),
            "no worker that copies is alive",
        ),
        (
            lambda vm: factories.running_job(vm, total_bytes=10**12, transfer_speed_bps=1000),
            "its replication takes too long",
        ),
        (lambda vm: factories.running_job(vm), ""),
    ],
)
def test_what_stands_in_the_way_makes_a_breach_expected_if_it_lasts(web, change, why):
    change(web)
    tick()
    assert row(web).breach_why == why.format(vcenter=web.vcenter.name)
    assert len(told()) - ReplicationJob.objects.filter(status="failed").count() == bool(why)


def test_a_worker_that_starts_a_moment_after_the_tick_was_not_away_all_night(web):
    """All VMs were expected to go over their targets whenever vmrep was started."""
    factories.SignOfLife.objects.update(seen_at=Now() - 8 * HOUR)
    tick_worker = factories.sign_of_life("worker", "tick")
    for started, told_of in ((MINUTE / 30, False), (10 * MINUTE, True)):
        factories.SignOfLife.objects.filter(pk=tick_worker.pk).update(started_at=Now() - started)
        tick()
        assert (row(web).breach_expected_at is not None) == told_of


def test_it_is_the_same_in_sql_and_for_each_vm_alone(web):
    """All of one estate with everything in it."""
    now = database_now()
    others = [
        protected(f"vm-{left}", minutes_left=left, at=web.vcenter, keep_in=web.repository)
        for left in (1, 3, 5, 30, 59, -5)
    ]
    away = protected("away", minutes_left=4)
    seen = {"host": "a", "looked_at": Now(), "problem": "No."}
    VCenterSign.objects.create(vcenter=away.vcenter, reached_at=now - MINUTE, **seen)
    elsewhere = protected("elsewhere", minutes_left=12)
    RepositorySign.objects.create(
        repository=elsewhere.repository, reached_at=now - 2 * MINUTE, **seen
    )
    policy = services.add("Gold", services.target(7200), actor="ops")
    services.assign(policy, Where(ScopeKind.VM, vm_context=others[3]), actor="ops")
    pauses.pause(Subject("policy", policy=policy), until=now + 2 * HOUR, reason="", actor="ops")
    pauses.pause(
        Subject("vm", vm_context=others[4]), until=now + 10 * MINUTE, reason="", actor="ops"
    )
    settle.tick()
    dates.tick()
    VMSchedule.objects.filter(pk__in=[vm.pk for vm in others[:3]]).update(due_at=now + 4 * MINUTE)
    outlook.look_ahead()
    found = {each.pk: each.breach_expected_at for each in VMSchedule.objects.all()}
    now = database_now()
    hindrances = Hindrances(now)
    expected = {}
    for vm in VMContext.objects.select_related("schedule", "effective_policy"):
        facts = VM(vm.pk, vm.vcenter_id, vm.repository_id, vm.effective_policy.policy_id)
        held = hindrances.of_vm(facts)
        alone = Outlook(
            vm.schedule.breaks_at,
            vm.schedule.latest_start_at,
            vm.schedule.usual_start_at,
            vm.schedule.due_at,
            held and held.until,
        )
        expected[vm.pk] = breach_expected_at(alone, now)
    assert found == expected
    assert 3 <= sum(at is not None for at in found.values()) < len(found) - 2


def test_those_that_are_passed_over_know_why(web):
    """And those who wait for workers that are busy for long are expected to go over their
    targets."""
    other = protected("other", minutes_left=10)
    VMSchedule.objects.all().delete()
    settle.tick()
    dates.tick()
    VMSchedule.objects.update(due_at=Now() - MINUTE)
    outlook.look_ahead()
    assert row(web).held_up == "", "there is room: the next tick starts it"
    limits.set_limit(candidates.limits.vcenter_jobs(web.vcenter_id), 1, actor="ops")
    for name in ("a", "b"):
        busy = factories.context(name, at=web.vcenter, keep_in=web.repository)
        factories.running_job(busy, total_bytes=10**12, transfer_speed_bps=1000)
    outlook.look_ahead()
    assert row(web).held_up == f"vCenter {web.vcenter.name} has as many jobs as it may"
    assert row(web).breach_why == row(web).held_up
    assert (row(other).held_up, row(other).breach_expected_at) == ("", None)
    factories.sign_of_life("worker", "copies", slots=1)
    outlook.look_ahead()
    assert row(other).held_up == outlook.BUSY
    RepositorySign.objects.create(
        repository=other.repository, host="a", looked_at=Now(), problem="away"
    )
    outlook.look_ahead()
    assert row(other).held_up == f"no worker can use the repository {other.repository.name}"
    ReplicationJob.objects.filter(status="running").update(status="pending")
    RepositorySign.objects.all().delete()
    VMSchedule.objects.update(due_at=Now() + HOUR)
    outlook.look_ahead()
    assert not VMSchedule.objects.exclude(held_up="").exists()


def test_as_many_statements_with_many_vms(web):
    policy = services.add("Gold", services.target(900), actor="ops")
    services.assign(policy, Where(ScopeKind.VCENTER, vcenter=web.vcenter), actor="ops")

    def count() -> int:
        tick()
        with CaptureQueriesContext(connection) as captured:
            outlook.look_ahead()
        return len(captured)

    few = count()
    for name in ("b", "c", "d"):
        protected(name, at=web.vcenter, keep_in=web.repository)
    factories.contexts([f"vm-{n}" for n in range(20)], at=web.vcenter, keep_in=web.repository)
    assert count() == few
    Pause.objects.create(kind="all", paused_by="ops")
    with CaptureQueriesContext(connection) as captured:
        outlook.look_ahead()
    assert len(captured) <= few + 15
    assert VMSchedule.objects.exclude(breach_expected_at=None).count() == 4


def test_never_is_later_than_any_outage():
    assert outage_ends_at(None, database_now()) == NEVER
