"""Starting and ending replications."""

from __future__ import annotations

from typing import Any

from contexts.models import VMContext
from replication.models import Repository, RepositorySign, SignOfLife, VCenterSign
from replication.policies import services as policies
from replication.scheduler import starting
from replication.selectors.health import Parts
from replication.services import (
    bulk,
    bulk_acts,
    cancel,
    group_runs,
    start,
)
from replication.states import Trigger
from tests import factories
from tests.trail.acts.register import BY, TARGET, act
from vmrep import bundle


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
