"""Repositories: where replicas are kept."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, QuerySet

from replication.errors import RepositoryInUse, RepositoryRefused
from replication.models import Repository
from replication.selectors.repositories import dependents_of_repository
from replication.states import RepositoryKind
from replication.storage import folders


def add_directory(name: str, path: str) -> Repository:
    """Make a folder of this machine a repository: its marker file is written.

    The path is kept as the folder really is: without "..", doubled slashes or symbolic links, so
    that one folder has one spelling. Raises RepositoryRefused when the folder cannot be used,
    ValidationError for a name in use.
    """
    root = folders.real_folder(path)
    repository = Repository(
        name=name,
        kind=RepositoryKind.DIRECTORY,
        uuid=uuid.uuid4(),
        config={"path": str(root)},
    )
    repository.full_clean()
    _require_apart(root)
    # No transaction is open during the wait for storage: on SQLite it would lock everybody out.
    folders.mark(root, str(repository.uuid))
    try:
        with transaction.atomic():
            repository.save(force_insert=True)
    except BaseException:
        folders.unmark(root, str(repository.uuid))
        raise
    return repository


def remove(repository: Repository) -> None:
    """Remove a repository on which nothing depends. Its folder and files stay; only its marker is
    removed, so that the folder can become a repository again.

    Raises RepositoryInUse while a VM, a job, a recovery point or an image belongs to it.
    """
    try:
        with transaction.atomic():
            _remove_row(repository)
    except (ProtectedError, IntegrityError) as problem:
        # Foreign keys are checked at commit: another transaction was faster.
        raise RepositoryInUse(
            f"Something was added to {repository.name} at the same moment. Reload and try again."
        ) from problem


def _remove_row(repository: Repository) -> None:
    locked = Repository.objects.select_for_update().filter(pk=repository.pk).first()
    if locked is None:
        raise RepositoryInUse(f"{repository.name} has already been removed.")
    counts = dependents_of_repository(locked)
    if any(counts):
        raise RepositoryInUse(
            f"{locked.name} cannot be removed: {counts.contexts} VM record(s), {counts.points}"
            f" recovery point(s) and {counts.jobs} job(s) belong to it."
        )
    locked.delete()
    # The row's removal is committed before the marker is removed: otherwise a failed commit would
    # leave a repository that looks unmounted.
    root = Path(repository.config["path"])
    transaction.on_commit(lambda: folders.unmark(root, str(repository.uuid)))


def default(among: QuerySet[Repository]) -> Repository | None:
    """The repository to use when none was chosen: the only one of these."""
    repositories = list(among[:2])
    return repositories[0] if len(repositories) == 1 else None


def _require_apart(root: Path) -> None:
    """A repository may be neither inside another one nor contain one."""
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
