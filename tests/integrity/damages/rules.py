"""Rows that break a rule of the database, and a database that has none to break."""

from __future__ import annotations

from django.db import connection

from contexts.models import ContextEvent, VMDisk, VMNetworkAdapter
from replication.models import (
    DiskImage,
    JobStep,
    VMSnapshot,
)
from replication.services import start
from tests.integrity import copies
from tests.integrity.conftest import Copy
from tests.integrity.damages.doing import (
    POINTS_DIFFER,
    active_job,
    again,
    breaks,
    change,
    damage,
    events_by_force,
    left_lease,
    newest_job,
    remove,
)


@breaks("job_one_active_per_context", "counters_differ")
def _(copy: Copy) -> None:
    vm = copy.vm
    start.start(vm, trigger="manual", requested_by="ops")
    active_job(vm, "job-second")


@breaks("replication_jobs.vm_context_id", "last_successful_differs")
def _(copy: Copy) -> None:
    change(newest_job(copy.other), vm_context_id="ctx-gone")


@breaks("lease_job_is_of_its_context", "lease_of_ended_job")
def _(copy: Copy) -> None:
    left_lease(copy.vm, holder_kind="job", job=newest_job(copy.other))


@breaks("cbt_job_is_of_its_context")
def _(copy: Copy) -> None:
    change(newest_job(copy.vm).cbt_history.get(), vm_context_id=copy.other.pk)


@breaks("image_job_is_of_its_context")
def _(copy: Copy) -> None:
    change(copy.images[-1], vm_context_id=copy.other.pk)


@breaks("point_job_is_of_its_context", *POINTS_DIFFER)
def _(copy: Copy) -> None:
    change(newest_job(copy.vm).recovery_point, vm_context_id=copy.other.pk)


@breaks("snapshot_job_is_of_its_context")
def _(copy: Copy) -> None:
    change(VMSnapshot.objects.filter(vm_context=copy.vm).first(), vm_context_id=copy.other.pk)


@breaks("event_job_is_of_its_context", "vm_events_altered")
def _(copy: Copy) -> None:
    job = newest_job(copy.other)
    with events_by_force():
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
