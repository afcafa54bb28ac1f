"""An object of every kind of one VM, all of whose names have a mark of their own: what a user who
may not see that VM must not be told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from contexts.models import VCenter, VMContext
from replication.models import (
    BandwidthWindow,
    BulkAction,
    Incident,
    IntegrityRun,
    Limit,
    Pause,
    Policy,
    Repository,
    VCenterSign,
)
from replication.policies import services as policies
from replication.policies import settle
from replication.policies.services import Where
from replication.scheduler import dates
from replication.services import bulk_acts, occurrences
from replication.services.bulk_acts import Arguments
from replication.states import OccurrenceKind, Trigger, TroubleKind
from tests import factories
from vmrep.notifications import services as notifications
from vmrep.notifications.fan_out import fan_out


def around_a_vm(
    mark: str, *, at: VCenter, folder: str, keep_in: Repository, policy: Policy
) -> dict[str, Any]:
    """What the holes of addresses are filled with, by their names."""
    vm = factories.context(
        f"{mark}-vm",
        at=at,
        keep_in=keep_in,
        vm_path=f"{folder}/{mark}-vm",
        annotation=f"{mark} note",
        host_name=f"{mark}-host",
        disks=[factories.disk_record(label=f"{mark} disk", datastore=f"{mark}-store")],
        networks=[factories.nic_record(network_name=f"{mark}-net")],
    )
    point = factories.recovery_point(vm)
    factories.verification(point, found=[f"{mark} disk: 262,144 bytes at 0"])
    group = factories.group(f"{mark}-group", vm)
    factories.group_run(group, 0.0)
    factories.failed_job(vm, f"{mark} failed.")
    job = factories.running_job(vm)
    free = factories.discovered_vm(
        f"{mark}-free", at=at, vm_path=f"{folder}/{mark}-free", host_name=f"{mark}-host"
    )
    place, _ = policies.assign(policy, Where("vm", vm_context=vm), actor="chief")
    settle.settle([vm.pk])
    dates.work_out([vm.pk], timezone.now())
    return {
        **{"context_id": vm.pk, "vcenter_id": at.pk, "vm_id": free.pk, "job_id": job.pk},
        **{"disk_id": vm.disks.get().pk, "point_id": point.pk, "group_id": group.pk},
        **{"member_id": group.members.get().pk, "scope_id": place.pk},
        **{"repository_id": keep_in.pk, "policy_id": policy.pk},
        **_asked_for(mark, vm),
        **_told_of(mark, vm),
    }


def _asked_for(mark: str, vm: VMContext) -> dict[str, Any]:
    pause = Pause.objects.create(kind="vm", vm_context=vm, reason=f"{mark} why", paused_by="chief")
    action: BulkAction = bulk_acts.ask(
        "pause",
        VMContext.objects.filter(pk=vm.pk),
        Arguments(until=timezone.now() + timedelta(days=1), reason=f"{mark} why"),
        trigger=Trigger.MANUAL,
        actor="chief",
    )
    return {"pause_id": pause.pk, "action_id": action.pk}


def _told_of(mark: str, vm: VMContext) -> dict[str, Any]:
    settings = {"url": f"https://{mark}.example.org/", "secret": f"whsec_{'a' * 40}"}
    channel = notifications.add_channel(f"{mark}-channel", "webhook", settings)
    rule = notifications.save_rule(channel, [], vm_context=vm)
    occurrences.tell(OccurrenceKind.BROKEN, mark, what=f"{mark} is broken.", context_id=vm.pk)
    fan_out()
    run = IntegrityRun.objects.create(
        requested_by="chief", outcome="findings", finding_count=1, completed_at=timezone.now()
    )
    run.findings.create(
        **{"code": "counters_differ", "severity": "error", "context_id": vm.pk},
        **{"vm_name": f"{mark}-vm", "what": f"{mark} differs", "remedy": "x", "repairable": True},
    )
    return {"channel_id": channel.pk, "rule_id": rule.pk}


def around_a_vcenter(mark: str, vcenter: VCenter, policy: Policy) -> dict[str, Any]:
    """What belongs to the vCenter as a whole."""
    now = timezone.now()
    factories.discovery(vcenter, error_message=f"{mark} could not be read")
    window = BandwidthWindow.objects.create(
        vcenter=vcenter, bytes_per_second=1 << 20, time_zone="UTC", set_by=f"{mark} chief"
    )
    Limit.objects.create(
        **{"kind": "datastore_snapshots", "resource": f"{vcenter.pk}:{mark}-store"},
        **{"vcenter": vcenter, "value": 3, "set_by": "chief"},
    )
    what = f"{mark} does not answer"
    VCenterSign.objects.create(vcenter=vcenter, host=f"{mark}-machine", looked_at=now, problem=what)
    Incident.objects.create(
        kind=TroubleKind.VCENTER, subject=str(vcenter.pk), what=what, vcenter=vcenter, began_at=now
    )
    occurrences.tell(OccurrenceKind.BROKEN, f"{mark} vc", what=what, vcenter_id=vcenter.pk)
    policies.assign(policy, Where("folder", vcenter, f"/Lab/vm/{mark}"), actor="chief")
    return {"window_id": window.pk}


def people(vcenter: VCenter, folder: str) -> dict[str, User]:
    """One of each role; one without; and some who see what is in a folder only."""
    found = {role: factories.user(role, role=role) for role in ("viewer", "operator", "admin")}
    found["nobody"] = factories.user("nobody", is_superuser=False)
    for role in ("viewer", "operator", "admin"):
        found[f"{role} of a folder"] = factories.user(f"{role}-of-folder", role=role)
        factories.scope(found[f"{role} of a folder"], vcenter, folder)
    found["admin of a vCenter"] = factories.user("admin-of-vcenter", role="admin")
    factories.scope(found["admin of a vCenter"], vcenter)
    return found
