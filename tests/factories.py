"""Rows for tests, made through the services wherever there is one: they keep every rule.

Plain functions; whatever is not given is made. They need a database, no vCenter, no broker and no
disk bytes.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group, User
from django.db.models.functions import Now
from django.utils import timezone

from contexts import crypto
from contexts.models import DiscoveredVM, Discovery, VCenter, VMContext
from contexts.services import lookup, management, records
from contexts.services.refresh import disk_id
from contexts.services.vcenters import SEALED
from contexts.states import DiscoveryStatus
from contexts.vsphere.lineage import Lineage
from contexts.vsphere.records import DiskRecord, NicRecord, VmRecord, no_specs
from replication.models import (
    DiskImage,
    GroupRun,
    JobStep,
    Place,
    PointVerification,
    RecoveryPoint,
    ReplicationJob,
    SignOfLife,
    VMGroup,
    VMSnapshot,
)
from replication.models import Repository as RepositoryModel
from replication.services import (
    cancel,
    finish,
    group_runs,
    groups,
    leases,
    repositories,
    start,
)
from replication.services.results import SealedDisk
from replication.states import (
    GroupRunState,
    ImageState,
    JobStatus,
    LeaseHolder,
    SnapshotState,
    StepName,
    StepStatus,
    SyncType,
    Trigger,
    VerificationState,
)
from vmrep.accounts import tokens
from vmrep.accounts.models import Scope, TokenOrigin, TokenScope
from vmrep.accounts.roles import Role


def findable() -> lookup.Among:
    """Every row: of somebody who may everything."""
    return lookup.Among(VCenter.objects.all(), VMContext.objects.all(), DiscoveredVM.objects.all())


MIB = 1 << 20
EPOCH = "52 d5 3c 9f 2d 1e 5d 0a-6b 0e 6a 4f 6e 0f 3b 61"
# What a VM is recognised by under another instance UUID.
LOOKS = {"moref": "vm-7", "bios_uuid": "b105", "vmx_path": "[ds] web/web.vmx"}
HOSTILE_NAME = "<script>alert(1)</script>/../x"

_numbers = itertools.count(1)


def user(
    username: str = "ops", password: str | None = None, role: Role | str = "", **fields: Any
) -> User:
    """One with this role; without any, a superuser, who may do everything. Without a password
    nobody logs in by one (and no time is spent on its hash)."""
    fields.setdefault("is_superuser", not role)
    made = User.objects.create_user(username, password=password, **fields)
    if role:
        made.groups.add(Group.objects.get(name=role))
    return made


def scope(user: User, vcenter: VCenter, folder: str = "") -> Scope:
    """From now on the user sees only what is there (and in other scopes of the user)."""
    return Scope.objects.create(
        user=user, vcenter=vcenter, vcenter_name=vcenter.name, folder=folder, created_by="chief"
    )


def token(owner: User, scope: str = TokenScope.DANGER, *, days: int | None = None) -> str:
    """The key of a new API token."""
    wanted = {"scope": TokenScope(scope), "days": days, "origin": TokenOrigin.PAGE}
    return tokens.make(owner, name="of a test", **wanted).key


def vcenter(name: str | None = None, **columns: Any) -> VCenter:
    """A vCenter that nobody has connected to."""
    number = next(_numbers)
    made = VCenter(
        name=name or f"vcenter-{number}",
        **{
            "host": f"vc{number}.example.org",
            "username": "vmrep@vsphere.local",
            "instance_uuid": str(uuid.uuid4()),
            "product": "VMware vCenter Server 8.0.3",
            "api_version": "8.0.3.0",
            **columns,
        },
    )
    if not made.password_encrypted:
        crypto.seal(made, SEALED, "secret of the vCenter")
    made.save(force_insert=True)
    return made


def repoint(*, password: str | None = None, **columns: Any) -> VCenter:
    """The only vCenter, with other columns, as if its password had been entered again for them."""
    row = VCenter.objects.get()
    secret = password or crypto.unseal(row, SEALED)
    for name, value in columns.items():
        setattr(row, name, value)
    if SEALED not in columns:
        crypto.seal(row, SEALED, secret)
    row.save(update_fields=[*columns, SEALED])
    return row


def repository(name: str | None = None, path: Path | None = None) -> RepositoryModel:
    """With `path` a real folder with its marker; without, a row whose folder does not exist."""
    name = name or f"repository-{next(_numbers)}"
    if path is not None:
        return repositories.add_directory(name, str(path))
    return RepositoryModel.objects.create(name=name, config={"path": f"/nonexistent/{name}"})


def discovery(of: VCenter, status: str = DiscoveryStatus.COMPLETED, **columns: Any) -> Discovery:
    ended = status not in DiscoveryStatus.active()
    return Discovery.objects.create(
        vcenter=of,
        status=status,
        **{
            "requested_by": "ops",
            "started_at": timezone.now(),
            "completed_at": timezone.now() if ended else None,
            **columns,
        },
    )


def gone_context(vm_name: str = "web", **specs: Any) -> VMContext:
    """One whose VM the last discovery did not find."""
    made = context(vm_name, **specs)
    DiscoveredVM.objects.filter(vcenter=made.vcenter).update(gone_at=timezone.now())
    return made


def disk_record(device_key: int = 2000, **fields: Any) -> DiskRecord:
    return DiskRecord(
        **{
            "device_key": device_key,
            "disk_uuid": str(uuid.uuid4()),
            "label": f"Hard disk {device_key - 1999}",
            "capacity_bytes": 64 * MIB,
            "vmdk_path": f"[lab-ds1] vm/vm_{device_key}.vmdk",
            "datastore": "lab-ds1",
            "provisioning_type": "thin",
            "disk_mode": "persistent",
            "sharing": "sharingNone",
            "backing_type": "flat",
            "controller_type": "pvscsi",
            "change_id": None,
            "has_parent": False,
            "datastore_type": "VMFS",
            **fields,
        }
    )


def nic_record(device_key: int = 4000, **fields: Any) -> NicRecord:
    return NicRecord(
        **{
            "device_key": device_key,
            "label": f"Network adapter {device_key - 3999}",
            "mac_address": f"00:50:56:00:00:{device_key - 4000:02x}",
            "network_name": "VM Network",
            "adapter_type": "vmxnet3",
            "connected": True,
            "ip_addresses": ("192.0.2.10",),
            **fields,
        }
    )


def vm_record(
    vm_name: str | None = "pgtest1",
    *,
    disks: Sequence[DiskRecord] | None = None,
    networks: Sequence[NicRecord] | None = None,
    **specs: Any,
) -> VmRecord:
    """What a discovery reads of a usual Linux VM with one disk. `specs` by their names."""
    usual = {
        "vm_name": vm_name,
        "vm_path": f"/Lab/vm/{(vm_name or 'vm').replace('/', '%2f')}",
        "datacenter": "Lab",
        "moref": f"vm-{next(_numbers)}",
        "bios_uuid": str(uuid.uuid4()),
        "cpu_count": 2,
        "memory_mb": 4096,
        "os_type": "Debian GNU/Linux 12 (64-bit)",
        "guest_id": "debian12_64Guest",
        "power_state": "poweredOn",
        "connection_state": "connected",
        "hardware_version": "vmx-19",
        "vm_tools_version": "12.3.5",
        "vm_tools_status": "guestToolsRunning",
        "guest_hostname": "guest.example.org",
        "ip_addresses": ("192.0.2.10", "2001:db8::10"),
        "is_template": False,
        "cbt_enabled": True,
        "snapshot_count": 0,
    }
    instance_uuid = specs.pop("instance_uuid", str(uuid.uuid4()))
    return VmRecord(
        instance_uuid=instance_uuid,
        specs=no_specs() | usual | specs,
        disks=tuple([disk_record()] if disks is None else disks),
        networks=tuple([nic_record()] if networks is None else networks),
    )


def discovered_vm(
    vm_name: str | None = "pgtest1", *, at: VCenter | None = None, **record: Any
) -> DiscoveredVM:
    """A VM as the last discovery saw it. `record`: what `vm_record` takes."""
    vm = _as_discovered(vm_record(vm_name, **record), at or vcenter())
    vm.save()
    return vm


def discovered_vms(
    vm_names: Iterable[str | None], *, at: VCenter | None = None, **record: Any
) -> list[DiscoveredVM]:
    """Many of one vCenter, in one statement."""
    at = at or vcenter()
    return DiscoveredVM.objects.bulk_create(
        _as_discovered(vm_record(vm_name, **record), at) for vm_name in vm_names
    )


def _as_discovered(vm: VmRecord, at: VCenter) -> DiscoveredVM:
    return DiscoveredVM(
        vcenter=at,
        vmware_vm_id=vm.instance_uuid,
        identity_problem="" if vm.instance_uuid else "vCenter gives no instance UUID.",
        seen_at=timezone.now(),
        **records.columns_of(vm),
    )


def context(
    vm_name: str | None = "pgtest1",
    *,
    at: VCenter | None = None,
    keep_in: RepositoryModel | None = None,
    **record: Any,
) -> VMContext:
    """A VM under management, with its discovered VM. `record`: what `vm_record` takes."""
    vm = discovered_vm(vm_name, at=at, **record)
    return management.take([vm], repository=keep_in or repository(), actor="ops")[0]


def contexts(
    vm_names: Iterable[str | None],
    *,
    at: VCenter | None = None,
    keep_in: RepositoryModel | None = None,
    **record: Any,
) -> list[VMContext]:
    """Many VMs of one vCenter under management, taken together."""
    vms = discovered_vms(vm_names, at=at, **record)
    return management.take(vms, repository=keep_in or repository(), actor="ops")


def pending_job(
    of: VMContext, *, trigger: str = Trigger.MANUAL, requested_by: str = "ops"
) -> ReplicationJob:
    return start.start(of, trigger=trigger, requested_by=requested_by)


def running_job(
    of: VMContext, *, planned_bytes: int = 32 * MIB, done_bytes: int = 8 * MIB, **columns: Any
) -> ReplicationJob:
    """In the middle of its transfer; `planned_bytes` and `done_bytes` are per disk."""
    job = pending_job(of)
    _claim(job)
    snapshot = snapshot_of(job, timezone.now())
    images = images_of(job, snapshot, planned_bytes)
    DiskImage.objects.filter(job=job).update(transferred_bytes=done_bytes)
    _steps(job, until=StepName.TRANSFER)
    ReplicationJob.objects.filter(pk=job.pk).update(
        **{
            "current_operation": "Transfer",
            "total_bytes": planned_bytes * len(images),
            "bytes_transferred": done_bytes * len(images),
            "transfer_speed_bps": 4 * MIB,
            **columns,
        }
    )
    job.refresh_from_db()
    return job


def completed_job(
    of: VMContext, *, planned_bytes: int = 32 * MIB, consistent_at: datetime | None = None
) -> ReplicationJob:
    """With recovery point, images and CBT history. The first one of a disk is `initial`."""
    job = pending_job(of)
    complete(job, planned_bytes=planned_bytes, consistent_at=consistent_at)
    return _ended(job, of)


def complete(
    job: ReplicationJob,
    *,
    planned_bytes: int = 32 * MIB,
    consistent_at: datetime | None = None,
    taken_at: datetime | None = None,
) -> None:
    """What a worker does with a waiting job, from its claim to its commit. `taken_at`: when vSphere
    says that its snapshot was taken."""
    lease = _claim(job)
    snapshot = snapshot_of(job, consistent_at or timezone.now())
    VMSnapshot.objects.filter(pk=snapshot.pk).update(taken_at=taken_at)
    images = images_of(job, snapshot, planned_bytes)
    DiskImage.objects.filter(job=job).update(transfer_seconds=2.0)
    _steps(job, until=StepName.COMMIT)
    finish.completed(
        job.pk,
        lease,
        snapshot,
        Lineage("vm-1"),
        [SealedDisk(image.pk, planned_bytes, "0f" * 16) for image in images],
    )
    VMSnapshot.objects.filter(pk=snapshot.pk).update(state=SnapshotState.REMOVED, removed_at=Now())
    leases.release(lease)


def group(name: str, *vms: VMContext) -> VMGroup:
    made = groups.add(name, actor="ops")
    for vm in vms:
        groups.add_member(made, vm, actor="ops")
    return made


def group_run(of: VMGroup, *seconds: float | None) -> GroupRun:
    """A run that has ended: for each VM so many seconds after the first its snapshot was taken;
    None: its replication failed."""
    run = group_runs.begin(of, trigger=Trigger.MANUAL, requested_by="ops")
    now = timezone.now()
    for row, after in zip(run.members.select_related("job"), seconds, strict=True):
        if after is None:
            finish.failed(row.job.pk, "The vCenter did not answer.")
        else:
            complete(row.job, taken_at=now + timedelta(seconds=after))
    GroupRun.objects.filter(pk=run.pk).update(state=GroupRunState.COPYING)
    group_runs.settle()
    run.refresh_from_db()
    return run


def failed_job(of: VMContext, why: str = "The vCenter did not answer.") -> ReplicationJob:
    job = pending_job(of)
    lease = _claim(job)
    _steps(job, until=StepName.SNAPSHOT)
    finish.failed(job.pk, why, lease=lease)
    leases.release(lease)
    return _ended(job, of)


def cancelled_job(of: VMContext) -> ReplicationJob:
    return _ended(cancel.cancel(pending_job(of), actor="ops"), of)


def recovery_point(of: VMContext, consistent_at: datetime | None = None) -> RecoveryPoint:
    return completed_job(of, consistent_at=consistent_at).recovery_point


def verification(
    point: RecoveryPoint, state: str = "verified", found: Sequence[str] = (), **columns: Any
) -> PointVerification:
    """As a worker leaves it; `found`: what it says of chunks that follow one another."""
    is_active = state in VerificationState.active()
    columns = {"trigger": "manual", "requested_by": "ops", "damage_count": len(found)} | columns
    if not is_active:
        columns.setdefault("ended_at", Now())
    made = PointVerification.objects.create(
        recovery_point=point, vm_context_id=point.vm_context_id, state=state, **columns
    )
    image = point.images.get()
    for number, what in enumerate(found):
        made.damages.create(
            **{"disk_id": image.disk_id, "image": image, "what": what},
            **{"offset_bytes": number << 18, "length_bytes": 1 << 18},
        )
    return made


def _ended(job: ReplicationJob, of: VMContext) -> ReplicationJob:
    job.refresh_from_db()
    of.refresh_from_db()
    return job


def _claim(job: ReplicationJob) -> leases.Lease:
    """As a worker does, less the look into the repository's folder."""
    lease = leases.acquire(job.vm_context_id, LeaseHolder.JOB, job_id=job.pk)
    assert lease is not None
    ReplicationJob.objects.filter(pk=job.pk).update(
        status=JobStatus.RUNNING, started_at=Now(), worker_name=leases.this_worker()
    )
    return lease


