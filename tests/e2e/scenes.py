"""What the pages are looked at with: an empty installation, one VM, and an estate in every state.

The scenes build on one another, so that one database is enough for all: play them in order. Each
gives the names that the addresses in tests/e2e/states.py are made of. They need a database, a
folder, and a lab that answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from math import sin
from pathlib import Path

from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone

from contexts.models import DiscoveredVM, VCenter, VMContext
from contexts.services import management
from contexts.states import DiscoveryStatus
from contexts.vsphere import notices
from contexts.vsphere.records import Traits
from replication.engine.extent_map import BUCKETS, FULL
from replication.health import watch
from replication.models import (
    BulkAction,
    CBTHistory,
    DiskImage,
    ImageMerge,
    IntegrityFinding,
    IntegrityRun,
    JobSample,
    JobStep,
    ProtectionSpell,
    RecoveryPoint,
    ReplicationJob,
    Repository,
    RepositorySpace,
    SignOfLife,
    VCenterSign,
    VMSchedule,
)
from replication.policies import checking, services, settle
from replication.policies.services import Where
from replication.retention import services as retention
from replication.scheduler import dates, spells
from replication.selectors import limits
from replication.services import bulk_acts, damages, job_log, occurrences, repositories
from replication.services.bandwidth import Window, set_windows
from replication.services.limits import set_limit
from replication.states import (
    DamageFinder,
    LogLevel,
    MergeStage,
    OccurrenceKind,
    RecoveryPointState,
    RemovalState,
    StepName,
    StepStatus,
)
from tests import factories
from tests.factories import MIB
from vmrep.lab import Lab
from vmrep.notifications import services as notifications
from vmrep.notifications.fan_out import fan_out
from vmrep.notifications.models import Delivery
from vmrep.notifications.services import Habits
from vmrep.web.models import SavedView

LONG_NAME = "a-name-that-somebody-made-with-a-script-and-that-goes-on-and-on-" * 2 + "end"
# Names that want to be something else, or to have more room than there is.
HOSTILE_NAMES = {
    "hostile": factories.HOSTILE_NAME,
    "long": LONG_NAME,
    "turned": "invoice\u202egpj.exe 请求 🗄️",
}
ORDINARY_NAMES = {"hostile": "file-02", "long": "file-03", "turned": "print-01"}
HOUR = 3600

Names = dict[str, object]


class Scenes:
    """The scenes of one database. `folder` gets a repository, `lab` is a vCenter's endpoint.
    `hostile_names`: whether some VMs have names that want to be something else."""

    def __init__(self, folder: Path, lab: Lab, *, hostile_names: bool = True) -> None:
        self._folder = folder
        self._odd_names = HOSTILE_NAMES if hostile_names else ORDINARY_NAMES
        self.names: Names = {"host": lab.host, "port": lab.port, "folder": folder}

    def play(self, scene: str) -> Names:
        """Add this scene to the database; the names so far."""
        getattr(self, f"_{scene}")()
        return self.names

    def _empty(self) -> None:
        """Nothing but somebody who logs in, an administrator; and all that vmrep needs lives, for
        as long as the scenes are looked at."""
        factories.everything_lives(seconds_ago=-24 * HOUR)

    def _one_vm(self) -> None:
        """Taken, and not replicated yet."""
        vcenter = factories.vcenter("Frankfurt", host="vcenter.fra.example.org")
        factories.discovery(vcenter, vms_seen=24, vms_total=24)
        repository = repositories.add_directory("nvme-01", str(self._folder / "nvme-01"))
        disks = [factories.disk_record(capacity_bytes=80 << 30)]
        first = factories.context(
            "web-01", at=vcenter, keep_in=repository, disks=disks, **_at("Web", 4)
        )
        self.names |= {"web_01": first.pk, "vcenter": vcenter.pk, "repository": repository.pk}

    def _estate(self) -> None:
        """Every state that a VM, a job, a vCenter, a repository and a check can be in."""
        vcenter, repository = VCenter.objects.get(), Repository.objects.get()
        self.names |= (
            _ready(vcenter, repository)
            | _active(vcenter, repository)
            | _troubled(vcenter, repository)
            | _named(self._odd_names, vcenter, repository)
            | _absent(vcenter, repository)
            | _odd(vcenter, repository)
            | _discovered(vcenter)
        )
        without = [self.names["unprotected"], self.names["no_target"]]
        services.set_own_targets(
            VMContext.objects.exclude(pk__in=without).values_list("pk", flat=True),
            HOUR,
            actor="ops",
        )
        settle.settle(VMContext.objects.values_list("pk", flat=True))
        self.names |= _policies(vcenter) | _groups(vcenter, repository) | _people(vcenter)
        self.names |= _points(VMContext.objects.get(pk=self.names["web_01"]))
        hour = timezone.now().replace(minute=0, second=0, microsecond=0)
        RepositorySpace.objects.bulk_create(
            RepositorySpace(
                repository=repository,
                hour=hour - timedelta(days=ago),
                free_bytes=(60 + 3 * ago) << 30,
                total_bytes=100 << 30,
                stored_bytes=(36 - 3 * ago) << 30,
            )
            for ago in range(5)
        )
        factories.repository("nfs-archive")
        _checked(VMContext.objects.get(pk=self.names["failed"]))
        _heard_of(vcenter, "")
        self.names |= _told_of()
        self.names |= _in_bulk()
        _outlooks()
        _seen_often()

    def _dead(self) -> None:
        """The workers that copy, beat, and a vCenter."""
        SignOfLife.objects.filter(queues="copies").update(seen_at=_minutes_ago(3))
        SignOfLife.objects.filter(kind="beat").update(seen_at=_minutes_ago(12))
        _heard_of(
            VCenter.objects.get(pk=self.names["unread"]),
            "vcenter.tur.example.org:443 refused the connection. Check the address and the port.",
        )
        watch.look()


def _seen_often() -> None:
    """Two views of the list of VMs, of which one is everybody's."""
    user = User.objects.earliest("pk")
    for name, query, is_shared in (
        ("Over target", "protection=over_target&sort=-rpo", True),
        ("Databases", "search=db", False),
    ):
        SavedView.objects.create(
            user=user, page="virtual-machines", name=name, query=query, is_shared=is_shared
        )


