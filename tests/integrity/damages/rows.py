"""Contexts, jobs and their figures that say what is not so."""

from __future__ import annotations

from django.db import connection
from django.utils import timezone

from contexts.chain import BEGINNING
from contexts.models import ContextEventHead
from replication.models import (
    RecoveryPoint,
)
from replication.services import start
from tests.integrity.conftest import Copy
from tests.integrity.damages.doing import (
    LAST_POINT_GONE,
    LONG_AGO,
    active_job,
    change,
    damage,
    events_by_force,
    left_lease,
    newest_job,
    remove,
)
from vmrep.trail import triggers
from vmrep.trail.models import Event


@damage("counters_differ")
def _(copy: Copy) -> None:
    change(copy.vm, total_jobs_run=1, successful_jobs=1)


@damage("counters_do_not_add_up")
def _(copy: Copy) -> None:
    change(copy.vm, total_jobs_run=9)


@damage("current_job_not_active", "status_change_without_event")
def _(copy: Copy) -> None:
    vm = copy.vm
    change(
        vm,
        current_job_id=newest_job(vm).pk,
        current_status="replicating",
        total_jobs_run=vm.total_jobs_run + 1,
    )


@damage("active_job_not_current", "counters_differ")
def _(copy: Copy) -> None:
    active_job(copy.vm, "job-stray")


@damage("active_job_of_unmanaged_vm")
def _(copy: Copy) -> None:
    vm = copy.vm
    start.start(vm, trigger="manual", requested_by="ops")
    change(vm, unmanaged_at=timezone.now())


@damage("last_successful_differs")
def _(copy: Copy) -> None:
    change(copy.vm, last_successful_job_id=None)


@damage("status_differs", "status_change_without_event")
def _(copy: Copy) -> None:
    change(copy.vm, current_status="failed")


@damage("times_differ")
def _(copy: Copy) -> None:
    change(copy.vm, last_job_at=None, last_status_change=timezone.now() - LONG_AGO)


@damage("status_change_without_event")
def _(copy: Copy) -> None:
    """With a head that knows of none, either."""
    with events_by_force():
        remove(copy.vm.events.all())
        ContextEventHead.objects.filter(pk=copy.vm.pk).update(number=0, digest=BEGINNING)


@damage("vm_events_altered")
def _(copy: Copy) -> None:
    with events_by_force():
        change(copy.vm.events.latest("id"), actor="nobody")


@damage("newest_point_differs")
def _(copy: Copy) -> None:
    change(copy.vm, newest_recovery_point_at=None)


@damage("usable_point_differs")
def _(copy: Copy) -> None:
    change(copy.vm, usable_recovery_point_at=None)


@damage("newest_point_damage_differs")
def _(copy: Copy) -> None:
    change(copy.vm, newest_point_damaged=True)


@damage("newest_point_repository_differs")
def _(copy: Copy) -> None:
    change(copy.vm, newest_point_repository_id=None)


@damage("undecided_disks_differ")
def _(copy: Copy) -> None:
    change(copy.vm, undecided_disk_count=1)


@damage("point_damage_differs", "newest_point_damage_differs", "usable_point_differs")
def _(copy: Copy) -> None:
    point = newest_job(copy.vm).recovery_point
    change(point, damaged_at=timezone.now(), damage="It is said to be.")


@damage("disk_count_differs")
def _(copy: Copy) -> None:
    change(copy.vm, disk_count=3)


@damage("capacity_differs")
def _(copy: Copy) -> None:
    change(copy.vm, capacity_bytes=1)


@damage("last_job_failed_differs")
def _(copy: Copy) -> None:
    change(copy.vm, last_job_failed=True)


@damage("completed_without_point", "orphan_row", *LAST_POINT_GONE)
def _(copy: Copy) -> None:
    remove(RecoveryPoint.objects.filter(vm_context=copy.other))


@damage("running_step_of_ended_job")
def _(copy: Copy) -> None:
    change(newest_job(copy.vm).steps.first(), status="running", completed_at=None)


@damage("running_job_without_lease")
def _(copy: Copy) -> None:
    job = start.start(copy.vm, trigger="manual", requested_by="ops")
    change(job, status="running", updated_at=timezone.now() - LONG_AGO)


@damage("lease_of_ended_job")
def _(copy: Copy) -> None:
    left_lease(copy.vm, holder_kind="job", job=newest_job(copy.vm))


@damage("lease_left_behind")
def _(copy: Copy) -> None:
    left_lease(copy.vm, holder_kind="clean_up")


@damage("job_bytes_differ")
def _(copy: Copy) -> None:
    change(newest_job(copy.vm), total_bytes=1, bytes_transferred=1)


@damage("job_type_differs")
def _(copy: Copy) -> None:
    change(newest_job(copy.vm), replication_type="initial")


@damage("cbt_history_differs")
def _(copy: Copy) -> None:
    change(newest_job(copy.vm).cbt_history.get(), change_id="52 00/7")


@damage("audit_trail_altered")
def _(copy: Copy) -> None:
    triggers.remove(connection)
    change(Event.objects.latest("number"), actor="nobody")
    triggers.install(connection)
