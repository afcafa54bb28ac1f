"""Repositories: where replicas are kept."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.core.exceptions import ValidationError
from django.db import transaction

from replication.engine.directory import DirectoryRepository
from replication.engine.errors import EngineError
from replication.errors import RepositoryRefused
from replication.models import Repository
from replication.states import RepositoryKind


def add_directory(name: str, path: str) -> Repository:
    """Make a folder of this machine a repository: its marker file is written.

    Raises RepositoryRefused when the folder cannot be used, ValidationError for a name in use.
    """
    root = Path(path)
    if not root.is_absolute():
        raise RepositoryRefused(f"{path!r} is not an absolute path: begin it with /.")
    repository = Repository(
        name=name,
        kind=RepositoryKind.DIRECTORY,
        uuid=uuid.uuid4(),
        config={"path": str(root)},
    )
    repository.full_clean()
    if any(other.config.get("path") == str(root) for other in Repository.objects.all()):
        raise ValidationError({"path": f"{root} is a repository already."})
    with transaction.atomic():
        repository.save(force_insert=True)
        try:
            DirectoryRepository.initialise(root, str(repository.uuid))
        except EngineError as problem:
            raise RepositoryRefused(str(problem)) from problem
    return repository


def storage(repository: Repository) -> DirectoryRepository:
    """The engine's view of a repository."""
    return DirectoryRepository(Path(repository.config["path"]), str(repository.uuid))


def default() -> Repository | None:
    """The repository to use when nobody chose one: the only one that there is."""
    repositories = list(Repository.objects.all()[:2])
    return repositories[0] if len(repositories) == 1 else None
