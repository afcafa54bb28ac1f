"""A lab, a vCenter entry, a repository and contexts: what a replication needs, all of it real."""

from __future__ import annotations

import signal
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from pyVim.task import WaitForTask
from pyVmomi import vim

from contexts.models import DiscoveredVM, Discovery, VCenter, VMContext
from contexts.services import discovery, management, vcenters
from contexts.states import DiscoveryStatus, TransportKind
from contexts.vsphere.session import Session
from replication.models import (
    ContextLease,
    DiskImage,
    RecoveryPoint,
    ReplicationJob,
    Repository,
    VMSnapshot,
)
from replication.scheduler import tick
from replication.services import left_overs, repositories, start
from replication.states import ImageState, SnapshotState
from replication.sync import runner
from tests import committed, factories
from tests.engine.support import difference
from tests.sync.nursery import nursery
from vmrep.chaos.comparing import require_mapped
from vmrep.lab import Lab
from vmrep.lab.control.client import LabControl

PASSWORD = "a password of the lab"
MIB = 1 << 20
DISCOVERY_SECONDS = 30


class Estate:
    """A running lab as the vCenter "lab", and the repository "here" in a folder."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.control = LabControl(lab.control_url)
        self.users_snapshots: set[str] = set()
        self.repository_folder = folder / "repository"
        if VCenter.objects.filter(name="lab").exists():
            self._follow()
        else:
            self._add()

    def _add(self) -> None:
        self.control.keep_snapshots()
        self.vcenter = vcenters.add(
            name="lab",
            host=self.lab.host,
            port=self.lab.port,
            username="administrator@vsphere.local",
            password=PASSWORD,
            trust_mode="pin",
            fingerprint_sha256=vcenters.presented_certificate(
                self.lab.host, self.lab.port
            ).fingerprint_sha256,
            transport=TransportKind.DATASTORE,
        )
        self.repository = repositories.add_directory("here", str(self.repository_folder))

    def _follow(self) -> None:
        """The rows are a copy of another estate's, as its lab and its repository are."""
        Repository.objects.update(config={"path": str(self.repository_folder)})
        self.vcenter = factories.repoint(port=self.lab.port)
        self.repository = Repository.objects.get()
        committed.accept_all()

    def discover(self) -> Discovery:
        run = discovery.request(self.vcenter, actor="ops")
        discovery.run(run.pk)  # or a worker of the test was faster: then it goes on there
        run.refresh_from_db()
        deadline = time.monotonic() + DISCOVERY_SECONDS
        while run.status in DiscoveryStatus.active():
            assert time.monotonic() < deadline, f"the discovery stays {run.status}"
            time.sleep(0.05)
            run.refresh_from_db()
        return run

    def take(self, vm_name: str) -> VMContext:
        if not DiscoveredVM.objects.exists():
            self.discover()
        vm = DiscoveredVM.objects.get(vm_name=vm_name)
        return management.take([vm], repository=self.repository, actor="ops")[0]

    def run_job(self, context: VMContext) -> ReplicationJob:
        """Start a job and let this process be its worker, once."""
        job = start.start(context, trigger="manual", requested_by="ops")
        assert runner.run_next() == job.pk
        job.refresh_from_db()
        context.refresh_from_db()
        return job

    def replicate(self, context: VMContext) -> ReplicationJob:
        """A job that must succeed, leave nothing behind, and make an equal copy."""
        job = self.run_job(context)
        assert job.status == "completed", job.error_message
        self.assert_equal_to_snapshot(job.recovery_point)
        self.assert_nothing_left_over(context)
        return job

    def assert_equal_to_snapshot(self, point: RecoveryPoint) -> None:
        """Byte by byte, for every disk, against what the lab kept of the job's snapshot."""
        images = list(point.images.select_related("disk", "repository"))
        assert len(images) == point.disk_count > 0
        for image in images:
            raw = self.control.kept_content(image.snapshot_moref, image.disk.device_key)
            file = Path(image.repository.config["path"]) / image.locator
            assert difference(file, raw) is None, image.locator
            require_mapped(raw, image)

    def assert_nothing_left_over(self, context: VMContext) -> None:
        """No snapshot of vmrep's at the vCenter, all of the users', and exactly the files that
        committed images name."""
        left = {one for vm in self.control.list_vms() for one in vm["snapshots"]}
        assert left == self.users_snapshots
        assert not VMSnapshot.objects.exclude(state=SnapshotState.REMOVED).exists()
        assert not DiskImage.objects.exclude(state=ImageState.COMMITTED).exists()
        assert not ContextLease.objects.exists()
        named = {image.locator for image in DiskImage.objects.all()}
        found = {
            str(path.relative_to(self.repository_folder))
            for path in self.repository_folder.rglob("*")
            if path.is_file()
        }
        merged = DiskImage.objects.exclude(merged_digest="").values_list("locator", flat=True)
        mapped = DiskImage.objects.exclude(map_digest="").values_list("locator", flat=True)
        beside = {f"{name}.digests" for name in named} | {f"{name}.merged" for name in merged}
        beside |= {f"{name}.map" for name in mapped}
        # While workers run, they may be writing some.
        found = {name for name in found if "/.vmrep-" not in f"/{name}"}
        assert found == named | beside | {"vmrep-repository.json"}

    def users_snapshot(self, vm_name: str, name: str = "by hand") -> str:
        """Take a snapshot that stays: it is not vmrep's."""
        moref = self.control.take_snapshot(vm_name, name)
        self.users_snapshots.add(moref)
        return moref

    def daemons(self) -> list[int]:
        """The processes that serve an image of the repository."""
        running = subprocess.run(
            ["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True
        ).stdout
        return [
            int(pid)
            for pid, _, command in (line.strip().partition(" ") for line in running.splitlines())
            if command.startswith("qemu-storage-daemon") and str(self.repository_folder) in command
        ]

    def add_disk(self, context: VMContext, size_bytes: int = 4 * MIB) -> None:
        """Hot-add an empty disk to the VM."""
        disk = vim.vm.device.VirtualDisk(key=-1, capacityInBytes=size_bytes)
        disk.capacityInKB = size_bytes // 1024
        disk.backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
            fileName="", diskMode="persistent", thinProvisioned=True
        )
        self._reconfigure(context, "add", disk, fileOperation="create")

    def remove_disk(self, context: VMContext, device_key: int) -> None:
        """Hot-remove a disk from the VM."""
        disk = vim.vm.device.VirtualDisk(key=device_key)
        self._reconfigure(context, "remove", disk)

    def _reconfigure(self, context: VMContext, operation: str, disk: Any, **how: object) -> None:
        change = vim.vm.device.VirtualDeviceSpec(operation=operation, device=disk, **how)
        with Session(vcenters.endpoint(self.vcenter)) as session:
            vm = session.object(vim.VirtualMachine, context.moref)
            WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change])))

    def worker_that_dies(self, point: str, exit_code: int = -signal.SIGKILL) -> None:
        """Another process takes the next job and kills itself (-9) at that point."""
        told = (point, str(settings.NBD_COMMANDS))
        code, stderr = nursery(database_url()).run("tests.sync.worker_that_dies", *told)
        assert code == exit_code, stderr

    def worker_of(self, context: VMContext, point: str) -> None:
        """A job of the VM, whose worker kills itself (-9) at that point."""
        start.start(context, trigger="manual", requested_by="ops")
        self.worker_that_dies(point)

    def take_over(self) -> None:
        """As if 40 seconds had passed: the dead worker's lease has run out, the tick comes."""
        ContextLease.objects.update(expires_at=Now() - timedelta(seconds=1))
        tick.tick()

    def minutes_later(self) -> None:
        """As if so many minutes had passed that no request is under way any more, and the clean-up
        may look again."""
        long_ago = Now() - left_overs.SNAPSHOT_MAY_COME_FOR
        left = VMSnapshot.objects.exclude(state=SnapshotState.REMOVED)
        left.update(consistent_at=long_ago, updated_at=long_ago)


def database_url() -> str:
    """This test's own database, as another process finds it."""
    at = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{at['NAME']}"
    host, name = at["HOST"], at["NAME"]
    login = f"{at['USER']}:{at['PASSWORD']}" if at["USER"] else ""
    if host.startswith("/"):
        return f"postgres://{login}@/{name}?host={host}"
    return f"postgres://{login}@{host}:{at['PORT']}/{name}"


def try_again(job: ReplicationJob) -> ReplicationJob:
    """Let the job begin its next attempt now, in this process."""
    ReplicationJob.objects.filter(pk=job.pk).update(next_attempt_at=None)
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    return job


def work() -> None:
    runner.run_next()
    connection.close()