def _in_bulk() -> Names:
    """One bulk action that has come to some VMs, of which two were refused, and a cancelled one."""
    everything = VMContext.objects.filter(unmanaged_at__isnull=True)
    reason = bulk_acts.Arguments(reason="Storage is being moved")

    def ask(kind: str, arguments: bulk_acts.Arguments) -> BulkAction:
        return bulk_acts.ask(kind, everything, arguments, trigger="manual", actor="ops")

    going = ask("resume", bulk_acts.Arguments())
    claimed = bulk_acts._claim()
    for item in going.items.all()[:2]:
        bulk_acts._handle(item, claimed, [], set())
    stopped = bulk_acts.cancel(ask("pause", reason), actor="ops")
    return {"bulk": going.pk, "bulk_cancelled": stopped.pk}


def _told_of() -> Names:
    """Two channels, of which one does not work, their rules and messages in every state."""
    settings = {"url": "https://hooks.example.org/vmrep", "secret": f"whsec_{'a' * 40}"}
    night = Habits(quiet_from_minute=22 * 60, quiet_to_minute=6 * 60, time_zone="Europe/Berlin")
    hook = notifications.add_channel("Night shift", "webhook", settings, night)
    chat = notifications.add_channel("Chat", "apprise", {"url": "ntfys://ntfy.example.org/vmrep"})
    rule = notifications.save_rule(hook, ["over_target", "broken", "job_failed", "worker_dead"])
    notifications.save_rule(chat, [], vcenter=VCenter.objects.get(name="Frankfurt"))
    occurrences.tell(
        OccurrenceKind.OVER_TARGET,
        "scene",
        what="dc-01 is over its RPO target of 1 h: its newest recovery point is of 05:12 UTC.",
        context_id=VMContext.objects.get(vm_name="dc-01").pk,
    )
    spells.turn()
    ProtectionSpell.objects.update(began_at=_minutes_ago(200))
    fan_out()
    first = Delivery.objects.filter(channel=hook).order_by("pk").first()
    assert first is not None
    digest = Delivery.objects.create(
        channel=hook, purpose="digest", state="sent", sent_at=Now(), next_attempt_at=Now()
    )
    Delivery.objects.filter(channel=hook).exclude(pk=digest.pk).update(
        state="in_digest", digest=digest
    )
    Delivery.objects.filter(pk=first.pk).update(
        state="sent", sent_at=Now(), digest=None, answer="The server answered 200 OK."
    )
    why = "ntfy.example.org: the service answered 403 Forbidden, error=40301."
    Delivery.objects.filter(channel=chat).update(attempts=3, answer=why)
    type(chat).objects.filter(pk=chat.pk).update(last_problem=why)
    type(hook).objects.filter(pk=hook.pk).update(last_ok_at=Now())
    return {"channel": hook.pk, "rule": rule.pk}