def sign_of_life(
    kind: str, queues: str = "", *, name: str = "", seconds_ago: float = 1, **columns: Any
) -> SignOfLife:
    """A process that was last seen so long ago. A worker runs two tasks at once."""
    seen = timezone.now() - timedelta(seconds=seconds_ago)
    values = {"slots": 2 if queues else 0, "version": "1", "broker_at": seen} | columns
    values |= {"queues": queues, "started_at": seen - timedelta(hours=1), "seen_at": seen}
    sign, _ = SignOfLife.objects.update_or_create(
        kind=kind, name=name or f"{queues or kind}:1", defaults=values
    )
    return sign


def everything_lives(seconds_ago: float = 1) -> None:
    """All processes that vmrep needs."""
    for queue in ("copies", "storage", "control", "tick"):
        sign_of_life("worker", queue, seconds_ago=seconds_ago)
    for kind in ("beat", "tick", "web"):
        sign_of_life(kind, seconds_ago=seconds_ago)


def snapshot_of(job: ReplicationJob, consistent_at: datetime) -> VMSnapshot:
    return VMSnapshot.objects.create(
        vm_context=job.vm_context,
        job=job,
        attempt=job.attempt,
        name=f"vmrep:{job.pk}:{job.attempt}",
        state=SnapshotState.CREATED,
        moref=f"snapshot-{next(_numbers)}",
        consistent_at=consistent_at,
        quiesce_requested=True,
        quiesced=True,
    )


