"""Recovery points, repositories, records, and their checks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from replication.integrity import mend, runs
from replication.integrity.findings import Scope
from replication.models import PointRemoval
from replication.retention import services as retention
from replication.retention import steps, wanted
from replication.retention.choose import Rules
from replication.services import (
    leases,
    old_jobs,
    old_points,
    removal,
    repositories,
)
from replication.states import LeaseHolder
from tests import factories
from tests.trail.acts.register import BY, act


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
