"""Taking a repository up: into an empty database, or into one that is older than the repository.

One transaction for each VM, so that one odd manifest keeps no other VM from coming back. Doing it
again is fine, and goes on where an earlier run was ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection
from django.db.models import Q
from django.db.models.functions import Now

from contexts import crypto, trail
from contexts.database_errors import own_words
from contexts.errors import ContextError
from contexts.models import VCenter, VMContext, VMNetworkAdapter
from contexts.services import statuses
from contexts.services.transactions import one_transaction
from contexts.services.vcenters import SEALED
from contexts.text import plural
from contexts.trail import Kind, Verb
from contexts.vsphere.specs import SPEC_FIELDS, clean
from replication.engine.directory import DirectoryRepository
from replication.engine.errors import EngineError
from replication.engine.manifest import Head, Manifest, RepositoryPart, VCenterPart, VmPart
from replication.engine.marker import MARKER, uuid_in
from replication.errors import RestoreRefused
from replication.integrity.recompute import recomputed
from replication.manifests import installation
from replication.manifests.looking import Looked, look
from replication.manifests.rows import Rows
from replication.models import ReplicaManifest, Repository
from replication.services import leases, repositories
from replication.states import LeaseHolder, RepositoryKind
from replication.storage.folders import real_folder


@dataclass
class Report:
    """What became of each VM: by its context's ID, in words. `refused`: it is as it was."""

    repository: Repository
    is_dry: bool = False
    restored: dict[str, str] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    placeholders: set[str] = field(default_factory=set)


def restore(
    path: str,
    *,
    actor: str,
    name: str = "",
    leave_out: bool = False,
    take_over: bool = False,
    is_dry: bool = False,
    on_vm: Callable[[str], None] = lambda vm: None,
) -> Report:
    """Take the repository in that folder up. `leave_out`: recovery points whose files are missing
    or not as they must be are left out; otherwise their VM is refused. `take_over`: even if another
    installation used it. `is_dry`: the caller takes it all back, so that the database is asked at
    once what it would refuse at the end.

    Raises RepositoryUnavailable, RepositoryRefused, RestoreRefused: then nothing was changed.
    """
    root = Path(real_folder(path))
    storage = DirectoryRepository(root, uuid_in(root / MARKER))
    storage.check()
    _require_free(storage, take_over)
    repository = _repository(storage, name)
    if not is_dry:
        storage.take(installation.tenant(), over=take_over)
    report = Report(repository, is_dry)
    for folder in storage.manifest_folders():
        on_vm(folder)
        try:
            head = storage.manifest_head(folder)
            manifest = storage.read_manifest(folder)
            if manifest is None or manifest.vm is None:
                raise RestoreRefused("Its manifest is not that of a VM.")
            looked = look(storage, folder, manifest.vm)
            _restore_vm(report, manifest, head, looked, actor, leave_out)
        except ValidationError as problem:
            report.refused[folder] = " ".join(problem.messages)
        except (EngineError, ContextError) as problem:
            report.refused[folder] = str(problem)
        except DatabaseError as problem:
            report.refused[folder] = f"The database refuses it: {own_words(problem)}"
    return report


def _require_free(storage: DirectoryRepository, take_over: bool) -> None:
    found = storage.tenant()
    if found is None or take_over or found.installation == installation.own_uuid():
        return
    raise RestoreRefused(
        f"{storage.place} is used by another installation of vmrep: {found.words}. Two cannot use"
        " one repository: each would take the other's files for left-overs. If that one is gone for"
        " good, or stopped and is to leave the repository to this one, repeat the command with"
        " --take-over. Nothing was restored."
    )


def _repository(storage: DirectoryRepository, name: str) -> Repository:
    """The row of that repository: the known one, or a new one."""
    known = Repository.with_removed.filter(uuid=storage.uuid).first()
    if known is None:
        return _new_repository(storage, name)
    if known.removed_at is not None:
        raise RestoreRefused(
            f"{storage.place} is the repository {known.name}, which was removed from vmrep on"
            f" {known.removed_at:%Y-%m-%d}. Nothing was restored."
        )
    if known.config.get("path") != storage.place:
        raise RestoreRefused(
            f"The repository with the marker in {storage.place} is known as {known.name} in"
            f" {known.config.get('path')}. Mount it there: two folders cannot be one repository."
        )
    return known


