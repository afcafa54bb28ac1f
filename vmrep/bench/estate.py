"""An estate of any size in the database, as if vmrep had looked after it for months.

Every row obeys every rule: for speed the rows bypass the services, but not the database. Only what
is outside the database is missing: vCenters and files (their names end in .invalid, which nobody
can own).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from django.db import connection
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from contexts import crypto
from contexts.models import DiscoveredVM, Discovery, VCenter, VMContext, VMDisk, VMNetworkAdapter
from contexts.models.specs import SPEC_NAMES
from contexts.services import management, records, refresh, vcenters
from contexts.states import ContextStatus, DiscoveryStatus
from contexts.vsphere.records import VmRecord
from replication.models import DiskImage, RecoveryPoint, ReplicaManifest, Repository
from replication.policies import services, settle
from replication.states import JobStatus, RecoveryPointState
from vmrep.bench.bulk import in_bulk
from vmrep.bench.histories import VM, Disk, Histories, Told
from vmrep.bench.loader import Keys, Table, reset_sequences
from vmrep.bench.machines import machine

CONTEXTS_PER_VCENTER = 2500
VMS_AT_ONCE = 100
RPO_TARGETS = (None, None, 3600, 4 * 3600, 24 * 3600)
# How many of a hundred VMs are in which state; the rest are ready for failover.
NEVER_REPLICATED, FAILED, RUNNING, PENDING, UNMANAGED = 2, 2, 1, 1, 1
JOBS_FAILED, JOBS_CANCELLED = 0.03, 0.01


class EstateRefused(Exception):
    """The database already has vCenters."""


@dataclass
class Made:
    contexts: int = 0
    jobs: int = 0


def generate(
    contexts: int,
    jobs: int,
    *,
    into_a_used_database: bool = False,
    seed: int = 1,
    on_progress: Callable[[Made], None] = lambda made: None,
) -> Made:
    """Make that many contexts and, in all, about that many jobs.

    The same seed makes the same estate, except for the times. Raises EstateRefused.
    """
    known = VCenter.objects.count()
    if known and not into_a_used_database:
        raise EstateRefused(
            f"This database already has vCenters ({known}). A generated estate would be mixed up"
            " with them and could not be removed again: use an empty database."
        )
    estate = _Estate(jobs_per_context=jobs / contexts, seed=seed, first=VMContext.objects.count())
    made = Made()
    numbers = range(estate.first, estate.first + contexts)
    with in_bulk():
        for start in range(0, contexts, VMS_AT_ONCE):
            estate.add(numbers[start : start + VMS_AT_ONCE], made)
            on_progress(made)
    reset_sequences(VMDisk, RecoveryPoint, DiskImage, DiscoveredVM)
    _make_their_own()
    _expect_manifests()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")  # as autovacuum would have done in time
    return made


def _make_their_own() -> None:
    """The contexts' targets become their own values, and what is in effect for them is settled."""
    managed = VMContext.objects.filter(unmanaged_at__isnull=True)
    for seconds in filter(None, set(RPO_TARGETS)):
        keys = managed.filter(rpo_target_seconds=seconds).values_list("pk", flat=True)
        services.set_own_targets(keys, seconds, actor="bench")
    while out_of_date := settle.stale(settle.AT_ONCE):
        settle.settle(out_of_date)


def _expect_manifests() -> None:
    """As if the repository, which is not there, had been told of all."""
    points = RecoveryPoint.objects.filter(state=RecoveryPointState.AVAILABLE).order_by()
    ReplicaManifest.objects.bulk_create(
        (
            ReplicaManifest(repository_id=repository, vm_context_id=context)
            for repository, context in points.values_list("repository", "vm_context").distinct()
        ),
        batch_size=1000,
        ignore_conflicts=True,
    )
    at = VMContext.objects.filter(pk=OuterRef("vm_context"))
    ReplicaManifest.objects.update(
        seen_at=Subquery(at.values("updated_at")),
        vcenter_seen_at=Subquery(at.values("vcenter__updated_at")),
    )