def _points(vm: VMContext) -> Names:
    """The newest; and of the older ones one that is pinned, one that somebody deletes, and one that
    is being removed, all of them in a repository that has grown for days."""
    going, wanted, pinned, newest = RecoveryPoint.objects.filter(vm_context=vm).order_by("pk")
    DiskImage.objects.filter(recovery_point=going).update(created_at=_minutes_ago(5 * 24 * 60))
    retention.pin(pinned, comment="Before the update", actor="ops")
    retention.delete(wanted, actor="ops")
    removal = retention.delete(going, actor="ops")
    removal.state, removal.started_at = RemovalState.UNDER_WAY, timezone.now()
    removal.save()
    RecoveryPoint.objects.filter(pk=going.pk).update(state=RecoveryPointState.EXPIRING)
    ImageMerge.objects.create(
        removal=removal,
        image=going.images.get(),
        child=wanted.images.get(),
        stage=MergeStage.MERGING,
        done_percent=42,
    )
    factories.verification(
        newest,
        "running",
        **{"total_bytes": 64 << 30, "done_bytes": 27 << 30, "read_bytes": 11 << 30},
        **{"started_at": _minutes_ago(2), "created_at": _minutes_ago(3)},
    )
    RecoveryPoint.objects.filter(pk=newest.pk).update(verified_at=_minutes_ago(3 * 60))
    factories.verification(
        pinned,
        "impossible",
        problem="ctx-web-01/disk-2000/job-7.1.qcow2 was copied before vmrep kept what it takes to"
        " verify a disk. A copy of the VM in full begins a chain that can be verified.",
    )
    return {
        "point": newest.pk,
        "pinned": pinned.pk,
        "point_wanted": wanted.pk,
        "point_going": going.pk,
    }


def _outlooks() -> None:
    """When all are due; what is expected of a VM that is within its target, and how well it was
    kept so far; and a VM that changes faster than a short target allows."""
    dates.work_out(list(VMContext.objects.values_list("pk", flat=True)), timezone.now())
    vm = VMContext.objects.get(vm_name="web-01")
    measured = {
        "changed_per_second": 18 * 1024 * MIB / 3600,
        "bytes_per_second": 40 * MIB,
        "overhead_seconds": 209,
        "wait_seconds": 0,
    }
    VMSchedule.objects.filter(vm_context__vm_name="wiki-01").update(**measured)
    VMSchedule.objects.filter(pk=vm.pk).update(
        **measured,
        due_at=_minutes_ago(2),
        held_up="vCenter Frankfurt has as many jobs as it may",
        breach_expected_at=timezone.now() + timedelta(minutes=9),
        breach_why="vCenter Frankfurt has as many jobs as it may",
    )
    ProtectionSpell.objects.filter(vm_context=vm).delete()
    states = ("protected", "over_target", "protected", "broken", "protected", "no_target")
    for number, state in enumerate(states):
        ProtectionSpell.objects.create(
            vm_context=vm,
            state=state,
            target_seconds=None if state == "no_target" else 900,
            foretold_at=_minutes_ago(1300 * number + 9) if state == "protected" else None,
            began_at=_minutes_ago(1300 * (number + 1)),
            ended_at=_minutes_ago(1300 * number) if number else None,
        )