def images_of(job: ReplicationJob, snapshot: VMSnapshot, planned_bytes: int) -> list[DiskImage]:
    """An image for each disk: on its last committed one, or a new root."""
    images = []
    for disk in job.vm_context.disks.filter(removed_at__isnull=True, unprotected_reason=""):
        parent = disk.images.filter(state=ImageState.COMMITTED).order_by("-id").first()
        images.append(
            DiskImage.objects.create(
                repository_id=job.repository_id,
                vm_context=job.vm_context,
                disk=disk,
                job=job,
                parent=parent,
                attempt=job.attempt,
                locator=f"{job.vm_context_id}/{disk_id(disk.device_key)}"
                f"/{job.pk}.{job.attempt}.qcow2",
                sync_type=SyncType.INCREMENTAL if parent else SyncType.INITIAL,
                capacity_bytes=disk.capacity_bytes,
                planned_bytes=planned_bytes,
                change_id=f"{EPOCH}/{next(_numbers)}",
                previous_change_id=parent.change_id if parent else None,
                snapshot_moref=snapshot.moref,
            )
        )
    return images


def _steps(job: ReplicationJob, *, until: StepName) -> None:
    """The steps up to `until`, which is running."""
    now = timezone.now()
    for number, name in enumerate(StepName):
        started_at = now - timedelta(seconds=len(StepName) - number)
        running = name is until
        JobStep.objects.create(
            job=job,
            attempt=1,
            name=name,
            status=StepStatus.RUNNING if running else StepStatus.COMPLETED,
            started_at=started_at,
            completed_at=None if running else started_at + timedelta(seconds=1),
        )
        if running:
            break


def places(job: ReplicationJob, kind: str, resource: str, count: int) -> None:
    """Places of the resource, with the lowest numbers, are held for a minute by somebody else."""
    Place.objects.bulk_create(
        Place(
            **{"kind": kind, "resource": resource, "number": number, "job": job},
            **{"holder": "another", "token": uuid.uuid4(), "acquired_at": Now()},
            expires_at=Now() + timedelta(seconds=60),
        )
        for number in range(1, count + 1)
    )
