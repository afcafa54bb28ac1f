"""A group is due with its most urgent member, and is started as one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from contexts.clock import database_now
from contexts.models import DiscoveredVM, VMContext
from replication.models import GroupRun, RecoveryPoint, ReplicationJob, VMGroup, VMSchedule
from replication.policies import services, settle
from replication.policies.checking import Window
from replication.scheduler import candidates, dates, starting
from replication.scheduler import groups as scheduled
from replication.scheduler.decide import SMALL_BYTES, Stand
from replication.services import finish, group_runs, groups, pauses, queue, start
from replication.services.pauses import Subject
from replication.states import DueWhy, GroupRunState, PauseKind, RPOKind, SyncRequest
from tests import factories
from tests.at_once import locking, on_its_own, on_postgresql, stuck
from tests.factories import LOOKS

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def vms(tmp_path) -> dict[str, VMContext]:
    """Only web is due: its recovery point is two hours old, the others' of now; targets of one."""
    factories.sign_of_life("worker", "copies", slots=4)
    where = factories.repository(path=tmp_path / "repository")
    vcenter = factories.vcenter()
    made = {}
    for name in ("web", "app", "db"):
        looks = LOOKS if name == "web" else {}
        made[name] = factories.context(name, at=vcenter, keep_in=where, **looks)
        age = 2 * HOUR if name == "web" else timedelta()
        factories.completed_job(made[name], consistent_at=timezone.now() - age)
        services.set_own(made[name], services.target(3600), actor="ops")
    return made


@pytest.fixture
def shop(vms) -> VMGroup:
    made = groups.add("Shop", actor="ops")
    for vm in vms.values():
        groups.add_member(made, vm, actor="ops")
    return made


def tick() -> list[str]:
    """The names of the VMs for which it starts a job."""
    before = set(ReplicationJob.objects.values_list("pk", flat=True))
    settle.tick()
    dates.tick()
    starting.start_due()
    started = ReplicationJob.objects.exclude(pk__in=before)
    return sorted(started.values_list("source_vm_name", flat=True))


def missing(run: GroupRun) -> dict[str, str]:
    rows = run.members.filter(job=None).select_related("vm_context")
    return {row.vm_context.vm_name: row.why for row in rows}


def another_may_be(vm: VMContext) -> None:
    """It is gone from its vCenter, where another one looks like it."""
    DiscoveredVM.objects.filter(vmware_vm_id=vm.vmware_vm_id).update(gone_at=Now())
    factories.discovered_vm(vm.vm_name, at=vm.vcenter, **LOOKS)


def end_all() -> None:
    for job in ReplicationJob.objects.filter(completed_at=None):
        starting.cancel.cancel(job, actor="ops")


@pytest.mark.any_database
def test_all_are_started_when_one_is_due_and_only_once(shop):
    assert tick() == ["app", "db", "web"]
    run = GroupRun.objects.get()
    assert (run.trigger, run.requested_by, missing(run)) == ("schedule", "schedule", {})
    assert not queue.runnable().exists(), "none of them begins alone"
    assert tick() == []


def test_two_members_that_are_due_start_their_group_once(shop, vms):
    settle.tick()
    dates.tick()
    VMSchedule.objects.update(due_at=Now() - HOUR)
    starting.start_due()
    assert GroupRun.objects.count() == 1
    assert ReplicationJob.objects.filter(completed_at=None).count() == 3


def test_who_is_paused_or_may_not_start_at_this_hour_is_not_in_the_run(shop, vms):
    pauses.pause(Subject(PauseKind.VM, vm_context=vms["app"]), until=None, reason="", actor="ops")
    now = database_now()
    minute = (now.hour * 60 + now.minute + 600) % 1440
    closed = (Window(127, minute, (minute + 60) % 1440),)
    services.set_own(vms["db"], {}, closed, actor="ops")
    assert tick() == ["web"]
    assert missing(GroupRun.objects.get()) == {
        "app": "It is paused.",
        "db": "Its policy does not let it start at this hour.",
    }


def test_who_cannot_be_started_does_not_make_its_group_run_again_and_again(shop, vms):
    """Web is due, and gone from its vCenter: another VM there may be it."""
    another_may_be(vms["web"])
    assert tick() == ["app", "db"]
    assert "probably the same VM" in missing(GroupRun.objects.get())["web"]
    schedule = VMSchedule.objects.get(vm_context=vms["web"])
    assert (schedule.due_why, schedule.due_at > database_now()) == (DueWhy.RETRY, True)
    end_all()
    group_runs.settle()
    assert tick() == []