class _Estate:
    def __init__(self, *, jobs_per_context: float, seed: int, first: int) -> None:
        self.first = first
        self._jobs_per_context, self._seed = jobs_per_context, seed
        self._now = timezone.now()
        self._vcenter: VCenter | None = None
        self._repository = Repository.objects.get_or_create(
            name="generated", defaults={"config": {"path": "/nonexistent/generated.invalid"}}
        )[0]
        self._disk_keys = Keys(VMDisk)
        self._context = Table(
            VMContext,
            *("context_id", "vcenter_id", "vmware_vm_id", "repository_id", "current_status"),
            *("current_job_id", "last_successful_job_id", "total_jobs_run", "successful_jobs"),
            *("failed_jobs", "cancelled_jobs", "rpo_target_seconds", "unmanaged_at"),
            *("first_job_at", "last_job_at", "last_status_change", "created_at", "updated_at"),
            *SPEC_NAMES,
        )
        self._disk = Table(
            VMDisk,
            *("id", "vm_context_id", "disk_id", "device_key", "created_at", "updated_at"),
            *refresh.DISK_COLUMNS,
        )
        self._adapter = Table(
            VMNetworkAdapter,
            *("vm_context_id", "adapter_id", "device_key", "created_at", "updated_at"),
            *refresh.ADAPTER_COLUMNS,
        )
        self._seen = Table(
            DiscoveredVM,
            *("vcenter_id", "vmware_vm_id", "seen_at", "disks", "networks", "refusals"),
            *SPEC_NAMES,
        )
        self._histories = Histories()

    def add(self, numbers: range, made: Made) -> None:
        for number in numbers:
            if self._vcenter is None or number % CONTEXTS_PER_VCENTER == 0:
                self._vcenter = self._add_vcenter(number)
            made.jobs += self._add_vm(number, self._vcenter)
            made.contexts += 1
        for table in (self._context, self._disk, self._adapter, self._seen):
            table.write()
        self._histories.write()

    def _add_vcenter(self, number: int) -> VCenter:
        vcenter = VCenter(
            name=f"vcenter-{number + 1}",
            host=f"vc{number}.estate.invalid",
            username="vmrep@vsphere.local",
            product="VMware vCenter Server 8.0.3",
            api_version="8.0.3.0",
        )
        crypto.seal(vcenter, vcenters.SEALED, "not the password of anything")
        vcenter.save(force_insert=True)
        Discovery.objects.create(
            vcenter=vcenter,
            status=DiscoveryStatus.COMPLETED,
            requested_by="schedule",
            vms_seen=CONTEXTS_PER_VCENTER,
            vms_total=CONTEXTS_PER_VCENTER,
            started_at=self._now - timedelta(minutes=3),
            completed_at=self._now - timedelta(minutes=2),
        )
        return vcenter

    def _add_vm(self, number: int, vcenter: VCenter) -> int:
        """Add a VM; returns how many jobs it has."""
        random = Random(f"{self._seed} {number}")  # noqa: S311
        record = machine(number, random)
        self._add_seen(record, vcenter)
        taken_at = self._now - timedelta(days=60, seconds=number)
        name = str(record.specs["vm_name"])
        context_id = f"ctx-{management.safe_name(name)}-{taken_at:%Y%m%d-%H%M%S}"
        vm = VM(
            context_id=context_id,
            name=name,
            instance_uuid=str(record.instance_uuid),
            repository_id=self._repository.pk,
            disks=self._add_disks(context_id, record, taken_at),
            statuses=self._statuses(number, random),
            taken_at=taken_at,
            last_job_at=self._now - timedelta(minutes=10 + random.expovariate(1 / 120)),
        )
        told = self._histories.add(vm, random)
        unmanaged_at = self._now if _kind(number) == "unmanaged" else None
        if unmanaged_at:
            self._histories.unmanage(vm, told, unmanaged_at)
        self._add_context(vm, record, vcenter, told, unmanaged_at, random)
        return len(vm.statuses)

    def _add_seen(self, record: VmRecord, vcenter: VCenter) -> None:
        columns = records.columns_of(record)
        devices = [columns.pop(name) for name in ("disks", "networks", "refusals")]
        specs = [columns[name] for name in SPEC_NAMES]
        self._seen.add(vcenter.pk, record.instance_uuid, self._now, *devices, *specs)

    def _add_disks(self, context_id: str, record: VmRecord, at: datetime) -> list[Disk]:
        disks = []
        for disk in record.disks:
            row = Disk(
                self._disk_keys.take(), refresh.disk_id(disk.device_key), disk.capacity_bytes
            )
            values = (getattr(disk, name) for name in refresh.DISK_COLUMNS)
            self._disk.add(row.pk, context_id, row.disk_id, disk.device_key, at, at, *values)
            disks.append(row)
        for nic in record.networks:
            adapter = [getattr(nic, name) for name in refresh.ADAPTER_COLUMNS]
            key = refresh.adapter_id(nic.device_key)
            self._adapter.add(context_id, key, nic.device_key, at, at, *adapter)
        return disks

    def _statuses(self, number: int, random: Random) -> list[str]:
        """The statuses of the VM's jobs, the oldest first."""
        kind = _kind(number)
        if kind == "never replicated":
            return []
        count = max(2, round(self._jobs_per_context * random.uniform(0.6, 1.44)))
        if kind == "failed":
            return [JobStatus.FAILED] * count
        weights = (1 - JOBS_FAILED - JOBS_CANCELLED, JOBS_FAILED, JOBS_CANCELLED)
        ends = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
        chosen = [JobStatus.COMPLETED, *random.choices(ends, weights=weights, k=count - 1)]
        statuses = [str(status) for status in chosen]
        if kind in (JobStatus.RUNNING, JobStatus.PENDING):
            statuses[-1] = str(kind)
        return statuses

    def _add_context(
        self,
        vm: VM,
        record: VmRecord,
        vcenter: VCenter,
        told: Told,
        unmanaged_at: datetime | None,
        random: Random,
    ) -> None:
        columns = refresh.spec_columns(record)
        ended = [
            told.counts[status]
            for status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
        ]
        self._context.add(
            *(vm.context_id, vcenter.pk, vm.instance_uuid, vm.repository_id),
            *(str(ContextStatus(told.status)), told.current_job_id, told.last_successful_job_id),
            *(sum(told.counts.values()), *ended, random.choice(RPO_TARGETS), unmanaged_at),
            *(told.first_job_at, told.last_job_at, told.last_status_change),
            *(vm.taken_at, told.last_status_change),
            *(columns[name] for name in SPEC_NAMES),
        )


def _kind(number: int) -> str:
    """What becomes of the VM with this number."""
    place = number % 100
    for kind, share in _kinds():
        if place < share:
            return kind
        place -= share
    return "ready"


def _kinds() -> Iterator[tuple[str, int]]:
    yield "never replicated", NEVER_REPLICATED
    yield "failed", FAILED
    yield JobStatus.RUNNING, RUNNING
    yield JobStatus.PENDING, PENDING
    yield "unmanaged", UNMANAGED
