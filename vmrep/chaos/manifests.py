"""What the repository says of itself, compared with the database: a restore would believe it."""

from __future__ import annotations

from pathlib import Path

from replication.engine.errors import EngineError
from replication.engine.manifest import VmPart
from replication.engine.manifest_files import ManifestFiles
from replication.errors import RestoreRefused
from replication.manifests import looking
from replication.manifests.content import of_vm
from replication.models import DiskImage, RecoveryPoint, ReplicaManifest, Repository
from replication.states import RecoveryPointState
from replication.storage.targets import target
from vmrep.chaos.comparing import Broken


def files(repository: Repository, folder: Path) -> set[str]:
    """The manifests that are wanted in `folder`, the repository's: of each VM the version that was
    written last, and the repository's own one, of which no row tells."""
    rows = ReplicaManifest.objects.filter(repository=repository).exclude(digest="")
    wanted = {f"{row.vm_context_id}/{_name(row.written_version)}" for row in rows}
    own = ManifestFiles(folder).version()
    return wanted | ({_name(own)} if own else set())


def _name(version: int) -> str:
    return f".vmrep-manifest-{version:010}"


def require_restorable(repository: Repository) -> None:
    """From the repository alone each VM would come back as the database has it: the same points,
    with the same images, based on the same ones. Raises Broken."""
    for row in ReplicaManifest.objects.filter(repository=repository).exclude(digest=""):
        context = row.vm_context
        try:
            manifest = target(repository).read_manifest(context.pk)
        except EngineError as problem:
            raise Broken(f"{context.pk}: {problem}") from problem
        said = manifest.vm if manifest else None
        if said is None or said != of_vm(context, repository.pk):
            raise Broken(f"manifest {row.written_version} of {context.pk} is not what the rows are")
        _require_equal(repository, context.pk, said)


def _require_equal(repository: Repository, context_id: str, said: VmPart) -> None:
    try:
        looked = looking.look(target(repository), context_id, said)
    except (EngineError, RestoreRefused) as problem:
        raise Broken(f"{context_id} could not be restored: {problem}") from problem
    if looked.left_out:
        words = "; ".join(f"{point.number}: {why}" for point, why in looked.left_out)
        raise Broken(f"{context_id}: these points could not be restored: {words}")
    there = RecoveryPoint.objects.filter(
        vm_context=context_id, repository=repository, state=RecoveryPointState.AVAILABLE
    )
    points = [point.number for point in looked.points]
    if points != list(there.order_by("pk").values_list("pk", flat=True)):
        raise Broken(f"{context_id}: {points} would be restored, but there are {list(there)}")
    images = DiskImage.objects.filter(recovery_point__in=there)
    rows = set(images.values_list("pk", "locator", "parent", "merged_digest"))
    found = {
        (it.part.number, it.part.locator, it.parent, it.merged_digest)
        for it in looked.images.values()
        if it.is_there
    }
    if found != rows:
        raise Broken(f"{context_id}: images would be restored that are not so: {found ^ rows}")
