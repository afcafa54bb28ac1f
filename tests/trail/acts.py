"""Every act of the services: how it is done, and what the audit trail then tells.

`ACTS` has a line for each public function that somebody's wish, or the clock, makes change
something. `NO_ACTS` says of every other one that takes an actor why the trail is silent of it.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.utils import timezone

import contexts.services
import replication.policies
import replication.retention
import replication.scheduler
import replication.services
from contexts.models import DiscoveredVM, VMContext
from contexts.services import discovery, identity, management, protection, vcenters
from replication.integrity import mend, runs
from replication.integrity.findings import Scope
from replication.models import (
    BandwidthWindow,
    PointRemoval,
    Repository,
    RepositorySign,
    SignOfLife,
    VCenterSign,
)
from replication.policies import services as policies
from replication.policies import taking
from replication.policies.services import Where
from replication.retention import services as retention
from replication.retention import steps, wanted
from replication.retention.choose import Rules
from replication.scheduler import starting
from replication.selectors.health import Parts
from replication.services import (
    bandwidth,
    bulk,
    bulk_acts,
    cancel,
    group_runs,
    groups,
    leases,
    limits,
    moving,
    old_jobs,
    old_points,
    pauses,
    removal,
    repositories,
    start,
)
from replication.services.bandwidth import Window
from replication.states import LeaseHolder, PauseKind, Trigger
from tests import factories
from vmrep import bundle
from vmrep.notifications import services as notifications
from vmrep.web import saved_views
from vmrep.web.models import ViewPage

BY = "alice"
TARGET = {"rpo_kind": "target", "rpo_target_seconds": 900}
WINDOW = Window(1_000_000)
WEBHOOK = {"url": "https://hooks.example.org/", "secret": f"whsec_{'a' * 40}"}


class Told(NamedTuple):
    """The act and the object of the event that must be there."""

    verb: str
    kind: str


Doing = Callable[[Any], object]
ACTS: dict[str, tuple[Told, Doing]] = {}


def act(name: str, verb: str, kind: str) -> Callable[[Doing], Doing]:
    """`name`: the function, as module.function without the packages."""

    def register(doing: Doing) -> Doing:
        ACTS[name] = (Told(verb, kind), doing)
        return doing

    return register


# --- contexts -----------------------------------------------------------------------------------


@act("vcenters.add", "add", "vcenter")
def _(world: Any) -> object:
    return vcenters.add(**world.pinned())


@act("vcenters.update", "change", "vcenter")
def _(world: Any) -> object:
    made = vcenters.add(**world.pinned())
    return vcenters.update(made, name="another", password=world.pinned()["password"], actor=BY)


@act("vcenters.test_stored", "test", "vcenter")
def _(world: Any) -> object:
    return vcenters.test_stored(vcenters.add(**world.pinned()))


@act("vcenters.remove", "remove", "vcenter")
def _(world: Any) -> None:
    vcenters.remove(factories.vcenter())


@act("discovery.request", "discover", "vcenter")
def _(world: Any) -> object:
    return discovery.request(factories.vcenter(), actor=BY)


@act("management.take", "take", "vm")
def _(world: Any) -> object:
    vm = factories.discovered_vm()
    return management.take([vm], repository=factories.repository(), actor=BY)


@act("management.take_and_report", "take", "vm")
def _(world: Any) -> object:
    vms = [factories.discovered_vm()]
    return management.take_and_report(vms, repository=factories.repository(), actor=BY)


@act("management.release", "release", "vm")
def _(world: Any) -> object:
    return management.release(factories.context(), actor=BY)


def _same_looks() -> tuple[DiscoveredVM, VMContext]:
    known = factories.context("web", **factories.LOOKS)
    DiscoveredVM.objects.update(gone_at=timezone.now())
    return factories.discovered_vm("web", at=known.vcenter, **factories.LOOKS), known


@act("identity.confirm", "identify", "vm")
def _(world: Any) -> object:
    return identity.confirm(*_same_looks(), actor=BY)


@act("identity.reject", "identify", "vm")
def _(world: Any) -> object:
    return identity.reject(*_same_looks(), actor=BY)


def _independent() -> Any:
    odd = factories.disk_record(2001, disk_mode="independent_persistent")
    vm = factories.context(disks=[factories.disk_record(), odd])
    return vm.disks.get(device_key=2001)


@act("protection.leave_out", "change", "vm")
def _(world: Any) -> None:
    protection.leave_out(_independent(), actor=BY)


@act("protection.protect_again", "change", "vm")
def _(world: Any) -> None:
    disk = _independent()
    protection.leave_out(disk, actor="somebody else")
    protection.protect_again(disk, actor=BY)


# --- replications ---------------------------------------------------------------------------------


def _start(vm: VMContext | None = None) -> Any:
    return start.start(vm or factories.context(), trigger=Trigger.MANUAL, requested_by=BY)


@act("start.start", "replicate", "vm")
def _(world: Any) -> object:
    return _start()


@act("start.retry", "replicate", "vm")
def _(world: Any) -> object:
    job = factories.failed_job(factories.context())
    return start.retry(job, trigger=Trigger.MANUAL, requested_by=BY)


@act("start.start_for_vm", "replicate", "vm")
def _(world: Any) -> object:
    vm = factories.discovered_vm()
    factories.repository()
    return start.start_for_vm(
        factories.findable(),
        keep_in=Repository.objects.all(),
        vmware_vm_id=vm.vmware_vm_id,
        trigger=Trigger.API,
        requested_by=BY,
    )


@act("cancel.cancel", "cancel", "job")
def _(world: Any) -> object:
    return cancel.cancel(_start(), actor=BY)


@act("cancel.cancel_job_of", "cancel", "job")
def _(world: Any) -> None:
    vm = factories.context()
    _start(vm)
    vm.refresh_from_db()
    cancel.cancel_job_of(vm, actor=BY)


@act("bundle.make", "export", "job")
def _(world: Any) -> object:
    everything = Parts(SignOfLife.objects, VCenterSign.objects, RepositorySign.objects)
    return bundle.make(_start(), everything, actor=BY)


@act("bulk.start", "replicate", "vm")
def _(world: Any) -> object:
    key = factories.context().pk
    return bulk.start(VMContext.objects.all(), [key], trigger=Trigger.MANUAL, requested_by=BY)


@act("bulk.cancel", "cancel", "job")
def _(world: Any) -> object:
    vm = factories.context()
    _start(vm)
    return bulk.cancel(VMContext.objects.all(), [vm.pk], actor=BY)


def _asked(kind: str = "replicate") -> Any:
    factories.context()
    among, nothing = VMContext.objects.all(), bulk_acts.Arguments()
    return bulk_acts.ask(kind, among, nothing, trigger=Trigger.API, actor=BY)


@act("bulk_acts.ask", "add", "bulk_action")
def _(world: Any) -> object:
    return _asked()


@act("bulk_acts.cancel", "cancel", "bulk_action")
def _(world: Any) -> object:
    return bulk_acts.cancel(_asked(), actor=BY)


@act("bulk_acts.run_next", "replicate", "vm")
def _(world: Any) -> object:
    _asked()
    return bulk_acts.run_next()


@act("scheduler.starting.start_due", "replicate", "vm")
def _(world: Any) -> object:
    """By the schedule: nobody is named."""
    vm = factories.context()
    policies.set_own(vm, TARGET, actor="somebody else")
    world.tick_dates()
    factories.everything_lives()
    return starting.start_due()


@act("group_runs.begin", "replicate", "group")
def _(world: Any) -> object:
    group = factories.group("shop", factories.context())
    return group_runs.begin(group, trigger=Trigger.MANUAL, requested_by=BY)


@act("group_runs.cancel_jobs", "cancel", "group")
def _(world: Any) -> object:
    group = factories.group("shop", factories.context())
    run = group_runs.begin(group, trigger=Trigger.MANUAL, requested_by=BY)
    return group_runs.cancel_jobs(run, actor=BY)


# --- what is wanted ----------------------------------------------------------------------------


@act("groups.add", "add", "group")
def _(world: Any) -> object:
    return groups.add("shop", actor=BY)


@act("groups.rename", "change", "group")
def _(world: Any) -> None:
    groups.rename(factories.group("shop"), "store", actor=BY)


@act("groups.delete", "remove", "group")
def _(world: Any) -> None:
    groups.delete(factories.group("shop", factories.context()), actor=BY)


@act("groups.add_member", "change", "vm")
def _(world: Any) -> object:
    return groups.add_member(factories.group("shop"), factories.context(), actor=BY)


@act("groups.remove_member", "change", "vm")
def _(world: Any) -> None:
    groups.remove_member(factories.group("shop", factories.context()).members.get(), actor=BY)


def _of_two() -> Any:
    first = factories.context("a")
    return factories.group("shop", first, factories.context("b", at=first.vcenter))


@act("groups.move", "change", "group")
def _(world: Any) -> None:
    groups.move(_of_two().members.order_by("position")[0], 2, actor=BY)


@act("groups.set_order", "change", "group")
def _(world: Any) -> None:
    group = _of_two()
    keys = list(group.members.order_by("-position").values_list("vm_context", flat=True))
    groups.set_order(group, keys, actor=BY)


@act("limits.set_limit", "change", "limit")
def _(world: Any) -> None:
    limits.set_limit(("vcenter_jobs", str(factories.vcenter().pk)), 3, actor=BY)


@act("bandwidth.set_windows", "change", "bandwidth")
def _(world: Any) -> None:
    bandwidth.set_windows(factories.vcenter().pk, [WINDOW], actor=BY)


@act("bandwidth.add_window", "add", "bandwidth")
def _(world: Any) -> None:
    bandwidth.add_window(None, WINDOW, actor=BY)


@act("bandwidth.remove_window", "remove", "bandwidth")
def _(world: Any) -> None:
    bandwidth.add_window(None, WINDOW, actor="somebody else")
    bandwidth.remove_window(BandwidthWindow.objects.get(), actor=BY)


def _pause() -> Any:
    subject = pauses.Subject(PauseKind.VM, vm_context=factories.context())
    return pauses.pause(subject, until=None, reason="a move", actor=BY)


@act("pauses.pause", "pause", "pause")
def _(world: Any) -> object:
    return _pause()


@act("pauses.end", "resume", "pause")
def _(world: Any) -> None:
    pauses.end(_pause(), actor=BY)


@act("moving.move", "move", "vm")
def _(world: Any) -> object:
    return moving.move(factories.context(), factories.repository(), actor=BY)


@act("policies.services.add", "add", "policy")
def _(world: Any) -> object:
    return policies.add("Gold", TARGET, actor=BY)


@act("policies.services.change", "change", "policy")
def _(world: Any) -> object:
    return policies.change(policies.default_policy(), TARGET, name="Bronze", actor=BY)


@act("policies.services.remove", "remove", "policy")
def _(world: Any) -> None:
    policies.remove(policies.add("Gold", TARGET, actor=BY), actor=BY)


@act("policies.services.assign", "change", "policy")
def _(world: Any) -> object:
    gold = policies.add("Gold", TARGET, actor=BY)
    return policies.assign(gold, Where("name", pattern="db-*"), actor=BY)


@act("policies.services.unassign", "change", "policy")
def _(world: Any) -> object:
    gold = policies.add("Gold", TARGET, actor=BY)
    scope, _ = policies.assign(gold, Where("name", pattern="db-*"), actor=BY)
    return policies.unassign(scope, actor=BY)


@act("policies.services.give", "change", "vm")
def _(world: Any) -> None:
    policies.give(factories.context(), policies.add("Gold", TARGET, actor=BY), actor=BY)


@act("policies.services.set_own", "change", "vm")
def _(world: Any) -> None:
    policies.set_own(factories.context(), TARGET, actor=BY)


@act("policies.services.set_own_targets", "change", "vm")
def _(world: Any) -> object:
    vms = [factories.discovered_vm()]
    kept = factories.repository()
    return taking.take(vms, repository=kept, actor=BY, target_seconds=900)


@act("policies.taking.take", "take", "vm")
def _(world: Any) -> object:
    return taking.take([factories.discovered_vm()], repository=factories.repository(), actor=BY)


# --- what is kept -------------------------------------------------------------------------------


def _point() -> Any:
    """Not the newest: that one stays."""
    vm = factories.context()
    point = factories.recovery_point(vm, timezone.now() - timedelta(days=2))
    factories.recovery_point(vm)
    return point


@act("retention.services.pin", "pin", "recovery_point")
def _(world: Any) -> object:
    return retention.pin(_point(), comment="for the audit", actor=BY)


@act("retention.services.unpin", "unpin", "recovery_point")
def _(world: Any) -> None:
    point = _point()
    retention.pin(point, comment="", actor=BY)
    retention.unpin(point, actor=BY)


@act("retention.services.comment", "comment", "recovery_point")
def _(world: Any) -> None:
    retention.comment(_point(), "before the upgrade", actor=BY)


@act("retention.services.delete", "delete", "recovery_point")
def _(world: Any) -> object:
    return retention.delete(_point(), actor=BY)


@act("retention.services.delete_all_in", "delete", "recovery_point")
def _(world: Any) -> object:
    point = _point()
    return retention.delete_all_in(point.vm_context, point.repository, actor=BY)


@act("retention.steps.finish", "remove", "recovery_point")
def _(world: Any) -> None:
    """By the rules: nobody is named. What becomes of files is another matter."""
    point = _point()
    wanted.settle(point.vm_context_id, Rules(last=1), ZoneInfo("UTC"))
    lease = leases.acquire(point.vm_context_id, LeaseHolder.RETENTION)
    removal_ = PointRemoval.objects.get()
    assert lease is not None
    steps.begin(removal_, lease)
    world.merges_are_done(removal_)
    steps.finish(removal_, lease)


@act("removal.remove_from_management", "release", "vm")
def _(world: Any) -> object:
    return removal.remove_from_management(factories.context(), actor=BY)


@act("removal.delete_replica_data", "delete_replica", "vm")
def _(world: Any) -> object:
    vm = factories.context("web")
    return removal.delete_replica_data(vm, confirm_vm_name="web", actor=BY)


@act("repositories.add", "add", "repository")
def _(world: Any) -> object:
    device = world.folder.stat().st_dev
    path = str(world.folder / "kept")
    return repositories.add("kept", path, device=device, on_system_disk=True)


@act("repositories.add_directory", "add", "repository")
def _(world: Any) -> object:
    return repositories.add_directory("kept", str(world.folder / "kept"))


@act("repositories.change", "change", "repository")
def _(world: Any) -> None:
    repositories.change(factories.repository(), name="another")


@act("repositories.remove", "remove", "repository")
def _(world: Any) -> object:
    return repositories.remove(factories.repository(), actor=BY)


@act("old_jobs.delete_old_jobs", "forget", "installation")
def _(world: Any) -> object:
    factories.failed_job(factories.context())
    return old_jobs.delete_old_jobs(timedelta(seconds=-60))


@act("old_points.forget_old_points", "forget", "installation")
def _(world: Any) -> object:
    world.expired_point_of_the_schedule()
    return old_points.forget_old_points(timedelta(seconds=-60))


@act("runs.request", "check", "integrity_check")
def _(world: Any) -> object:
    return runs.request(actor=BY)


@act("runs.run_now", "check", "integrity_check")
def _(world: Any) -> object:
    world.no_checks()
    return runs.run_now(Scope(), actor=BY)


@act("mend.mend", "repair", "vm")
def _(world: Any) -> object:
    return mend.mend(world.repairable_finding(), Scope())


# --- the shell ----------------------------------------------------------------------------------


def _channel() -> Any:
    return notifications.add_channel("hook", "webhook", WEBHOOK)


@act("notifications.services.add_channel", "add", "channel")
def _(world: Any) -> object:
    return _channel()


@act("notifications.services.change_channel", "change", "channel")
def _(world: Any) -> object:
    return notifications.change_channel(_channel(), name="another hook", settings=WEBHOOK)


@act("notifications.services.remove_channel", "remove", "channel")
def _(world: Any) -> None:
    notifications.remove_channel(_channel())


@act("notifications.services.test", "test", "channel")
def _(world: Any) -> object:
    return notifications.test(_channel())


@act("notifications.services.save_rule", "add", "rule")
def _(world: Any) -> object:
    return notifications.save_rule(_channel(), [])


@act("notifications.services.remove_rule", "remove", "rule")
def _(world: Any) -> None:
    notifications.remove_rule(notifications.save_rule(_channel(), []))


def _view() -> Any:
    return saved_views.save(factories.user(), ViewPage.JOBS, "mine", "", is_shared=False)


@act("saved_views.save", "add", "saved_view")
def _(world: Any) -> object:
    return _view()


@act("saved_views.change", "change", "saved_view")
def _(world: Any) -> None:
    view = _view()
    saved_views.change(view.user, view, name="ours", is_shared=True, is_default=False)


@act("saved_views.remove", "remove", "saved_view")
def _(world: Any) -> None:
    saved_views.remove(_view())


# --- All that there are --------------------------------------------------------------------------

FOR_OTHERS = "a part of an act that is told by its caller"
BY_A_JOB = "a step of a job, which its VM's events and its log tell of"
READS = "changes nothing"
LEARNS = "writes down what vmrep has seen"

NO_ACTS = {
    "replacement.record": FOR_OTHERS,
    "statuses.job_started": FOR_OTHERS,
    "statuses.job_completed": BY_A_JOB,
    "statuses.job_failed": BY_A_JOB,
    "statuses.job_cancelled": BY_A_JOB,
    "statuses.replica_deleted": FOR_OTHERS,
    "statuses.settle": FOR_OTHERS,
    "statuses.record_event": FOR_OTHERS,
    "finish.failed": BY_A_JOB,
    "finish.cancelled": BY_A_JOB,
    "settle.settle": "makes effective what a change of a policy told",
    "retention.steps.tell": FOR_OTHERS,
}

MODULES_OF_ACTS = {name.rpartition(".")[0] for name in ACTS}
PACKAGES = (
    contexts.services,
    replication.services,
    replication.policies,
    replication.retention,
    replication.scheduler,
)
SINGLE_MODULES = (
    *("replication.integrity.runs", "replication.integrity.mend"),
    *("vmrep.notifications.services", "vmrep.web.saved_views", "vmrep.bundle"),
)
# In a module of acts, every public function is one, unless it is here.
BESIDES = {
    **dict.fromkeys(
        (
            *("vcenters.endpoint", "vcenters.presented_certificate", "vcenters.look_at"),
            *("vcenters.silence", "vcenters.session", "vcenters.test_connection"),
            *("vcenters.read_address", "management.safe_name", "management.new_context_id"),
            *("identity.require_unchanged", "identity.require_confirmed", "identity.require_new"),
            *("identity.require_present", "start.new_job_id", "bulk.few", "bulk_acts.chosen"),
            *("group_runs.waiting_runs", "removal.confirmation_text", "repositories.default"),
            *("repositories.require_free_name", "policies.services.wanted_of"),
            *("policies.services.own_values", "policies.services.target"),
            *("policies.services.possible_place", "retention.services.preview"),
            *("retention.steps.about", "retention.steps.named"),
            *("notifications.services.habits_of", "notifications.services.config_of"),
            *("saved_views.kept", "saved_views.menu", "saved_views.beginning"),
            "old_jobs.kept_by_points_alone",
        ),
        READS,
    ),
    **dict.fromkeys(
        (
            *("discovery.run", "discovery.pick_up_forgotten", "discovery.store"),
            *("identity.seen", "identity.unreadable", "identity.not_found"),
            *("runs.run_requested", "runs.pick_up_forgotten", "runs.end_silent_runs"),
        ),
        LEARNS,
    ),
    **dict.fromkeys(
        (
            *("group_runs.claim_next", "group_runs.let_go", "group_runs.gathered"),
            *("group_runs.settle", "retention.steps.begin", "retention.steps.take_back"),
            *("retention.steps.merging", "retention.steps.writing", "retention.steps.progress"),
            *("retention.steps.merged", "retention.steps.may_take_name"),
            *("retention.steps.switched", "retention.steps.failed", "retention.steps.waits"),
            *("retention.steps.others_wait", "retention.steps.touch"),
        ),
        BY_A_JOB,
    ),
    **dict.fromkeys(("old_jobs.delete", "old_jobs.tell"), FOR_OTHERS),
    "bulk_acts.pick_up_forgotten": "wakes workers",
    "policies.services.default_policy": "made by the installation itself",
    "scheduler.starting.give_up": "cancels by the service `cancel`",
}


def functions() -> Iterator[tuple[str, Callable[..., object]]]:
    """Every public function of the services, by its name here."""
    for module in _modules():
        short = _short(module.__name__)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if not name.startswith("_") and function.__module__ == module.__name__:
                yield f"{short}.{name}", function


def _modules() -> Iterator[Any]:
    for package in PACKAGES:
        for found in pkgutil.iter_modules(package.__path__):
            yield import_module(f"{package.__name__}.{found.name}")
    for name in SINGLE_MODULES:
        yield import_module(name)


def _short(module: str) -> str:
    """The last part of a module's name, with its package where several have such a module."""
    package, _, name = module.rpartition(".")
    with_package = f"{package.rpartition('.')[2]}.{name}"
    is_ambiguous = package.endswith("scheduler") or with_package in MODULES_OF_ACTS
    return with_package if is_ambiguous else name
