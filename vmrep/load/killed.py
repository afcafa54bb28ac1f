"""`script/load killed`: many replications, and every few seconds a worker dies (-9). Each job must
complete once, and each recovery point read as its snapshot did."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from vmrep.chaos.comparing import Broken, require_equal
from vmrep.chaos.lab import LabProcess
from vmrep.lab.control.client import LabControl
from vmrep.load.figures import Report
from vmrep.local import programs
from vmrep.local.folder import DataFolder
from vmrep.local.supervisor import Child, Supervisor

SCENARIO = """
[estate]
task_delay_seconds = 0.05

[[datacenters]]
path = "DC1"
host = "esx1.lab.example.com"
datastores = [{{ name = "datastore1", type = "vmfs_lenient" }}]
networks = ["VM Network"]

[[vms]]
name = "vm"
count = {vms}
disks = [{{ capacity = "18MiB", content = "random", data = "1MiB" }}]
"""
WORKERS = 4
_SETTLED_SECONDS = 180.0


class Wanted(NamedTuple):
    """`jobs` of `vms`, each after the other; a kill every so often on average."""

    jobs: int
    vms: int
    kill_every_seconds: float
    most_seconds: float
    seed: int


class Estate(NamedTuple):
    control: LabControl
    repository: Path
    contexts: list[str]


def run(supervisor: Supervisor, folder: DataFolder, wanted: Wanted) -> Report:
    """Django is set up."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    scenario = folder.path / "scenario.toml"
    scenario.write_text(SCENARIO.format(vms=wanted.vms))
    lab = LabProcess(folder.path / "lab", scenario)
    try:
        estate = _estate(lab, folder)
        workers = _start(supervisor, folder)
        began = time.monotonic()
        killed = _Round(supervisor, workers, wanted).play(estate)
        seconds = time.monotonic() - began
        judged = _judged(estate, wanted)
        told = {"seconds": round(seconds, 1), "seed": wanted.seed, "killed": killed}
        return Report(told | judged.told, judged.wrong)
    finally:
        lab.stop()


def _estate(lab: LabProcess, folder: DataFolder) -> Estate:
    from contexts.models import DiscoveredVM
    from contexts.services import discovery, management, vcenters
    from replication.services import repositories

    lab.control.keep_snapshots()
    fingerprint = vcenters.presented_certificate(lab.host, lab.port)
    vcenter = vcenters.add(
        name="load",
        host=lab.host,
        port=lab.port,
        username=lab.username,
        password=lab.password,
        trust_mode="pin",
        fingerprint_sha256=fingerprint.fingerprint_sha256,
        transport="nfc",
    )
    repository = repositories.add_directory("load", str(folder.repository))
    discovery.run(discovery.request(vcenter, actor="load").pk)
    vms = DiscoveredVM.objects.filter(vcenter=vcenter).order_by("vm_name")
    taken = management.take(vms, repository=repository, actor="load")
    return Estate(lab.control, folder.repository, [context.pk for context in taken])


def _start(supervisor: Supervisor, folder: DataFolder) -> list[Child]:
    """All processes that copies need; returns those that copy, which are not the supervisor's: it
    would take their death for an accident."""
    url = supervisor.environment["VMREP_REDIS_URL"]
    supervisor.start([programs.redis(folder)])
    supervisor.start([programs.control(url), programs.ticking(url), programs.beat()])
    return [_worker(supervisor, number) for number in range(WORKERS)]


def _worker(supervisor: Supervisor, number: int) -> Child:
    url = supervisor.environment["VMREP_REDIS_URL"]
    program = programs.copies(url, name=f"copies-{number}", at_once=1)
    return Child(program, supervisor.environment, supervisor.log_folder)


