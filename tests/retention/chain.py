"""A VM's recovery points of every shape, made once per process by real replications.

| point | disk 1 | disk 2 |
|---|---|---|
| 1 | root | root |
| 2 | overlay | overlay |
| 3 | overlay | overlay of a disk that has grown, compared whole |
| 4 | overlay | left out |
| 5 | overlay | overlay on point 3's |
| 6 | new root | new root |
| 7 | overlay | overlay |
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db.models.functions import Now

from contexts.models import VMContext
from contexts.services import protection
from replication.integrity.findings import Scope
from replication.integrity.look import find
from replication.models import (
    ContextLease,
    DiskImage,
    ImageMerge,
    PointRemoval,
    RecoveryPoint,
    ReplicationJob,
)
from replication.retention import run, services
from replication.services import left_overs, start
from replication.states import RecoveryPointState, RemovalState, SyncRequest
from replication.sync import cleanup, runner
from tests import committed
from tests.engine.support import same_by_qemu
from tests.kept_rows import KeptRows
from tests.labs import copy_sparsely
from tests.sync.estate import MIB, PASSWORD, Estate
from vmrep.lab import Lab

VM, DISK1, DISK2 = "small2", 2000, 2001


class Chain:
    """The estate with that VM."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.context = VMContext.objects.get(vm_name=VM)
        points = RecoveryPoint.objects.filter(vm_context=self.context).order_by("pk")
        self._keys = dict(enumerate(points.values_list("pk", flat=True), start=1))

    def point(self, number: int) -> RecoveryPoint:
        return RecoveryPoint.objects.get(pk=self._keys[number])

    def file(self, number: int, device_key: int = DISK1) -> Path:
        image = DiskImage.objects.get(
            recovery_point=self._keys[number], disk__device_key=device_key
        )
        return self.estate.repository_folder / image.locator

    def want(self, *numbers: int) -> None:
        for number in numbers:
            services.delete(self.point(number), actor="ops")

    def remove(self, *numbers: int) -> None:
        """Ask for it, and let this process be the worker."""
        self.want(*numbers)
        assert run.run_next() == self.context.pk
        for number in numbers:
            assert self.point(number).state == RecoveryPointState.EXPIRED, self.problems()

    def problems(self) -> list[str]:
        return list(PointRemoval.objects.exclude(problem="").values_list("problem", flat=True))

    def time_passes(self) -> None:
        """The lease of whoever was killed has run out, and what failed may be tried again."""
        ContextLease.objects.update(expires_at=Now())
        PointRemoval.objects.update(next_attempt_at=None)

    def require_equal(self, *left_out: int) -> None:
        """Every available point reads as the lab kept it, as its files' headers say."""
        for number, key in self._keys.items():
            point = RecoveryPoint.objects.get(pk=key)
            if point.state == RecoveryPointState.AVAILABLE and number not in left_out:
                self.require_equal_point(point)

    def require_equal_point(self, point: RecoveryPoint) -> None:
        images = list(point.images.select_related("disk"))
        assert len(images) == point.disk_count
        for image in images:
            raw = self.estate.control.kept_content(image.snapshot_moref, image.disk.device_key)
            file = self.estate.repository_folder / image.locator
            assert same_by_qemu(file, raw), f"{point.pk}: {image.locator}"

    def clean(self) -> None:
        for context_id in left_overs.contexts_to_clean():
            cleanup.clean_context(context_id)

    def require_settled(self) -> None:
        """Nothing is left of any removal, and all is as the rows say."""
        self.clean()
        assert not PointRemoval.objects.exclude(state=RemovalState.DONE).exists(), self.problems()
        assert not ImageMerge.objects.exists()
        self.estate.assert_nothing_left_over(self.context)
        self.require_equal()
        assert self.findings() == set()

    def findings(self) -> set[str]:
        return {finding.code for finding in find(Scope(deep=True, quiet=True))}

    def replicate(self) -> ReplicationJob:
        """The next job: incremental, and equal."""
        self.estate.control.fill(VM, DISK1, 3 * MIB, MIB, seed="after")
        job = self.estate.run_job(self.context)
        assert job.status == "completed", job.error_message
        assert job.replication_type == "incremental"
        self.estate.assert_equal_to_snapshot(job.recovery_point)
        return job


class Made:
    """The estate that is copied; it is made when it is first wanted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: KeptRows | None = None

    @contextmanager
    def copied(self, folder: Path) -> Iterator[Chain]:
        """Nothing may be in the database; afterwards, anything may."""
        if self._rows is None:
            self._make()
        for name in ("lab", "repository"):
            copy_sparsely(self._folder / name, folder / name)
        self._rows.bring_back()
        with _lab(folder) as lab:
            estate = Estate(lab, folder)
            committed.tell_repositories()
            yield Chain(estate)

    def _make(self) -> None:
        with _lab(self._folder) as lab:
            estate = Estate(lab, self._folder)
            context = estate.take(VM)
            for number in range(1, 8):
                _change(estate, context, number)
                asked = SyncRequest.INITIAL if number == 6 else SyncRequest.AS_NEEDED
                job = start.start(
                    context, trigger="manual", requested_by="ops", requested_sync=asked
                )
                assert runner.run_next() == job.pk
                job.refresh_from_db()
                assert job.status == "completed", job.error_message
                context.refresh_from_db()
        self._rows = KeptRows(self._folder / "rows.sqlite3")
        types = [_types(point) for point in RecoveryPoint.objects.order_by("pk")]
        assert types == [
            *(["initial"] * 2, ["incremental"] * 2, ["incremental", "checksum"]),
            *(["incremental"], ["incremental", "incremental"]),
            *(["initial"] * 2, ["incremental"] * 2),
        ]


def _change(estate: Estate, context: VMContext, number: int) -> None:
    """What happens to the disks before that point is made."""
    control = estate.control
    if number == 3:
        control.set_disk(VM, DISK2, capacity_bytes=24 * MIB)
    elif number == 4:
        control.set_disk(VM, DISK2, mode="independent_persistent")
        estate.discover()
        protection.leave_out(context.disks.get(device_key=DISK2), actor="ops")
    elif number == 5:
        control.set_disk(VM, DISK2, mode="persistent")
        estate.discover()
    for disk, places in ((DISK1, (2, 10 + number)), (DISK2, (1, 5 + number))):
        for place in places:
            control.fill(VM, disk, place * MIB + 4096 * number, 300_000, seed=f"{number} {place}")


def _types(point: RecoveryPoint) -> list[str]:
    return list(point.images.order_by("disk__device_key").values_list("sync_type", flat=True))


def _lab(folder: Path) -> Lab:
    return Lab(folder / "lab", "small", password=PASSWORD)
