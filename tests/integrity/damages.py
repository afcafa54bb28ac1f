"""One way to damage a copy for each code of the audit; what else it must find is in `ALSO`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from contexts.models import ContextEvent, VCenter, VMContext, VMDisk, VMNetworkAdapter
from contexts.vsphere import inventory, snapshots
from replication.models import (
    ContextLease,
    DiskImage,
    JobStep,
    RecoveryPoint,
    RecoveryPointHold,
    ReplicationJob,
    VMSnapshot,
)
from replication.services import start
from tests.integrity import copies
from tests.integrity.conftest import Copy, second_repository

Damage = Callable[[Copy], object]
DAMAGES: dict[str, Damage] = {}
"""By code."""
BROKEN: dict[str, Damage] = {}
"""By the rule that is broken, or the column that points at nothing: for the generic check alone."""
# What follows from a damage beside the finding that it is for. (A lawless copy has no triggers:
# figures of a context stay what they were.)
ALSO: dict[str, set[str]] = {}
LONG_AGO = timedelta(days=2)


def damage(code: str, *also: str) -> Callable[[Damage], Damage]:
    def register(do: Damage) -> Damage:
        DAMAGES[code], ALSO[code] = do, set(also)
        return do

    return register


def breaks(rule: str, *also: str) -> Callable[[Damage], Damage]:
    def register(do: Damage) -> Damage:
        BROKEN[rule], ALSO[rule] = do, set(also)
        return do

    return register


def change(row: Any, **columns: Any) -> None:
    """As somebody does who writes to the database past vmrep."""
    type(row).objects.filter(pk=row.pk).update(**columns)


def remove(rows: Any) -> None:
    rows._raw_delete(rows.db)


def again(row: Any, **columns: Any) -> Any:
    """The same row once more under another key."""
    values = {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if not field.primary_key and not field.generated
    }
    return type(row).objects.create(**values | columns)


def newest_job(context: VMContext) -> ReplicationJob:
    return context.jobs.filter(status="completed").latest("created_at")


def oldest_job(context: VMContext) -> ReplicationJob:
    return context.jobs.filter(status="completed").earliest("created_at")


def active_job(context: VMContext, name: str) -> ReplicationJob:
    return again(newest_job(context), id=name, status="pending", completed_at=None)


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


@breaks("job_one_active_per_context", "counters_differ")
def _(copy: Copy) -> None:
    vm = copy.vm
    start.start(vm, trigger="manual", requested_by="ops")
    active_job(vm, "job-second")


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
    remove(ContextEvent.objects.filter(vm_context=copy.vm))


@damage("newest_point_differs")
def _(copy: Copy) -> None:
    change(copy.vm, newest_recovery_point_at=None)


@damage("disk_count_differs")
def _(copy: Copy) -> None:
    change(copy.vm, disk_count=3)


@damage("capacity_differs")
def _(copy: Copy) -> None:
    change(copy.vm, capacity_bytes=1)


@damage("last_job_failed_differs")
def _(copy: Copy) -> None:
    change(copy.vm, last_job_failed=True)


@breaks("replication_jobs.vm_context_id", "last_successful_differs")
def _(copy: Copy) -> None:
    change(newest_job(copy.other), vm_context_id="ctx-gone")


@damage("completed_without_point", "orphan_row", "status_differs", "newest_point_differs")
def _(copy: Copy) -> None:
    remove(RecoveryPoint.objects.filter(vm_context=copy.other))


@damage("running_step_of_ended_job")
def _(copy: Copy) -> None:
    change(newest_job(copy.vm).steps.first(), status="running", completed_at=None)


@damage("running_job_without_lease")
def _(copy: Copy) -> None:
    job = start.start(copy.vm, trigger="manual", requested_by="ops")
    change(job, status="running", updated_at=timezone.now() - LONG_AGO)


def _lease(context: VMContext, **columns: Any) -> None:
    past = timezone.now() - LONG_AGO
    ContextLease.objects.create(
        vm_context=context, holder="host:1", acquired_at=past, expires_at=past, **columns
    )


@damage("lease_of_ended_job")
def _(copy: Copy) -> None:
    _lease(copy.vm, holder_kind="job", job=newest_job(copy.vm))


@damage("lease_left_behind")
def _(copy: Copy) -> None:
    _lease(copy.vm, holder_kind="clean_up")


@breaks("lease_job_is_of_its_context", "lease_of_ended_job")
def _(copy: Copy) -> None:
    _lease(copy.vm, holder_kind="job", job=newest_job(copy.other))


@damage("job_bytes_differ")
def _(copy: Copy) -> None:
    change(newest_job(copy.vm), total_bytes=1, bytes_transferred=1)


@damage("job_type_differs")
def _(copy: Copy) -> None:
    change(newest_job(copy.vm), replication_type="initial")


@damage("cbt_history_differs")
def _(copy: Copy) -> None:
    change(newest_job(copy.vm).cbt_history.get(), change_id="52 00/7")


@breaks("cbt_job_is_of_its_context")
def _(copy: Copy) -> None:
    change(newest_job(copy.vm).cbt_history.get(), vm_context_id=copy.other.pk)


@breaks("image_job_is_of_its_context")
def _(copy: Copy) -> None:
    change(copy.images[-1], vm_context_id=copy.other.pk)


@breaks("point_job_is_of_its_context", "newest_point_differs")
def _(copy: Copy) -> None:
    change(newest_job(copy.vm).recovery_point, vm_context_id=copy.other.pk)


@breaks("snapshot_job_is_of_its_context")
def _(copy: Copy) -> None:
    change(VMSnapshot.objects.filter(vm_context=copy.vm).first(), vm_context_id=copy.other.pk)


@breaks("event_job_is_of_its_context")
def _(copy: Copy) -> None:
    job = newest_job(copy.other)
    change(ContextEvent.objects.filter(vm_context=copy.vm).first(), job_id=job.pk)


@breaks("point_has_an_image_of_each_disk", "file_without_row")
def _(copy: Copy) -> None:
    remove(DiskImage.objects.filter(pk=copy.images[-1].pk))


@breaks(
    "point_job_completed",
    "last_successful_differs",
    "counters_differ",
    "last_job_failed_differs",
)
def _(copy: Copy) -> None:
    change(newest_job(copy.vm), status="failed", error_message="it was not")


@damage("point_half_made", "status_differs", "newest_point_differs")
def _(copy: Copy) -> None:
    change(newest_job(copy.other).recovery_point, state="writing")


@damage("point_differs_from_snapshot", "newest_point_differs")
def _(copy: Copy) -> None:
    point = newest_job(copy.vm).recovery_point
    change(point, consistent_at=point.consistent_at - timedelta(seconds=1))


@damage("point_dated_ahead", "newest_point_differs")
def _(copy: Copy) -> None:
    """By a worker whose clock was six hours ahead."""
    job = newest_job(copy.vm)
    ahead = job.recovery_point.consistent_at + timedelta(hours=6)
    change(job.snapshots.get(), consistent_at=ahead)
    change(job.recovery_point, consistent_at=ahead)


@damage("expired_point_has_files", "status_differs", "newest_point_differs")
def _(copy: Copy) -> None:
    change(newest_job(copy.other).recovery_point, state="expired")


@damage(
    "hold_of_expired_point", "expired_point_has_files", "status_differs", "newest_point_differs"
)
def _(copy: Copy) -> None:
    point = newest_job(copy.other).recovery_point
    RecoveryPointHold.objects.create(recovery_point=point, kind="pin", owner="auditor")
    change(point, state="expired")


@damage("repository_differs", "image_file_missing", "file_without_row", "chain_broken")
def _(copy: Copy) -> None:
    change(copy.images[-1], repository_id=second_repository(copy.folder.parent).pk)


@damage("image_left_over")
def _(copy: Copy) -> None:
    change(copy.images[-1], state="deleting", updated_at=timezone.now() - LONG_AGO)


@damage("chain_broken", "orphan_row", "backing_file_differs")
def _(copy: Copy) -> None:
    change(copy.images[-1], parent_id=4711)


@breaks("disk_key_once_per_context", "disk_count_differs", "capacity_differs")
def _(copy: Copy) -> None:
    again(VMDisk.objects.filter(vm_context=copy.vm).get())


@breaks("adapter_key_once_per_context")
def _(copy: Copy) -> None:
    again(VMNetworkAdapter.objects.filter(vm_context=copy.vm).get())


@breaks("disk_id_is_its_key")
def _(copy: Copy) -> None:
    change(VMDisk.objects.filter(vm_context=copy.vm).get(), device_key=2999)


@damage("database_damaged")
def _(copy: Copy) -> None:
    change(copy.vm, rpo_target_seconds=-5)
    if connection.vendor == "postgresql":
        copies.execute(
            "ALTER TABLE vm_replication_contexts"
            " ADD CONSTRAINT rpo_possible CHECK (rpo_target_seconds >= 0) NOT VALID"
        )


@damage("orphan_row")
def _(copy: Copy) -> None:
    JobStep.objects.filter(pk=JobStep.objects.first().pk).update(job_id="job-gone")


@damage("row_breaks_rule")
def _(copy: Copy) -> None:
    change(newest_job(copy.vm), trigger="whim")


@damage("constraint_missing")
def _(copy: Copy) -> None:
    """All of them were taken out of every copy."""


@damage("system_check_failed")
def _(copy: Copy) -> None:
    """A check of the database that fails, as that of missing triggers does."""
    copy.complain("A trigger is missing.")


@damage("check_broke_off")
def _(copy: Copy) -> None:
    copies.execute("ALTER TABLE job_steps DROP COLUMN message")


@damage("repository_unavailable")
def _(copy: Copy) -> None:
    (copy.folder / "vmrep-repository.json").unlink()
    copy.file(copy.images[0]).unlink()


@damage("image_file_missing")
def _(copy: Copy) -> None:
    copy.file(copy.images[0]).unlink()


@damage("image_file_damaged")
def _(copy: Copy) -> None:
    copy.file(copy.images[0]).write_bytes(b"QFI\xfb" + b"\xff" * 4096)


@damage("image_size_differs")
def _(copy: Copy) -> None:
    change(copy.images[-1], capacity_bytes=65 << 20)


@damage("backing_file_differs")
def _(copy: Copy) -> None:
    change(copy.images[-1], parent_id=None)


@damage("digest_differs")
def _(copy: Copy) -> None:
    change(copy.images[0], digest="0f" * 16)


@damage("file_without_row")
def _(copy: Copy) -> None:
    (copy.folder / "someone-else.qcow2").write_bytes(b"precious")


@damage("temporary_file_without_row")
def _(copy: Copy) -> None:
    image = copy.images[0]
    copy.file(image).with_name(f"{copy.file(image).name}.7.tmp").write_bytes(b"left")


@damage("vcenter_not_checked")
def _(copy: Copy) -> None:
    VCenter.objects.update(port=1)


@damage("snapshot_without_row")
def _(copy: Copy) -> None:
    row = VMSnapshot.objects.filter(vm_context=copy.vm, state="removed").first()
    with copy.session() as session:
        vm = inventory.read_vm(session, copy.vm.vmware_vm_id)
        snapshots.create(session, vm.moref, row.name, "", quiesce=False)


@damage("snapshot_row_without_snapshot")
def _(copy: Copy) -> None:
    row = VMSnapshot.objects.filter(vm_context=copy.vm).first()
    change(row, state="created", removed_at=None)


@damage("snapshot_left_over", "point_dated_ahead")
def _(copy: Copy) -> None:
    job = newest_job(copy.vm)
    change(job, completed_at=timezone.now() - LONG_AGO)
    row = VMSnapshot.objects.filter(job=job).get()
    change(row, state="intended", moref="", problem="The vCenter refused.")


@breaks("cbt_disk_is_of_its_context", "cbt_history_differs")
def _(copy: Copy) -> None:
    disk = VMDisk.objects.filter(vm_context=copy.other).first()
    change(newest_job(copy.vm).cbt_history.get(), disk_id=disk.pk)


@breaks("image_disk_is_of_its_context", "chain_broken", "cbt_history_differs")
def _(copy: Copy) -> None:
    change(copy.images[-1], disk_id=VMDisk.objects.filter(vm_context=copy.other).first().pk)


@breaks("image_point_is_of_its_context")
def _(copy: Copy) -> None:
    change(copy.images[-1], recovery_point_id=newest_job(copy.other).recovery_point.pk)


@breaks("adapter_id_is_its_key")
def _(copy: Copy) -> None:
    change(VMNetworkAdapter.objects.filter(vm_context=copy.vm).get(), device_key=4999)


@breaks("image_has_the_one_before_it", "file_without_row", "job_bytes_differ")
def _(copy: Copy) -> None:
    remove(newest_job(copy.other).images.filter(position=1))
