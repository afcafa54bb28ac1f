"""What a history is about: a vCenter with VMs, a repository with their recovery points; and what
must be true of it, whatever has happened."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.db.models.functions import Now

from contexts.models import DiscoveredVM, VMContext
from contexts.services import discovery, management, vcenters
from replication.engine import tenant
from replication.engine.processes import is_alive
from replication.integrity import runs
from replication.integrity.findings import Scope
from replication.manifests import writing
from replication.models import (
    ContextLease,
    DiskImage,
    ImageDamage,
    ImageMerge,
    PointRemoval,
    RecoveryPoint,
    ReplicaManifest,
    ReplicationJob,
    VMSnapshot,
)
from replication.retention import turns
from replication.scheduler import tick
from replication.services import left_overs, queue, repositories
from replication.states import (
    ACTIVE_JOB_STATUSES,
    ImageState,
    RecoveryPointState,
    RemovalState,
    SnapshotState,
)
from vmrep.chaos import manifests
from vmrep.chaos.comparing import Broken, require_equal
from vmrep.chaos.lab import LabProcess
from vmrep.chaos.worker import Order
from vmrep.chaos.workers import Workers

MOST_ROUNDS = 25
"""How many times everything that is due is done until nothing may be left to do."""


class World:
    """A lab and a repository in a folder, and the rows of them in the database."""

    def __init__(self, folder: Path, workers: Workers, transport: str) -> None:
        self.folder = folder
        self.workers = workers
        self._transport = transport
        self.repository_folder = folder / "repository"
        self.lab = LabProcess(folder / "lab")
        self.control = self.lab.control
        try:
            self._begin()
        except BaseException:
            self.lab.stop()
            raise
        self.compared = 0

    def _begin(self) -> None:
        self.control.keep_snapshots()
        fingerprint = vcenters.presented_certificate(self.lab.host, self.lab.port)
        self.vcenter = vcenters.add(
            name=f"chaos {self.folder.name}",
            host=self.lab.host,
            port=self.lab.port,
            username=self.lab.username,
            password=self.lab.password,
            trust_mode="pin",
            fingerprint_sha256=fingerprint.fingerprint_sha256,
            transport=self._transport,
        )
        self.repository = repositories.add_directory(self.folder.name, str(self.repository_folder))
        self.workers.page.watch(self.repository_folder)
        discovery.run(discovery.request(self.vcenter, actor="chaos").pk)
        vms = DiscoveredVM.objects.filter(vcenter=self.vcenter).order_by("vm_name")
        self.contexts = management.take(vms, repository=self.repository, actor="chaos")

    def close(self) -> None:
        self.lab.stop()

    def points(self, context: VMContext) -> list[RecoveryPoint]:
        """The available ones, oldest first."""
        available = context.recovery_points.filter(state=RecoveryPointState.AVAILABLE)
        return list(available.order_by("pk"))

    # What happens by itself.

    def time_passes(self) -> None:
        """The leases of dead workers run out, what failed may be tried again, and a request for a
        snapshot can no longer arrive late."""
        ContextLease.objects.update(expires_at=Now() - timedelta(seconds=1))
        PointRemoval.objects.exclude(state=RemovalState.DONE).update(next_attempt_at=None)
        ReplicationJob.objects.filter(status__in=ACTIVE_JOB_STATUSES).update(next_attempt_at=None)
        ReplicaManifest.objects.update(next_attempt_at=None)
        long_ago = Now() - left_overs.SNAPSHOT_MAY_COME_FOR - timedelta(seconds=1)
        VMSnapshot.objects.exclude(state=SnapshotState.REMOVED).update(updated_at=long_ago)
        VMSnapshot.objects.filter(state=SnapshotState.INTENDED).update(consistent_at=long_ago)
        tick.tick()

    def settle(self, *, other: bool = False) -> None:
        """Let time pass and workers do what is due, until nothing is left to do."""
        for _ in range(MOST_ROUNDS):
            self.time_passes()
            if not (errands := list(self._due(other=other))):
                return
            for errand in errands:
                self.work(errand, other=other)
        raise Broken(f"after {MOST_ROUNDS} rounds this is still to be done: {errands}")

    def _due(self, *, other: bool) -> Iterator[str]:
        if queue.runnable().exists():
            yield "job"
        if turns.due() and not self._all_wait() and not (other and self._is_written_to()):
            yield "removal"
        if left_overs.contexts_to_clean():
            yield "clean-up"
        if writing.due().exists():
            yield "manifests"

    def _all_wait(self) -> bool:
        """Whether no removal that is left has begun, and each waits for what only time brings: the
        next replication."""
        left = PointRemoval.objects.exclude(state=RemovalState.DONE)
        return not left.exclude(state=RemovalState.WANTED, problem__contains="newest").exists()

    def _is_written_to(self) -> bool:
        """Whether a program of the worker that stands still has an image that is being merged: it
        may go on writing at any time, so that the others wait for its end."""
        merges = ImageMerge.objects.exclude(writer_pid=None)
        return any(
            is_alive(each.writer_pid or 0, each.writer_start_time or 0, each.writer_boot_id)
            for each in merges
        )

    def work(self, errand: str, *, other: bool = False) -> None:
        """An errand to which nothing happens."""
        if not other:  # else the page is that of the worker which stands still
            self.workers.page.arm(None)
        outcome = self.workers.run(Order(errand), other=other)
        if outcome.code:
            raise Broken(f"{errand} ended with {outcome.code}, without a fault:\n{outcome.said}")

    def programs(self) -> list[str]:
        """The programs that use a file of the repository."""
        told = subprocess.run(
            ["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True
        )
        return [
            line
            for line in told.stdout.splitlines()
            if str(self.repository_folder) in line and "qemu-" in line.partition(" ")[0]
        ]

    # What must be true.

    def require_equal(self) -> None:
        """Every available point reads as its snapshot did, byte by byte, by its files' headers."""
        available = DiskImage.objects.filter(
            recovery_point__state=RecoveryPointState.AVAILABLE, repository=self.repository
        )
        for image in available.select_related("disk", "recovery_point").order_by("pk"):
            require_equal(self.control, self.repository_folder, image)
            self.compared += 1

    def require_settled(self) -> None:
        """Nothing is left of any fault: no file, no snapshot, no row; and nothing looks damaged."""
        left = {one for vm in self.control.list_vms() for one in vm["snapshots"]}
        if left:
            raise Broken(f"snapshots are left: {left}")
        for what, rows in {
            "snapshots": VMSnapshot.objects.exclude(state=SnapshotState.REMOVED),
            "images": DiskImage.objects.exclude(state=ImageState.COMMITTED),
            "merges": ImageMerge.objects.all(),
            "leases": ContextLease.objects.all(),
            "removals": PointRemoval.objects.filter(state=RemovalState.UNDER_WAY),
            "jobs": ReplicationJob.objects.filter(status__in=ACTIVE_JOB_STATUSES),
        }.items():
            if found := list(rows[:5]):
                raise Broken(f"{what} are left: {found}")
        self._require_files()
        manifests.require_restorable(self.repository)
        self._require_words()
        run = runs.run_now(Scope(deep=True, quiet=True), actor="chaos")
        if found := list(run.findings.all()):
            words = "\n".join(f"{finding.code}: {finding.what}" for finding in found)
            raise Broken(f"the integrity check finds\n{words}")
        if damages := list(ImageDamage.objects.filter(cleared_at=None).values_list("what")):
            raise Broken(f"what is whole counts as damaged: {damages}")

    def _require_files(self) -> None:
        images = DiskImage.objects.filter(repository=self.repository)
        named = set(images.values_list("locator", flat=True))
        merged = images.exclude(merged_digest="").values_list("locator", flat=True)
        beside = {f"{name}.digests" for name in named} | {f"{name}.merged" for name in merged}
        mapped = images.exclude(map_digest="").values_list("locator", flat=True)
        beside |= {f"{name}.map" for name in mapped}
        told = manifests.files(self.repository, self.repository_folder)
        wanted = named | beside | told | {"vmrep-repository.json"}
        found = {
            str(path.relative_to(self.repository_folder))
            for path in self.repository_folder.rglob("*")
            if path.name != tenant.FILE and (not path.is_dir() or path.suffix == ".tmp")
        }
        if found != wanted:
            raise Broken(f"too much: {sorted(found - wanted)}; missing: {sorted(wanted - found)}")

    def _require_words(self) -> None:
        """Each fault was told by its cause."""
        for row, words in (
            *ReplicationJob.objects.values_list("pk", "error_message"),
            *PointRemoval.objects.values_list("pk", "problem"),
        ):
            if "nexpected error" in words:
                raise Broken(f"{row}: {words}")
