"""Recovery points, images, files and snapshots that are not what their rows say."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from contexts.vsphere import inventory, snapshots
from replication.models import (
    PointRemoval,
    RecoveryPointHold,
    ReplicaManifest,
    VMSnapshot,
)
from tests import factories
from tests.integrity.conftest import Copy, second_repository
from tests.integrity.damages.doing import (
    LAST_POINT_GONE,
    LONG_AGO,
    POINTS_DIFFER,
    change,
    damage,
    newest_job,
    remove,
)


@damage("point_half_made", *LAST_POINT_GONE)
def _(copy: Copy) -> None:
    change(newest_job(copy.other).recovery_point, state="writing")


@damage("point_differs_from_snapshot", *POINTS_DIFFER)
def _(copy: Copy) -> None:
    point = newest_job(copy.vm).recovery_point
    change(point, consistent_at=point.consistent_at - timedelta(seconds=1))


@damage("point_dated_ahead", *POINTS_DIFFER)
def _(copy: Copy) -> None:
    """By a worker whose clock was six hours ahead."""
    job = newest_job(copy.vm)
    ahead = job.recovery_point.consistent_at + timedelta(hours=6)
    change(job.snapshots.get(), consistent_at=ahead)
    change(job.recovery_point, consistent_at=ahead)


@damage("expired_point_has_files", *LAST_POINT_GONE)
def _(copy: Copy) -> None:
    change(newest_job(copy.other).recovery_point, state="expired")


@damage("hold_of_expired_point", "expired_point_has_files", *LAST_POINT_GONE)
def _(copy: Copy) -> None:
    point = newest_job(copy.other).recovery_point
    RecoveryPointHold.objects.create(recovery_point=point, kind="pin", owner="auditor")
    change(point, state="expired")


@damage("removal_stuck")
def _(copy: Copy) -> None:
    point = copy.images[0].recovery_point
    change(point, state="expiring")
    PointRemoval.objects.create(
        recovery_point=point,
        vm_context=copy.vm,
        why="policy",
        requested_by="auditor",
        state="under_way",
        started_at=timezone.now() - timedelta(days=2),
    )


@damage("point_expiring_for_nobody")
def _(copy: Copy) -> None:
    change(copy.images[0].recovery_point, state="expiring")


@damage("repository_differs", "image_file_missing", "file_without_row", "chain_broken")
def _(copy: Copy) -> None:
    change(copy.images[-1], repository_id=second_repository(copy.folder.parent).pk)


@damage("image_left_over")
def _(copy: Copy) -> None:
    change(copy.images[-1], state="deleting", updated_at=timezone.now() - LONG_AGO)


@damage("chain_broken", "orphan_row", "backing_file_differs")
def _(copy: Copy) -> None:
    change(copy.images[-1], parent_id=4711)


@damage("repository_unavailable")
def _(copy: Copy) -> None:
    (copy.folder / "vmrep-repository.json").unlink()
    copy.file(copy.images[0]).unlink()


@damage("repository_taken")
def _(copy: Copy) -> None:
    other = {"installation": str(uuid4()), "machine": "other", "since": "2026-01-01"}
    (copy.folder / ".vmrep-installation").write_text(json.dumps(other))


@damage("manifest_wrong")
def _(copy: Copy) -> None:
    """It does not say what was written last."""
    change(ReplicaManifest.objects.get(vm_context=copy.vm), digest="0" * 64)


@damage("manifest_not_expected")
def _(copy: Copy) -> None:
    remove(ReplicaManifest.objects.filter(vm_context=copy.other))


@damage("database_older")
def _(copy: Copy) -> None:
    change(ReplicaManifest.objects.get(vm_context=copy.vm), version=0, written_version=0)


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


@damage("digest_differs", "manifest_wrong")
def _(copy: Copy) -> None:
    change(copy.images[0], digest="0f" * 16)


@damage("image_file_changed")
def _(copy: Copy) -> None:
    """In the middle of its content; its header is as it was."""
    file = copy.file(copy.images[-1])
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        opened.write(b"x" * 4096)


@damage("image_opened_elsewhere")
def _(copy: Copy) -> None:
    """As when a VM is started on it."""
    command = ["qemu-io", "-f", "qcow2", "-c", "write 0 64k", copy.file(copy.images[-1])]
    subprocess.run(command, check=True, capture_output=True)


@damage("image_in_doubt")
def _(copy: Copy) -> None:
    """It comes from a backup, with its age."""
    file = copy.file(copy.images[-1])
    shutil.copy2(file, file.with_name("restored"))
    file.with_name("restored").replace(file)


@damage("file_without_row")
def _(copy: Copy) -> None:
    (copy.folder / "someone-else.qcow2").write_bytes(b"precious")


@damage("temporary_file_without_row")
def _(copy: Copy) -> None:
    image = copy.images[0]
    copy.file(image).with_name(f"{copy.file(image).name}.7.tmp").write_bytes(b"left")


@damage("vcenter_not_checked")
def _(copy: Copy) -> None:
    factories.repoint(port=1)


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