@one_transaction
def _new_repository(storage: DirectoryRepository, name: str) -> Repository:
    said = _said(storage)
    repository = Repository(
        name=name or (said.name if said else "") or storage.root.name,
        kind=RepositoryKind.DIRECTORY,
        uuid=storage.uuid,
        config={"path": storage.place},
        reserve_bytes=said.reserve_bytes if said else None,
    )
    try:
        repositories.require_free_name(repository.name, repository)
        repository.full_clean()
    except ValidationError as problem:
        raise RestoreRefused(
            f"The repository cannot be called {repository.name[:100]!r}:"
            f" {' '.join(problem.messages)} Give it another name with --name."
        ) from problem
    repositories.require_apart(storage.root)
    repository.save(force_insert=True)
    about = trail.subject(Kind.REPOSITORY, repository.pk, repository.name)
    trail.tell(Verb.RESTORE, about, new={"name": repository.name, "path": storage.place})
    return repository


def _said(storage: DirectoryRepository) -> RepositoryPart | None:
    """What it says of itself; nothing if that cannot be read: its VMs matter more."""
    try:
        manifest = storage.read_manifest("")
    except EngineError:
        return None
    return manifest.of_repository if manifest else None


def _restore_vm(
    report: Report, manifest: Manifest, head: Head, looked: Looked, actor: str, leave_out: bool
) -> None:
    if looked.left_out and not leave_out:
        point, why = looked.left_out[0]
        moment = f"{point.consistent_at:%Y-%m-%d %H:%M:%S} UTC"
        raise RestoreRefused(
            f"{len(looked.left_out)} of {plural(len(looked.vm.points), 'recovery point')} cannot be"
            f" used, the first is that of {moment}: {why} Bring the files back from a backup if"
            " there is one; or do without these points: --leave-out."
        )
    done = _take_up(report, manifest, head, looked, actor)
    if done is None:
        report.known.append(looked.vm.context_id)
        return
    rows, placeholder = done
    words = [plural(len(looked.points), "recovery point")]
    words += [f"{rows.new_points} of them new to the database"]
    words += [plural(rows.gone_points, "is", "are") + " gone since"] if rows.gone_points else []
    words += [f"{len(looked.left_out)} left out"] if looked.left_out else []
    report.restored[looked.vm.context_id] = ", ".join(words)
    if placeholder:
        report.placeholders.add(placeholder)


@one_transaction
def _take_up(
    report: Report, manifest: Manifest, head: Head, looked: Looked, actor: str
) -> tuple[Rows, str] | None:
    """None when the database knows all of it. Else the rows, and the name of a vCenter that has to
    be completed."""
    repository, vm = report.repository, looked.vm
    vcenter, is_placeholder = _vcenter(repository, vm.vcenter)
    context = _known_context(vcenter, vm)
    lease = None
    if context is None:
        context = _new_context(vcenter, repository, vm)
    else:
        if _is_known(context, repository, head):
            return None
        lease = leases.acquire(context.pk, LeaseHolder.CLEAN_UP)
        if lease is None:
            raise RestoreRefused("A worker is at work on it. Stop all workers first.")
    context = statuses.lock(context.pk)
    rows = Rows(context, repository, looked)
    rows.write()
    columns = recomputed(context)
    if columns is None:
        raise RestoreRefused("It has two active replications. Run the integrity check first.")
    if vm.is_kept_here or context.repository_id is None:
        columns["repository_id"] = repository.pk
    points = plural(len(looked.points), "recovery point")
    why = f"restored from repository {repository.name}: {points}"
    statuses.settle(context, columns=columns, actor=actor, why=why)
    # Written anew by a worker, with the keys that its rows have now.
    ReplicaManifest.objects.update_or_create(
        repository=repository,
        vm_context=context,
        defaults={
            "version": manifest.version,
            "written_version": manifest.version,
            "digest": "",
            "given_digests": head.digest,
            "seen_at": None,
            "vcenter_seen_at": None,
        },
    )
    told = {"repository": repository, "recovery_points": len(looked.points)}
    trail.tell(Verb.RESTORE, trail.vm(context), actor=actor, new=told)
    if lease is not None:
        leases.release(lease)
    if report.is_dry:
        connection.check_constraints()
    return rows, vcenter.name if is_placeholder else ""