class _Round:
    def __init__(self, supervisor: Supervisor, workers: list[Child], wanted: Wanted) -> None:
        self._supervisor, self._workers, self._wanted = supervisor, workers, wanted
        self._rng = random.Random(wanted.seed)  # noqa: S311 - load, not secrets
        self._killed = 0

    def play(self, estate: Estate) -> int:
        """Start all jobs, and kill until all have ended, or the time is over; returns how often."""
        try:
            self._play(estate)
        finally:
            for worker in self._workers:
                worker.kill()
        return self._killed

    def _play(self, estate: Estate) -> None:
        until = time.monotonic() + self._wanted.most_seconds
        kill_at = self._next()
        left = Counter({vm: self._wanted.jobs // len(estate.contexts) for vm in estate.contexts})
        while time.monotonic() < until:
            _start_jobs(left)
            if not _active():
                break
            if time.monotonic() >= kill_at:
                self._kill()
                kill_at = self._next()
            self._supervisor.pause()
        self._settle(estate, until)

    def _next(self) -> float:
        return time.monotonic() + self._wanted.kill_every_seconds * self._rng.uniform(0.5, 1.5)

    def _kill(self) -> None:
        number = self._rng.randrange(len(self._workers))
        self._workers[number].kill()
        self._workers[number] = _worker(self._supervisor, number)
        self._killed += 1

    def _settle(self, estate: Estate, until: float) -> None:
        """What the dead left is removed by others."""
        until = max(until, time.monotonic() + _SETTLED_SECONDS)
        while time.monotonic() < until and (_active() or _left(estate)):
            self._supervisor.pause()


def _start_jobs(left: Counter[str]) -> None:
    """The next one of each VM whose last one has ended."""
    from contexts.models import VMContext
    from replication.services import start

    wanted = [vm for vm, number in left.items() if number]
    for context in VMContext.objects.filter(pk__in=wanted, current_job__isnull=True):
        start.start(context, trigger="manual", requested_by="load")
        left[context.pk] -= 1


def _active() -> bool:
    from replication.models import ReplicationJob
    from replication.states import ACTIVE_JOB_STATUSES

    return ReplicationJob.objects.filter(status__in=ACTIVE_JOB_STATUSES).exists()


def _left(estate: Estate) -> list[str]:
    """What ended jobs have left behind."""
    from replication.models import ContextLease, DiskImage, VMSnapshot
    from replication.states import ImageState, SnapshotState

    rows = {
        "snapshots": VMSnapshot.objects.exclude(state=SnapshotState.REMOVED),
        "images": DiskImage.objects.exclude(state=ImageState.COMMITTED),
        "leases": ContextLease.objects.all(),
    }
    found = [f"{name}: {rows[name].count()}" for name in rows if rows[name].exists()]
    there = sum(len(vm["snapshots"]) for vm in estate.control.list_vms())
    return found + ([f"snapshots at the vCenter: {there}"] if there else [])


def _judged(estate: Estate, wanted: Wanted) -> Report:
    from django.db.models import F

    from contexts.models import VMContext
    from replication.integrity import runs
    from replication.integrity.findings import Scope
    from replication.models import DiskImage, RecoveryPoint, ReplicationJob

    jobs = ReplicationJob.objects.all()
    codes = Counter(jobs.values_list("status", flat=True))
    attempts = Counter(jobs.values_list("attempt", flat=True))
    points = RecoveryPoint.objects.count()
    wrong = [f"left behind: {each}" for each in _left(estate)]
    if codes != {"completed": wanted.jobs}:
        wrong.append(f"of {wanted.jobs} jobs: {dict(codes)}")
    if points != wanted.jobs:
        wrong.append(f"{points} recovery points")
    per_vm = wanted.jobs // len(estate.contexts)
    odd = VMContext.objects.exclude(total_jobs_run=per_vm, successful_jobs=F("total_jobs_run"))
    wrong += [f"{vm.pk} counts {vm.successful_jobs} of {vm.total_jobs_run} jobs" for vm in odd[:5]]
    images = list(DiskImage.objects.select_related("disk", "recovery_point").order_by("pk"))
    for image in images:
        try:
            require_equal(estate.control, estate.repository, image)
        except Broken as problem:
            wrong.append(str(problem))
    checked = runs.run_now(Scope(deep=True, quiet=True), actor="load")
    wrong += [f"{each.code}: {each.what}" for each in checked.findings.all()[:5]]
    told: dict[str, object] = {
        "jobs": jobs.count(),
        "statuses": dict(codes),
        "attempts": {str(number): count for number, count in sorted(attempts.items())},
        "images_compared": len(images),
    }
    return Report(told, wrong)
