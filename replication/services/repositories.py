"""Repositories: where replicas are kept."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from pathlib import Path

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from contexts import trail
from contexts.models import ContextEvent, VMContext
from contexts.services import events, statuses
from contexts.services.transactions import one_transaction
from contexts.text import binary
from contexts.trail import Kind, Verb
from replication.errors import ConfirmFolder, RepositoryInUse, RepositoryRefused
from replication.models import Limit, ReplicaManifest, Repository, RepositorySign
from replication.selectors.repositories import in_the_way
from replication.states import RepositoryKind
from replication.storage import folders


def add(
    name: str, path: str, *, device: int | None = None, on_system_disk: bool = False
) -> Repository:
    """As `add_directory`, for a folder that a person has named: nothing is made before the person
    has seen what is there, and on which file system.

    `device`: the number of the file system that was shown. `on_system_disk`: it was said that the
    machine's own file system is meant. Raises ConfirmFolder with what there is to see as long as
    one is missing, and when something was mounted or unmounted since; and what `add_directory`
    raises.
    """
    _possible(name, folders.real_folder(path))
    folder = folders.look_at(path)
    if device is None:
        raise ConfirmFolder(_seen(folder), asdict(folder))
    if device != folder.device:
        raise ConfirmFolder(
            "Something was mounted or unmounted there since you looked. " + _seen(folder),
            asdict(folder),
        )
    if folder.is_of_system and not on_system_disk:
        raise ConfirmFolder(_seen(folder), asdict(folder))
    return add_directory(name, folder.path, device=device)


def _seen(folder: folders.Folder) -> str:
    made = "" if folder.exists else ", and would be made"
    what = (
        f"{folder.path} is on the file system {folder.mount_point} ({folder.file_system},"
        f" {binary(folder.free_bytes)} of {binary(folder.total_bytes)} free){made}."
    )
    if folder.is_of_system:
        what += (
            " That is the machine's own file system: if a disk or a share is meant, it is not"
            " mounted, or the path has a typing error."
        )
    return what


def add_directory(name: str, path: str, *, device: int | None = None) -> Repository:
    """Make a folder of this machine a repository: its marker file is written.

    The path is kept as the folder really is: without "..", doubled slashes or symbolic links, so
    that one folder has one spelling. `device`: the number of the file system that it must be on.
    Raises RepositoryRefused when the folder cannot be used, ValidationError for a name in use.
    """
    root = folders.real_folder(path)
    repository = _possible(name, root)
    # No transaction is open during the wait for storage: on SQLite it would lock everybody out.
    folders.mark(root, str(repository.uuid), device)
    try:
        with transaction.atomic(), trail.gathered():
            repository.save(force_insert=True)
            told = {"name": repository.name, "path": str(root)}
            trail.tell(Verb.ADD, _about(repository), new=told)
    except BaseException:
        folders.unmark(root, str(repository.uuid))
        raise
    return repository


def _possible(name: str, root: Path) -> Repository:
    """Not saved. Raises ValidationError, RepositoryRefused."""
    repository = Repository(
        name=name,
        kind=RepositoryKind.DIRECTORY,
        uuid=uuid.uuid4(),
        config={"path": str(root)},
    )
    require_free_name(repository.name, repository)
    repository.full_clean()
    require_apart(root)
    return repository


def remove(repository: Repository, *, actor: str) -> int:
    """Remove a repository in which nothing is kept any more. Its folder stays; only its marker is
    removed, so that the folder can become a repository again, under the same name if you like. Its
    row stays for the history of jobs and recovery points that were there.

    VMs that are not under management and were kept there have no repository afterwards; returns how
    many. Raises RepositoryInUse while a VM, a recovery point, a file or a job needs it, with what
    to do about each.
    """
    try:
        count = _remove_row(repository, actor)
    except IntegrityError as problem:
        # The database checks at commit that nothing is kept there: another transaction was faster.
        raise RepositoryInUse(
            f"Something was added to {repository.name} at the same moment. Reload and try again."
        ) from problem
    return count


@one_transaction
def _remove_row(repository: Repository, actor: str) -> int:
    former = VMContext.objects.filter(repository=repository, unmanaged_at__isnull=False)
    keys = list(former.order_by("pk").values_list("pk", flat=True))
    statuses.hold(*keys)
    found = in_the_way(repository)
    if any(found):
        raise RepositoryInUse(f"{repository.name} cannot be removed. {' '.join(found.reasons)}")
    events.record(
        [
            ContextEvent(
                vm_context=context,
                old=context.current_status,
                new=context.current_status,
                why=f"its repository {repository.name} was removed",
                actor=actor,
            )
            for context in former.filter(pk__in=keys).only("current_status")
        ]
    )
    former.filter(pk__in=keys).update(repository=None, updated_at=Now())
    removed = Repository.objects.filter(pk=repository.pk).update(
        removed_at=Now(), removed_by=actor, updated_at=Now()
    )
    if not removed:
        raise RepositoryInUse(f"{repository.name} has already been removed.")
    told = {"name": repository.name, "path": repository.config["path"], "vms": len(keys)}
    trail.tell(Verb.REMOVE, _about(repository), actor=actor, old=told)
    RepositorySign.objects.filter(repository=repository).delete()
    ReplicaManifest.objects.filter(repository=repository).delete()
    Limit.objects.filter(repository=repository).delete()
    # Only once this is committed: otherwise a failed commit would leave a repository that looks
    # unmounted.
    root = Path(repository.config["path"])
    transaction.on_commit(lambda: folders.unmark(root, str(repository.uuid)))
    return len(keys)


@one_transaction
def change(repository: Repository, **changes: str | int | None) -> None:
    """Change its `name`, or its `reserve_bytes` (None: as vmrep decides). Raises ValidationError
    for a name that is in use or empty, or an impossible reserve."""
    repository = Repository.objects.select_for_update(no_key=True).get(pk=repository.pk)
    former = trail.values_of(repository, "name", "reserve_bytes")
    for column in ("name", "reserve_bytes"):
        if column in changes:
            setattr(repository, column, changes[column])
    require_free_name(repository.name, repository)
    repository.full_clean()
    repository.save(update_fields=["name", "reserve_bytes", "updated_at"])
    old, new = trail.changes(former, trail.values_of(repository, "name", "reserve_bytes"))
    if new:
        trail.tell(Verb.CHANGE, _about(repository), old=old, new=new)


def _about(repository: Repository) -> trail.Subject:
    return trail.subject(Kind.REPOSITORY, repository.pk, repository.name)


def require_free_name(name: str, repository: Repository) -> None:
    """Raises ValidationError when another repository than that one has the name."""
    if Repository.objects.exclude(pk=repository.pk).filter(name=name).exists():
        raise ValidationError({"name": "Another repository already has this name."})


def default(among: QuerySet[Repository]) -> Repository | None:
    """The repository to use when none was chosen: the only one of these."""
    repositories = list(among[:2])
    return repositories[0] if len(repositories) == 1 else None


def require_apart(root: Path) -> None:
    """Raises RepositoryRefused. A repository may be neither inside another one nor contain one."""
    for other in Repository.objects.filter(kind=RepositoryKind.DIRECTORY):
        known = Path(other.config["path"])  # as it really was; it is not touched, it may hang
        if known == root:
            raise RepositoryRefused(f"{root} is already the repository {other.name}.")
        if known in root.parents:
            raise RepositoryRefused(
                f"{root} is inside the repository {other.name} ({known}). Choose a folder outside."
            )
        if root in known.parents:
            raise RepositoryRefused(
                f"{root} contains the repository {other.name} ({known}). Choose another folder."
            )