def test_a_group_of_which_none_can_be_started_is_put_off(vms):
    groups.add_member(groups.add("One", actor="ops"), vms["web"], actor="ops")
    another_may_be(vms["web"])
    assert tick() == []
    assert VMSchedule.objects.get(vm_context=vms["web"]).due_why == DueWhy.RETRY


def test_who_is_due_is_started_although_its_hours_and_its_calendar_never_meet(shop, vms):
    now = database_now()
    begin = now - timedelta(minutes=5)
    minute = (now.hour * 60 + now.minute + 600) % 1440
    services.set_own(
        vms["web"],
        {
            "rpo_kind": RPOKind.CALENDAR,
            "cron": f"{begin.minute} {begin.hour} * * *",
            "latest_start_minutes": 60,
        },
        (Window(127, minute, (minute + 60) % 1440),),
        actor="ops",
    )
    ReplicationJob.objects.update(created_at=now - 2 * HOUR)
    assert tick() == ["app", "db", "web"]


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_vm_that_another_transaction_holds_leaves_its_group_to_the_next_tick(shop, vms, caplog):
    with stuck(locking(VMContext, vms["app"].pk)):
        on_its_own(lambda: scheduled.start(shop.pk, database_now()))
    assert f"skipping VMContext {vms['app'].pk}" in caplog.text
    assert not GroupRun.objects.exists()


def test_who_is_being_replicated_already_is_not_in_the_run(shop, vms):
    job = start.start(vms["app"], trigger="manual", requested_by="ops")
    assert tick() == ["db", "web"]
    assert job.pk in missing(GroupRun.objects.get())["app"]


def test_who_failed_tries_again_alone_and_is_left_out_until_then(shop, vms):
    RecoveryPoint.objects.filter(vm_context=vms["app"]).update(consistent_at=Now() - 2 * HOUR)
    job = start.start(vms["app"], trigger="manual", requested_by="ops")
    finish.failed(job.pk, "The disk is on fire.")
    assert tick() == ["db", "web"]
    assert "failed" in missing(GroupRun.objects.get())["app"]
    end_all()
    GroupRun.objects.all().delete()
    settle.tick()
    dates.tick()
    VMSchedule.objects.filter(vm_context=vms["app"]).update(due_at=Now() - HOUR)
    assert VMSchedule.objects.get(vm_context=vms["app"]).due_why == DueWhy.RETRY
    assert tick() == ["app"]
    assert not GroupRun.objects.exists()


def test_a_long_first_copy_is_made_alone_when_workers_are_free_for_it(shop, vms):
    """Started with its group it would keep a worker for hours from the VMs that it is left to."""
    large = factories.disk_record(capacity_bytes=2 * SMALL_BYTES)
    where = {"at": vms["web"].vcenter, "keep_in": vms["web"].repository}
    files = factories.context("files", disks=[large], **where)
    services.set_own(files, services.target(3600), actor="ops")
    groups.add_member(shop, files, actor="ops")
    settle.tick()
    dates.tick()
    scheduled.start(shop.pk, database_now())
    assert missing(GroupRun.objects.get()) == {
        "files": "Its first copy takes long: it is made first, by itself."
    }
    assert VMSchedule.objects.get(vm_context=files).due_why == DueWhy.FIRST, "it is not put off"
    GroupRun.objects.update(state=GroupRunState.COPYING)
    starting.start_due()
    assert queue.runnable().get().vm_context == files


def test_whose_disks_are_to_be_compared_is_compared_in_the_run(shop, vms):
    settle.tick()
    dates.tick()
    VMSchedule.objects.filter(vm_context=vms["web"]).update(compare=True)
    starting.start_due()
    wanted = dict(
        ReplicationJob.objects.filter(completed_at=None).values_list(
            "source_vm_name", "requested_sync"
        )
    )
    assert wanted == {
        "web": SyncRequest.CHECKSUM,
        "app": SyncRequest.AS_NEEDED,
        "db": SyncRequest.AS_NEEDED,
    }


def test_a_group_that_is_gathered_takes_one_worker(shop):
    """Of four: there is room for others until its VMs have their snapshots."""
    tick()
    group_runs.claim_next()
    stands = sorted(use.stand for use in candidates.capacity(database_now()).active)
    assert stands == [Stand.GATHERED, Stand.GATHERED, Stand.READY]
