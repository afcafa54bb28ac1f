"""Everything that can happen to contexts and jobs, in any order, against the model in `estate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from contexts.errors import ContextError
from contexts.models import ContextEvent, DiscoveredVM, VMContext
from contexts.services import discovery, identity, management
from contexts.states import ContextStatus
from contexts.vsphere.lineage import Lineage
from contexts.vsphere.records import InventoryPage, VmRecord
from replication.errors import JobCancelled
from replication.integrity.findings import Scope
from replication.integrity.look import CHECKS
from replication.models import (
    ContextLease,
    DiskImage,
    Place,
    RecoveryPoint,
    ReplicationJob,
    VMSnapshot,
)
from replication.services import cancel, finish, leases, old_jobs, places, queue, removal, start
from replication.services.leases import Lease
from replication.services.results import SealedDisk
from replication.states import ImageState, SnapshotState
from tests import factories
from tests.model.estate import VM, Job, Record

NAMES = ("web", "db", "<b>web</b>", "")
CPU_COUNTS = (1, 2, None)
CHANGES = (
    *("clone", "rename", "reconfigure", "leave or come back", "register anew"),
    "new instance UUID",
)
# What a worker does with its job: mostly it goes well.
DEEDS = ("complete", "complete", "complete", "fail", "try again", "die", "progress", "cancel")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MOST_VMS = 5
# The checks that need no files and no vCenter: there are none here.
DATABASE_CHECKS = [
    check
    for check in CHECKS
    if not check.find.__module__.endswith((".files", ".snapshots", ".database", ".rules"))
]


def as_read(vm: VM) -> VmRecord:
    """The VM as a discovery reads it."""
    return factories.vm_record(
        vm.name,
        instance_uuid=vm.uuid,
        moref=vm.moref,
        bios_uuid=vm.bios_uuid,
        vmx_path=f"[ds] {vm.bios_uuid}.vmx",
        cpu_count=vm.cpu_count,
        disks=[factories.disk_record(disk_uuid=f"disk of {vm.bios_uuid}")],
    )


@contextmanager
def refused() -> Iterator[None]:
    """The body is refused, and changes nothing."""
    with pytest.raises(ContextError), transaction.atomic():
        yield


class ContextMachine(RuleBasedStateMachine):
    """One example is one transaction, rolled back at its end; what the database checks at COMMIT
    is checked after each step instead."""

    steps_run = 0

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.vcenter = factories.vcenter()
        self.repository = factories.repository(path=folder)
        self.vms: list[VM] = []
        self.leases: dict[str, Lease] = {}
        self.started: list[str] = []

    def teardown(self) -> None:
        try:
            found = [finding for check in DATABASE_CHECKS for finding in check.find(Scope())]
            assert not found, [f"{finding.code}: {finding.what}" for finding in found]
        finally:
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    # --- choosing

    def records(self) -> list[Record]:
        return [vm.record for vm in self.vms if vm.record]

    def jobs(self, wanted: Callable[[Job], bool]) -> list[tuple[Record, Job]]:
        return [
            (record, job)
            for record in self.records()
            for job in record.jobs.values()
            if wanted(job)
        ]

    def some_vm(self, data: Any, wanted: Callable[[VM], object] = lambda vm: True) -> VM:
        vms: list[VM] = [vm for vm in self.vms if wanted(vm)]
        return data.draw(st.sampled_from(range(len(vms))).map(vms.__getitem__), label="VM")

    def some_job(self, data: Any, wanted: Callable[[Job], bool]) -> tuple[Record, Job]:
        found = self.jobs(wanted)
        return data.draw(st.sampled_from(range(len(found))).map(found.__getitem__), label="job")

    def context(self, record: Record) -> VMContext:
        return VMContext.objects.get(pk=record.context_id)

    def discovered(self, vm: VM) -> DiscoveredVM:
        return DiscoveredVM.objects.get(vcenter=self.vcenter, vmware_vm_id=vm.seen_uuid)

    # --- the vCenter's own life, which vmrep does not see until it looks

    @initialize(names=st.lists(st.sampled_from(NAMES), min_size=2, max_size=3))
    def some_vms_are_under_management(self, names: list[str]) -> None:
        self.vms = [VM(name) for name in names]
        self.discover()
        for vm in self.vms:
            self.take(vm)

    @rule(data=st.data(), change=st.sampled_from(CHANGES))
    def the_vcenter_changes(self, data: Any, change: str) -> None:
        vm = self.some_vm(data)
        if change == "clone" and len(self.vms) < MOST_VMS:
            self.vms.append(VM(vm.name))
        elif change == "rename":
            vm.name = data.draw(st.sampled_from(NAMES))
        elif change == "reconfigure":
            vm.cpu_count = data.draw(st.sampled_from(CPU_COUNTS))
        elif change == "leave or come back":
            vm.present = not vm.present
        elif change == "register anew" and vm.uuid == vm.seen_uuid and not vm.is_someone_new:
            vm.moref += "-again"
        elif change == "new instance UUID" and self.can_change_uuid(vm):
            vm.uuid += "-new"

    def can_change_uuid(self, vm: VM) -> bool:
        """It is told apart by its reference, which its context must know."""
        seen_as_it_is = (vm.seen_uuid, vm.seen_moref) == (vm.uuid, vm.moref)
        known = vm.record is not None and (vm.record.uuid, vm.record.moref) == (vm.uuid, vm.moref)
        return known and seen_as_it_is and vm.present and not vm.gone

    # --- discovery and management

    @rule()
    def discover(self) -> None:
        present = [as_read(vm) for vm in self.vms if vm.present]
        pages = [InventoryPage(tuple(present[at : at + 2])) for at in range(0, len(present), 2)]
        for _ in discovery.store(self.vcenter, pages):
            pass
        for vm in self.vms:
            if vm.seen_uuid or vm.present:
                vm.be_seen()

    @rule(data=st.data())
    def take_one(self, data: Any) -> None:
        vm = self.some_vm(data)
        if vm.seen_uuid:
            self.take(vm)

    def take(self, vm: VM) -> None:
        vms = [self.discovered(vm)]
        if vm.gone or vm.is_someone_new:
            with refused():
                management.take(vms, repository=self.repository, actor="ann")
            return
        (context,) = management.take(vms, repository=self.repository, actor="ann")
        vm.be_taken(context.pk)

    @precondition(lambda self: any(vm.is_someone_new for vm in self.vms))
    @rule(data=st.data())
    def confirm_identity(self, data: Any) -> None:
        vm = self.some_vm(data, lambda vm: vm.is_someone_new)
        assert vm.record is not None
        if vm.record.current:
            with refused():
                identity.confirm(self.discovered(vm), self.context(vm.record), actor="ann")
            return
        identity.confirm(self.discovered(vm), self.context(vm.record), actor="ann")
        vm.be_confirmed()

    @rule(data=st.data(), with_replica=st.booleans())
    def let_go(self, data: Any, with_replica: bool) -> None:
        """Remove a VM from management, or delete its replica data."""
        vm = self.some_vm(data, lambda vm: vm.record)
        assert vm.record is not None
        context = self.context(vm.record)
        if with_replica:
            self.delete_replica(vm.record, context)
        elif vm.record.current or not vm.record.managed:
            with refused():
                removal.remove_from_management(context, actor="ann")
        else:
            removal.remove_from_management(context, actor="ann")
            vm.record.managed = False

    def delete_replica(self, record: Record, context: VMContext) -> None:
        name = removal.confirmation_text(context)
        if record.current:
            with refused():
                removal.delete_replica_data(context, confirm_vm_name=name, actor="ann")
            return
        deleted = removal.delete_replica_data(context, confirm_vm_name=name, actor="ann")
        assert deleted.recovery_points == record.points
        record.delete_replica()

    # --- jobs

    @rule(data=st.data(), deeds=st.lists(st.sampled_from(DEEDS), max_size=3))
    def start(self, data: Any, deeds: list[str]) -> None:
        """A job begins; often a worker takes the next one at once and does something with it."""
        vm = self.some_vm(data, lambda vm: vm.record)
        assert vm.record is not None
        context = self.context(vm.record)
        if vm.record.current or not vm.record.managed or vm.is_someone_new:
            with refused():
                start.start(context, trigger="manual", requested_by="ann")
            return
        job = start.start(context, trigger="manual", requested_by="ann")
        vm.record.start(job.pk)
        self.started.append(job.pk)
        if deeds:
            claimed = self.claim()
            for deed in deeds:
                if claimed[1].held:
                    self.do(*claimed, deed)

    @precondition(lambda self: self.jobs(lambda job: job.status == "pending"))
    @rule(deed=st.sampled_from(DEEDS))
    def claim_and_work(self, deed: str) -> None:
        self.do(*self.claim(), deed)

    def claim(self) -> tuple[Record, Job]:
        ReplicationJob.objects.filter(status="pending").update(next_attempt_at=None)
        found = self.jobs(lambda job: job.status == "pending")
        waiting = {job.job_id: (record, job) for record, job in found}
        claimed = queue.claim_next()
        assert claimed is not None
        job, lease = claimed
        assert job.pk == min(waiting, key=self.started.index)
        self.leases[job.pk] = lease
        record, mine = waiting[job.pk]
        mine.status, mine.held = "running", True
        return record, mine

    @precondition(lambda self: self.jobs(lambda job: job.held))
    @rule(data=st.data(), deed=st.sampled_from(DEEDS))
    def work(self, data: Any, deed: str) -> None:
        self.do(*self.some_job(data, lambda job: job.held), deed)

    def do(self, record: Record, job: Job, deed: str) -> None:
        """What the worker that holds the job does with it."""
        lease = self.leases[job.job_id]
        if deed == "progress":
            self.write_images(job, 1)
        elif deed == "die":
            for held in (ContextLease, Place):
                held.objects.filter(token=lease.token).update(expires_at=LONG_AGO)
            job.held = False
        elif deed == "complete":
            self.complete(record, job, lease)
        elif deed == "fail":
            finish.failed(job.job_id, "No.", lease=lease)
            # Whoever asked for the end gets it, whatever else went wrong.
            (record.cancel if job.cancel_asked else record.fail)(job)
        elif deed == "try again":
            finish.try_again(job.job_id, "The connection broke.", lease=lease)
            record.interrupt(job)
        elif job.cancel_asked:
            finish.cancelled(job.job_id, actor="bert", lease=lease)
            record.cancel(job)
        if deed != "die" and job.status != "running":
            job.held = False
            places.release_all(lease)
            leases.release(lease)

    def complete(self, record: Record, job: Job, lease: Lease) -> None:
        images = self.write_images(job, 3)
        snapshot = VMSnapshot.objects.get(job=job.job_id)
        sealed = [SealedDisk(image.pk, 3 << 20, "0f" * 16) for image in images]
        try:
            finish.completed(job.job_id, lease, snapshot, Lineage("vm-1"), sealed)
        except JobCancelled:
            assert job.cancel_asked
            finish.cancelled(job.job_id, actor="bert", lease=lease)
            record.cancel(job)
        else:
            assert not job.cancel_asked
            record.complete(job)

    def write_images(self, job: Job, done: int) -> list[DiskImage]:
        row = ReplicationJob.objects.get(pk=job.job_id)
        images = list(row.images.filter(state=ImageState.WRITING))
        if not images:
            snapshot = row.snapshots.first() or factories.snapshot_of(row, timezone.now())
            images = factories.images_of(row, snapshot, 3 << 20)
        DiskImage.objects.filter(job=row).update(transferred_bytes=done << 20)
        ReplicationJob.objects.filter(pk=row.pk).update(
            total_bytes=len(images) * 3 << 20, bytes_transferred=len(images) * done << 20
        )
        job.left_something = True
        return images

    @precondition(lambda self: self.jobs(lambda job: job.active))
    @rule(data=st.data())
    def ask_to_cancel(self, data: Any) -> None:
        record, job = self.some_job(data, lambda job: job.active)
        cancel.cancel(ReplicationJob.objects.get(pk=job.job_id), actor="bert")
        job.cancel_asked = True
        if job.status == "pending":
            record.cancel(job)

    @rule()
    def take_over(self) -> None:
        queue.take_over_expired()
        for record, job in self.jobs(lambda job: job.status == "running" and not job.held):
            record.interrupt(job)

    # --- afterwards

    @rule()
    def clean_up(self) -> None:
        for image in DiskImage.objects.filter(state=ImageState.DELETING).order_by("-id"):
            image.delete()
        for _, job in self.jobs(lambda job: not job.active):
            VMSnapshot.objects.filter(job=job.job_id).update(
                state=SnapshotState.REMOVED, removed_at=Now()
            )
            job.left_something = False

    @rule()
    def delete_old_jobs(self) -> None:
        # Points are never dated after their job's end: they and their snapshots are as old.
        RecoveryPoint.objects.update(consistent_at=LONG_AGO)
        VMSnapshot.objects.filter(job__completed_at__isnull=False).update(consistent_at=LONG_AGO)
        ReplicationJob.objects.filter(completed_at__isnull=False).update(completed_at=LONG_AGO)
        old_jobs.delete_old_jobs(timedelta(days=1))
        for record in self.records():
            record.jobs = {
                job_id: job
                for job_id, job in record.jobs.items()
                if job.active
                or job.needed
                or job.left_something
                or job_id == record.last_successful
            }

    # --- what must hold after every step

    @invariant()
    def the_records_are_right(self) -> None:
        type(self).steps_run += 1
        rows = {context.pk: context for context in VMContext.objects.all()}
        assert set(rows) == {record.context_id for record in self.records()}
        for record in self.records():
            row = rows[record.context_id]
            current = record.current
            assert (
                *(row.vmware_vm_id, row.vm_name, row.cpu_count, row.is_managed),
                *(row.current_status, row.current_job_id, row.last_successful_job_id),
                *(row.total_jobs_run, row.successful_jobs, row.failed_jobs, row.cancelled_jobs),
            ) == (
                *(record.uuid, record.vm_name, record.cpu_count, record.managed),
                *(record.status, current and current.job_id, record.last_successful),
                *(record.ran, record.successful, record.failed, record.cancelled),
            )
            assert (row.first_job_at is None) == (row.last_job_at is None) == (record.ran == 0)

    @invariant()
    def the_jobs_are_theirs(self) -> None:
        rows = ReplicationJob.objects.values_list("pk", "vm_context_id", "status", "attempt")
        assert set(rows) == {
            (job.job_id, record.context_id, job.status, job.attempt)
            for record in self.records()
            for job in record.jobs.values()
        }

    @invariant()
    def the_events_tell_how_it_came(self) -> None:
        told = dict.fromkeys((record.context_id for record in self.records()), "")
        events = ContextEvent.objects.filter(new__in=ContextStatus.values).order_by("id")
        for context_id, old, new in events.values_list("vm_context_id", "old", "new"):
            assert old == told[context_id]
            told[context_id] = new
        assert told == {record.context_id: record.status for record in self.records()}

    @invariant()
    def the_database_could_commit(self) -> None:
        connection.check_constraints()