def _people(vcenter: VCenter) -> Names:
    """One who sees two places, one who is disabled, one without a role."""
    ann = factories.user("ann.of-the-night-shift@example.org", role="operator")
    factories.scope(ann, vcenter, "/Frankfurt/vm/Web")
    factories.scope(ann, vcenter, "/Frankfurt/vm/" + "Departments with long names/" * 5 + "End")
    gone = factories.user("b" * 150, role="viewer", is_active=False)
    factories.user("guest", is_superuser=False)
    return {"user": ann.pk, "user_disabled": gone.pk}


def _policies(vcenter: VCenter) -> Names:
    """One with rules in a folder and by name, and one by a calendar that applies nowhere."""
    rules = {"retention_kind": "rules", "keep_last": 3, "keep_daily": 7, "keep_monthly": 12}
    target = {"rpo_kind": "target", "rpo_target_seconds": 900, "quiesce": "required"}
    policy = services.add("Databases", target | rules, actor="ops")
    place = Where("folder", vcenter, "/Frankfurt/vm/Web", takes_new=True)
    scope, _ = services.assign(policy, place, actor="ops")
    services.assign(policy, Where("name", pattern="db-*"), actor="ops")
    nights = {"rpo_kind": "calendar", "cron": "30 1 * * *", "time_zone": "Europe/Berlin"}
    hours = [checking.Window(31, 22 * 60, 6 * 60), checking.Window(96, 0, 24 * 60)]
    calendar = services.add("Nights", nights, hours, actor="ops")
    return {"policy": policy.pk, "scope": scope.pk, "calendar": calendar.pk}


def _groups(vcenter: VCenter, repository: Repository) -> Names:
    """One whose VMs were together but for one, and before that all, which has lost a point since;
    and one without any VM yet."""
    names = ["shop-db-01", "shop-app-01", "shop-web-01"]
    vms = factories.contexts(names, at=vcenter, keep_in=repository)
    shop = factories.group("Shop", *vms)
    earlier = factories.group_run(shop, 0.0, 0.4, 1.2)
    factories.group_run(shop, 0.0, 0.6, None)
    lost = RecoveryPoint.objects.filter(job__group_run_member__run=earlier, vm_context=vms[0])
    lost.update(state="expired", expired_why="user", expired_at=Now())
    return {"group": shop.pk, "no_group_yet": factories.group("Mail").pk, "in_group": vms[0].pk}


def _heard_of(vcenter: VCenter, problem: str) -> None:
    VCenterSign.objects.create(
        vcenter=vcenter,
        host="vmrep-01",
        looked_at=timezone.now(),
        reached_at=_minutes_ago(7) if problem else timezone.now(),
        problem=problem,
    )


def _at(folder: str, cpu_count: int = 2, **more: object) -> dict[str, object]:
    return {"vm_path": f"/Frankfurt/vm/{folder}/x", "datacenter": "Frankfurt"} | {
        "cpu_count": cpu_count,
        "memory_mb": 2048 * cpu_count,
        **more,
    }


def _minutes_ago(minutes: float) -> object:
    return timezone.now() - timedelta(minutes=minutes)


def sampled(job: ReplicationJob, number: int = 40, seconds: float = 2.0) -> ReplicationJob:
    """Rates as of a network that others use, too."""
    start = job.started_at or timezone.now()
    JobSample.objects.bulk_create(
        JobSample(
            job=job,
            attempt=1,
            at=start + timedelta(seconds=seconds * at),
            seconds=seconds,
            bytes_transferred=at * MIB,
            bytes_per_second=(96 + 18 * sin(at / 3) + 9 * sin(at * 1.7)) * MIB,
        )
        for at in range(1, number + 1)
    )
    return job