def _is_known(context: VMContext, repository: Repository, head: Head) -> bool:
    row = ReplicaManifest.objects.filter(vm_context=context, repository=repository).first()
    return row is not None and row.version >= head.version and row.is_of_this_database(head.digest)


def _known_context(vcenter: VCenter, vm: VmPart) -> VMContext | None:
    found = VMContext.objects.filter(
        Q(pk=vm.context_id) | Q(vcenter=vcenter, vmware_vm_id=vm.instance_uuid)
    ).select_related("vcenter")
    for context in found:
        is_same = (context.vcenter_id, context.vmware_vm_id) == (vcenter.pk, vm.instance_uuid)
        if context.pk != vm.context_id or not is_same:
            raise RestoreRefused(
                f"The database has {context.pk} of {context.vcenter} with the instance UUID"
                f" {context.vmware_vm_id}, the repository {vm.context_id} of {vcenter} with"
                f" {vm.instance_uuid[:64]!r}: these are not one VM."
            )
    return found[0] if found else None


def _new_context(vcenter: VCenter, repository: Repository, vm: VmPart) -> VMContext:
    specs = {spec.name: clean(spec, vm.specs.get(spec.name)) for spec in SPEC_FIELDS}
    context = VMContext(
        context_id=vm.context_id,
        vcenter=vcenter,
        vmware_vm_id=vm.instance_uuid,
        repository=repository,
        rpo_target_seconds=vm.rpo_target_seconds,
        **{name: list(it) if isinstance(it, tuple) else it for name, it in specs.items()},
    )
    context.clean_fields()
    context.save(force_insert=True)
    if not vm.is_managed:
        VMContext.objects.filter(pk=context.pk).update(unmanaged_at=Now())
    VMNetworkAdapter.objects.bulk_create(
        VMNetworkAdapter(
            vm_context=context,
            adapter_id=one.adapter_id,
            device_key=one.device_key,
            label=one.label,
            mac_address=one.mac_address,
            network_name=one.network_name,
            adapter_type=one.adapter_type,
            connected=one.connected,
            ip_addresses=list(one.ip_addresses),
        )
        for one in vm.adapters
    )
    return context


def _vcenter(repository: Repository, part: VCenterPart) -> tuple[VCenter, bool]:
    """The vCenter that the VM is of: the known one with its identity, or a new one without a
    password, at which vmrep does not log in before somebody completes it."""
    for column in ("instance_uuid", "host_uuid"):
        if value := getattr(part, column):
            known = VCenter.objects.filter(**{column: value}).first()
            if known is not None:
                return known, False
    known = VCenter.objects.filter(host=part.host, port=part.port).first()
    if known is None:
        return _placeholder(repository, part), True
    if known.estate_uuid and known.estate_uuid != (part.instance_uuid or part.host_uuid):
        raise RestoreRefused(
            f"The database has another vCenter at {part.host[:255]}: {known} is"
            f" {known.estate_uuid}, the VM is of {part.instance_uuid or part.host_uuid or 'none'}."
        )
    return known, False


def _placeholder(repository: Repository, part: VCenterPart) -> VCenter:
    name, number = part.name, 1
    while VCenter.objects.filter(name=name).exists():
        number += 1
        name = f"{part.name[:90]} ({number})"
    vcenter = VCenter(
        name=name,
        host=part.host,
        port=part.port,
        username=part.username,
        trust_mode=part.trust_mode,
        fingerprint_sha256=part.fingerprint_sha256,
        transport=part.transport,
        nbd_command=part.nbd_command,
        instance_uuid=part.instance_uuid,
        host_uuid=part.host_uuid,
    )
    crypto.seal(vcenter, SEALED, "")
    vcenter.full_clean()
    vcenter.save(force_insert=True)
    VCenter.objects.filter(pk=vcenter.pk).update(
        login_refused_at=Now(),
        login_refused_why=f"It was restored from the repository {repository.name}, which has no"
        " passwords. Check that its address is right, then enter the password.",
    )
    told = trail.values_of(vcenter, "name", "host", "port", "username", "instance_uuid")
    trail.tell(Verb.RESTORE, trail.vcenter(vcenter), new=told)
    return vcenter
