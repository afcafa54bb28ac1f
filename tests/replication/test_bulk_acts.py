"""The same act for many VMs by a worker: each VM once, whatever happens to the worker."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from contexts.models import VMContext
from contexts.services import management
from replication import tasks
from replication.errors import BulkEnded, BulkRefused, TooMany
from replication.models import BulkAction, Pause, Policy, PolicyScope, ReplicationJob
from replication.policies import services
from replication.scheduler import tick
from replication.services import bulk_acts
from replication.services.bulk_acts import Arguments
from replication.states import BulkItemState, BulkKind, JobStatus
from tests import factories
from tests.at_once import locking, on_its_own, on_postgresql, stuck

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def hints(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sent: list[str] = []
    monkeypatch.setattr("contexts.messages.send", lambda *message: None)
    monkeypatch.setattr("replication.messages.send", lambda name, *_: sent.append(name))
    return sent


@pytest.fixture
def vms(db: None) -> list[VMContext]:
    return factories.contexts(f"vm{number}" for number in range(4))


def ask(kind: str, **arguments: object) -> BulkAction:
    return bulk_acts.ask(
        kind, VMContext.objects.all(), Arguments(**arguments), trigger="manual", actor="ops"
    )


def told(action: BulkAction) -> tuple[str, int, int]:
    action.refresh_from_db()
    for state, count in (("done", action.done), ("refused", action.refused)):
        assert action.items.filter(state=state).count() == count
    return action.state, action.done, action.refused


def reasons(action: BulkAction) -> list[str]:
    refused = action.items.filter(state=BulkItemState.REFUSED)
    return list(refused.order_by("vm_context__vm_name").values_list("why", flat=True))


def test_every_act_does_what_it_does_for_one_vm_and_names_whom_it_refuses(vms):
    """Of each kind there is an act for all VMs, and one that refuses one of them."""
    gold = services.add("Gold", services.target(900), actor="x")
    until = timezone.now() + timedelta(hours=1)

    def done(kind: str, **arguments: object) -> list[str]:
        action = ask(kind, **arguments)
        assert bulk_acts.run_next() is False
        assert told(action) == ("ended", 4 - len(reasons(action)), len(reasons(action)))
        return reasons(action)

    assert done(BulkKind.POLICY, policy=gold) == []
    assert PolicyScope.objects.filter(policy=gold, created_by="ops").count() == 4
    assert set(VMContext.objects.values_list("rpo_target_seconds", flat=True)) == {900}
    services.give(vms[1], None, actor="x")
    assert done(BulkKind.PAUSE, until=until, reason="move") == []
    assert set(Pause.objects.values_list("reason", "until", "paused_by")) == {
        ("move", until, "ops")
    }
    Pause.objects.filter(vm_context=vms[2]).update(ended_at=Now(), ended_by="x")
    assert done(BulkKind.RESUME) == ["vm2 itself is not paused."]
    assert not Pause.objects.filter(ended_at__isnull=True).exists()
    there = factories.repository("there")
    assert done(BulkKind.REPOSITORY, repository=there) == []
    assert set(VMContext.objects.values_list("repository", flat=True)) == {there.pk}
    running = factories.running_job(vms[3])
    assert done(BulkKind.COPY_IN_FULL) == [f"vm3 is already being replicated by {running.pk}."]
    jobs = ReplicationJob.objects.exclude(pk=running.pk)
    assert {(job.requested_sync, job.requested_by) for job in jobs} == {("initial", "ops")}
    assert done(BulkKind.CANCEL) == []
    assert jobs.filter(status=JobStatus.CANCELLED).count() == 3
    assert "vm3 is being replicated" in done(BulkKind.REMOVE)[0]
    assert VMContext.objects.filter(unmanaged_at__isnull=False).count() == 3
    assert [why[:3] for why in done(BulkKind.REPLICATE)] == ["vm0", "vm1", "vm2", "vm3"]
    assert done(BulkKind.POLICY)[0].startswith("vm0 is not under management")
    assert set(bulk_acts.ACTS) == set(BulkKind)


def test_the_vms_are_those_of_the_moment_when_it_was_asked_for(
    vms, hints, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        action = ask(BulkKind.PAUSE)
    assert hints == ["replication.tasks.act_in_bulk"]
    late = factories.context("late")
    tasks.act_in_bulk()
    assert told(action) == ("ended", 4, 0)
    assert not Pause.objects.filter(vm_context=late).exists()
    assert bulk_acts.run_next() is False


def test_a_worker_that_dies_leaves_each_vm_done_or_not_and_another_goes_on(vms, hints, monkeypatch):
    """Killed in the middle of a VM: its transaction is rolled back, its claim stays a while."""
    seen: list[str] = []
    act = bulk_acts.ACTS[BulkKind.REPLICATE]

    def dies(context: VMContext, action: BulkAction) -> None:
        seen.append(context.pk)
        act(context, action)
        if len(seen) == 3:
            raise KeyboardInterrupt

    monkeypatch.setitem(bulk_acts.ACTS, BulkKind.REPLICATE, dies)
    action = ask(BulkKind.REPLICATE)
    with pytest.raises(KeyboardInterrupt):
        bulk_acts.run_next()
    assert told(action) == ("running", 2, 0)
    assert ReplicationJob.objects.count() == 2
    assert bulk_acts.run_next() is False, "it may still live"
    hints.clear()
    tick.bulk_acts.pick_up_forgotten()
    assert hints == []
    BulkAction.objects.update(claimed_until=Now() - timedelta(seconds=1))
    tick.bulk_acts.pick_up_forgotten()
    assert hints == ["replication.tasks.act_in_bulk"]
    tasks.act_in_bulk()
    assert told(action) == ("ended", 4, 0)
    assert list(VMContext.objects.values_list("total_jobs_run", flat=True)) == [1] * 4


def test_what_takes_longer_than_a_turn_goes_on_in_the_next(vms, hints, monkeypatch):
    action = ask(BulkKind.PAUSE)
    hints.clear()
    monkeypatch.setattr(bulk_acts, "TURN_SECONDS", 0.0)
    tasks.act_in_bulk()
    assert (told(action), hints) == (("running", 0, 0), ["replication.tasks.act_in_bulk"])
    monkeypatch.setattr(bulk_acts, "TURN_SECONDS", 60.0)
    tasks.act_in_bulk()
    assert (told(action), len(hints)) == (("ended", 4, 0), 1)


def test_once_cancelled_it_touches_no_further_vm(vms, monkeypatch):
    do = bulk_acts._do

    def then_cancelled(item: object, action: BulkAction) -> bool:
        went_on = do(item, action)
        bulk_acts.cancel(action, actor="boss")
        return went_on

    action = ask(BulkKind.PAUSE)
    monkeypatch.setattr(bulk_acts, "_do", then_cancelled)
    assert bulk_acts.run_next() is False
    assert told(action) == ("cancelled", 1, 0)
    assert (action.cancelled_by, action.left) == ("boss", 3)
    assert Pause.objects.count() == 1
    with pytest.raises(BulkEnded, match="is over \\(cancelled\\)"):
        bulk_acts.cancel(action, actor="boss")
    assert bulk_acts.run_next() is False


def test_a_fault_of_vmrep_itself_costs_one_vm_and_is_not_hidden(vms, monkeypatch):
    def breaks(context: VMContext, _: BulkAction) -> None:
        management.release(context, actor="x")
        if context.vm_name == "vm1":
            raise RuntimeError("a bug")

    monkeypatch.setitem(bulk_acts.ACTS, BulkKind.REMOVE, breaks)
    action = ask(BulkKind.REMOVE)
    with pytest.raises(ExceptionGroup, match="1 VM failed"):
        bulk_acts.run_next()
    assert told(action) == ("ended", 3, 1)
    assert reasons(action) == ["vmrep itself failed, and its log says where: RuntimeError('a bug')"]
    assert VMContext.objects.get(vm_name="vm1").is_managed


def test_a_policy_that_is_removed_meanwhile_is_not_taken_for_none(vms):
    gold = services.add("Gold", {}, actor="x")
    action = ask(BulkKind.POLICY, policy=gold)
    services.remove(gold, actor="x")
    bulk_acts.run_next()
    assert told(action) == ("ended", 0, 4)
    assert set(reasons(action)) == {"Policy Gold was removed meanwhile."}


def test_a_policy_that_is_removed_during_a_turn_is_named_too(vms, monkeypatch):
    gold = services.add("Gold", {}, actor="x")
    give, given = bulk_acts.ACTS[BulkKind.POLICY], list[str]()

    def then_removed(context: VMContext, action: BulkAction) -> None:
        if given:
            PolicyScope.objects.filter(policy=gold).delete()
            Policy.objects.filter(pk=gold.pk).delete()
        given.append(context.pk)
        give(context, action)

    monkeypatch.setitem(bulk_acts.ACTS, BulkKind.POLICY, then_removed)
    action = ask(BulkKind.POLICY, policy=gold)
    bulk_acts.run_next()
    assert told(action) == ("ended", 1, 3)
    assert set(reasons(action)) == {"Policy Gold was removed meanwhile."}


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_vm_whose_row_is_held_waits_behind_the_others(vms, hints):
    action = ask(BulkKind.PAUSE)
    first = action.items.order_by("pk")[0]
    with stuck(locking(VMContext, first.vm_context_id)):
        assert on_its_own(bulk_acts.run_next) is True
        assert told(action) == ("running", 3, 0)
        assert action.items.get(state=BulkItemState.WAITING) == first
    assert on_its_own(bulk_acts.run_next) is False
    assert told(action) == ("ended", 4, 0)


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_each_turn_begins_with_the_vm_that_was_waited_for_least(vms, hints, monkeypatch):
    """However many rows are held, the others get their turn."""
    action = ask(BulkKind.PAUSE)
    first, second, third, _ = action.items.order_by("pk")
    monkeypatch.setattr(bulk_acts, "TURN_SECONDS", 0.5)  # over after one wait
    with (
        stuck(locking(VMContext, first.vm_context_id)),
        stuck(locking(VMContext, second.vm_context_id)),
    ):
        for _turn in range(3):
            assert on_its_own(bulk_acts.run_next) is True
        assert action.items.get(pk=third.pk).state == BulkItemState.DONE
    monkeypatch.setattr(bulk_acts, "TURN_SECONDS", 60.0)
    assert on_its_own(bulk_acts.run_next) is False
    assert told(action) == ("ended", 4, 0)


def test_what_cannot_be_meant_is_refused(vms, monkeypatch):
    gold = services.add("Gold", {}, actor="x")
    for kind, arguments in (
        ("odd", {}),
        (BulkKind.REPOSITORY, {}),
        (BulkKind.REPLICATE, {"policy": gold}),
        (BulkKind.REMOVE, {"reason": "x"}),
        (BulkKind.PAUSE, {"repository": factories.repository()}),
    ):
        with pytest.raises(BulkRefused):
            ask(kind, **arguments)
    monkeypatch.setattr(bulk_acts, "MOST", 3)
    with pytest.raises(TooMany, match="More than 3 VMs match"):
        ask(BulkKind.PAUSE)
    VMContext.objects.all().update(unmanaged_at=Now())
    with pytest.raises(BulkRefused, match="No VM matches"):
        bulk_acts.ask(
            BulkKind.PAUSE,
            VMContext.objects.filter(unmanaged_at__isnull=True),
            Arguments(),
            trigger="manual",
            actor="ops",
        )
    assert not BulkAction.objects.exists()


def test_old_ones_are_forgotten(vms):
    action = ask(BulkKind.PAUSE)
    bulk_acts.run_next()
    tick.bulk_acts.pick_up_forgotten()
    assert BulkAction.objects.get() == action
    BulkAction.objects.update(ended_at=Now() - timedelta(days=91))
    tick.bulk_acts.pick_up_forgotten()
    assert not BulkAction.objects.exists()