def _mapped(job: ReplicationJob, *, every: int) -> None:
    """The job's changes fall into one area of that many."""
    levels = bytes(FULL if at % every < 2 else 0 for at in range(BUCKETS))
    for rows in (CBTHistory.objects.filter(job=job), DiskImage.objects.filter(job=job)):
        rows.update(extent_map=levels, extent_count=BUCKETS // every)


def _log(job: ReplicationJob, *lines: str, level: LogLevel = LogLevel.INFO) -> None:
    for line in lines:
        job_log.write(job.pk, job.attempt, line, level)


def _ready(vcenter: VCenter, repository: Repository) -> Names:
    """Protected: first in full, then what changed."""
    web = VMContext.objects.get(vm_name="web-01")
    for number, minutes in enumerate((200, 140, 80, 22)):
        size = (4 * 1024, 96, 310, 41)[number] * MIB
        job = factories.completed_job(web, planned_bytes=size, consistent_at=_minutes_ago(minutes))
        _mapped(sampled(job), every=3 + 7 * number)
        CBTHistory.objects.filter(job=job).update(created_at=_minutes_ago(minutes))
    _log(job, "disk-2000: incremental.", "Transfer: 41 MiB in 3 s.", "Committed.")
    for number in range(2, 6):
        vm = factories.context(f"web-0{number}", at=vcenter, keep_in=repository, **_at("Web"))
        factories.recovery_point(vm, _minutes_ago(7.5 * number))
    late = factories.context("dc-01", at=vcenter, keep_in=repository, **_at("Core", 4))
    factories.recovery_point(late, _minutes_ago(9 * 60))
    # More than are on one page.
    factories.contexts([f"build-{n:02}" for n in range(3, 9)], at=vcenter, keep_in=repository)
    wished = factories.context("wiki-01", at=vcenter, keep_in=repository, **_at("Web"))
    factories.recovery_point(wished, _minutes_ago(26 * 60))
    damaged = factories.context("store-01", at=vcenter, keep_in=repository, **_at("Core", 4))
    factories.recovery_point(damaged, _minutes_ago(75))
    newest = factories.recovery_point(damaged, _minutes_ago(15))
    image = newest.images.get()
    damages.mark(
        image.pk,
        "image_file_missing",
        f"{image.locator}: The image is missing: the file does not exist.",
        DamageFinder.INTEGRITY,
    )
    flipped = factories.context("store-02", at=vcenter, keep_in=repository, **_at("Core", 4))
    rotten = factories.recovery_point(flipped, _minutes_ago(21))
    RecoveryPoint.objects.filter(pk=rotten.pk).update(verified_at=_minutes_ago(12 * 60))
    image = rotten.images.get()
    found = [
        f"Hard disk 1: the 262,144 bytes at {place:,} (file {image.locator}) are not those that"
        " were copied."
        for place in (1_572_864, 734_003_200)
    ]
    damages.mark(image.pk, "content_differs", found[0], DamageFinder.VERIFY, needs_deep_look=True)
    factories.verification(
        rotten,
        "damaged",
        found,
        **{"total_bytes": 64 << 30, "done_bytes": 64 << 30, "read_bytes": 19 << 30},
    )
    warned = factories.context("erp-01", at=vcenter, keep_in=repository, **_at("ERP", 8))
    warning = factories.completed_job(warned, consistent_at=_minutes_ago(31))
    JobStep.objects.filter(job=warning, name=StepName.COMMIT).update(
        status=StepStatus.WARNING, message="The snapshot could not be removed yet. Trying again."
    )
    return {
        "completed": job.pk,
        "over_target": late.pk,
        "no_target": wished.pk,
        "broken": damaged.pk,
        "flipped": flipped.pk,
        "rotten": rotten.pk,
        "with_warnings": warning.pk,
    }


def _active(vcenter: VCenter, repository: Repository) -> Names:
    """Running, waiting, and waiting for another attempt."""
    disks = [factories.disk_record(key, capacity_bytes=64 << 30) for key in (2000, 2001)]
    vm = factories.context("pgtest2", at=vcenter, keep_in=repository, disks=disks, **_at("DB", 8))
    factories.recovery_point(vm, _minutes_ago(44))
    job = factories.running_job(
        vm, planned_bytes=9728 * MIB, done_bytes=6615 * MIB, transfer_speed_bps=112 * MIB
    )
    _mapped(sampled(job), every=9)
    _log(job, "disk-2000: incremental.", "disk-2001: incremental.", "Snapshot made, quiesced.")
    waiting = factories.context("pgtest3", at=vcenter, keep_in=repository, **_at("DB", 8))
    _met_a_limit(factories.pending_job(waiting), job)
    again = factories.context("mail-01", at=vcenter, keep_in=repository, **_at("Core", 4))
    retrying = factories.pending_job(again)
    ReplicationJob.objects.filter(pk=retrying.pk).update(
        attempt=3,
        next_attempt_at=timezone.now() + timedelta(minutes=4),
        error_message="The connection to vcenter.fra.example.org was lost. vmrep will retry.",
    )
    return {
        "running_vm": vm.pk,
        "running": job.pk,
        "waiting": waiting.pk,
        "retrying_vm": again.pk,
        "retrying": retrying.pk,
    }


def _met_a_limit(job: ReplicationJob, other: ReplicationJob) -> None:
    """It waits for a disk session on a host, all of which another one has."""
    host = limits.host_sessions("esx-01.fra.example.org:902")
    factories.places(other, *host, 8)
    factories.places(other, *limits.vcenter_jobs(job.vm_context.vcenter_id), 3)
    ReplicationJob.objects.filter(pk=job.pk).update(
        waits_for_kind=host.kind,
        waits_for=host.key,
        current_operation=limits.sentence(host, "esx-01.fra.example.org"),
    )
    set_limit(limits.vcenter_jobs(job.vm_context.vcenter_id), 12, actor="ops")
    working_hours = Window(20 * MIB, 0b11111, 8 * 60, 18 * 60, "Europe/Berlin")
    set_windows(None, [Window(200 * MIB)], actor="ops")
    at_night = Window(400 * MIB, 127, 18 * 60, 8 * 60, "Europe/Berlin")
    set_windows(job.vm_context.vcenter_id, [working_hours, at_night], actor="ops")


def _troubled(vcenter: VCenter, repository: Repository) -> Names:
    """Failed, cancelled, and with a disk that is left out."""
    failed = factories.context("pgtest1", at=vcenter, keep_in=repository, **_at("DB", 4))
    failure = factories.failed_job(
        failed,
        "pgtest1 cannot be replicated. Change tracking was refused: the VM has a snapshot."
        " Remove the snapshot in vCenter, then replicate again.",
    )
    _log(failure, "Change tracking was refused.", level=LogLevel.ERROR)
    stopped = factories.context("build-02", at=vcenter, keep_in=repository, **_at("Build", 16))
    cancelled = factories.cancelled_job(stopped)
    disks = [
        factories.disk_record(capacity_bytes=80 << 30),
        factories.disk_record(2001, capacity_bytes=4 << 40, disk_mode="independent_persistent"),
    ]
    part = factories.context("files-01", at=vcenter, keep_in=repository, disks=disks, **_at("Core"))
    factories.recovery_point(part, _minutes_ago(16))
    return {
        "failed": failed.pk,
        "failure": failure.pk,
        "cancelled_vm": stopped.pk,
        "cancelled": cancelled.pk,
        "unprotected": part.pk,
    }


def _named(names: Mapping[str, str], vcenter: VCenter, repository: Repository) -> Names:
    """Replicated VMs with these names."""
    made = {}
    for key, name in names.items():
        where = _at("File", 2)
        if names is HOSTILE_NAMES:
            where |= {
                "vm_path": f"/Frankfurt/vm/<b>bold & co<%2fb>/{name.replace('/', '%2f')}",
                "os_type": "<img src=x onerror=alert(1)>",
            }
        made[key] = factories.context(name, at=vcenter, keep_in=repository, **where).pk
    return made


def _absent(vcenter: VCenter, repository: Repository) -> Names:
    """Gone from the vCenter; there under another instance UUID; no longer managed."""
    gone = factories.context("legacy-03", at=vcenter, keep_in=repository, **_at("Old"))
    factories.recovery_point(gone, _minutes_ago(52))
    looks = {"moref": "vm-7", "bios_uuid": "b105", "vmx_path": "[fra-ds1] shop/shop.vmx"}
    changed = factories.context("shop", at=vcenter, keep_in=repository, **_at("Web"), **looks)
    for vm in (gone, changed):
        DiscoveredVM.objects.filter(vmware_vm_id=vm.vmware_vm_id).update(gone_at=_minutes_ago(300))
    now = factories.discovered_vm("shop", at=vcenter, **_at("Web"), **looks)
    released = factories.context("test-09", at=vcenter, keep_in=repository, **_at("Old"))
    factories.recovery_point(released, _minutes_ago(2000))
    management.release(released, actor="ops")
    return {"gone": gone.pk, "changed": changed.pk, "now": now.pk, "released": released.pk}


def _odd(vcenter: VCenter, repository: Repository) -> Names:
    """What a reading could not tell, what a VM is beside ordinary, and how its disks are read."""
    since = {minutes: _minutes_ago(minutes).isoformat() for minutes in (20, 95)}
    unread = factories.context("backup-01", at=vcenter, keep_in=repository, **_at("Core"))
    DiscoveredVM.objects.filter(vmware_vm_id=unread.vmware_vm_id).update(
        unreadable_since=_minutes_ago(95),
        unreadable_reason="config was not told: the vCenter said vim.fault.InvalidState.",
        untold_places=[
            {"place": place, "since": since[minutes]}
            for place, minutes in {"host": 20, "datastores": 95, "networks": 95}.items()
        ],
    )
    vault = factories.context("vault-01", at=vcenter, keep_in=repository, **_at("Core"))
    traits = Traits(managed_by="com.example.vault", has_tpm=True)
    record = replace(factories.vm_record(), traits=traits)
    DiscoveredVM.objects.filter(vmware_vm_id=vault.vmware_vm_id).update(
        notices=[asdict(notice) for notice in notices.notices(record)]
    )
    VMContext.objects.filter(pk=vault.pk).update(
        transport="datastore",
        transport_reason="NFC cannot be used: esx-04.example.org does not answer on port 902. Open"
        " TCP 902 from this machine to the ESXi hosts.",
    )
    return {"unreadable_vm": unread.pk, "with_notices": vault.pk}


def _discovered(vcenter: VCenter) -> Names:
    """VMs that can be taken or not, and vCenters whose discovery runs, failed or never was."""
    factories.discovered_vm("intranet", at=vcenter, **_at("Web"))
    factories.discovered_vm("debian-12", at=vcenter, **_at("Templates"), is_template=True)
    factories.discovered_vm("unknown", at=vcenter, instance_uuid=None, vm_path=None, cpu_count=None)
    running = factories.vcenter("Lyon", host="vcenter.lyo.example.org")
    factories.discovery(running, DiscoveryStatus.RUNNING, vms_seen=500, vms_total=5000)
    failed = factories.vcenter("Oslo", host="vcenter.osl.example.org")
    factories.discovery(
        failed,
        DiscoveryStatus.FAILED,
        error_message="The user name or password is wrong. Correct them under vCenters.",
    )
    VCenter.objects.filter(pk=failed.pk).update(
        login_refused_at=_minutes_ago(3),
        login_refused_why="Cannot complete login due to an incorrect user name or password.",
    )
    unread = factories.vcenter("Turin", host="vcenter.tur.example.org")
    rebuilt = factories.vcenter("Ghent", host="vcenter.gnt.example.org")
    VCenter.objects.filter(pk=rebuilt.pk).update(
        found_instance_uuid="7d1f2f4e-7f0a-4f6c-9f5e-0d6d3c1c8a11", found_at=_minutes_ago(12)
    )
    return {
        "reading": running.pk,
        "unreadable": failed.pk,
        "unread": unread.pk,
        "rebuilt": rebuilt.pk,
    }


def _checked(context: VMContext) -> None:
    """An integrity check that found something of each grade."""
    run = IntegrityRun.objects.create(
        requested_by="schedule",
        outcome="findings",
        finding_count=2,
        started_at=timezone.now(),
        completed_at=timezone.now(),
    )
    for severity, code, what in (
        ("error", "counters_differ", "total_jobs_run is 0 of 1 job."),
        ("warning", "snapshot_left", "A snapshot of an ended job is still there."),
    ):
        IntegrityFinding.objects.create(
            run=run,
            code=code,
            severity=severity,
            context_id=context.pk,
            vm_name=context.vm_name or "",
            what=what,
            remedy="Run check_integrity --repair.",
            repairable=True,
        )
