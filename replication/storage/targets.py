"""From a repository's row to its storage, which is not touched yet."""

from __future__ import annotations

from pathlib import Path

from replication.engine.directory import DirectoryRepository
from replication.engine.errors import RepositoryUnavailable
from replication.models import Repository


def target(repository: Repository) -> DirectoryRepository:
    """The engine's view of a repository. RepositoryUnavailable when its row names no folder."""
    config = repository.config
    path = config.get("path") if isinstance(config, dict) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise RepositoryUnavailable(f"The row of the repository {repository.name} names no folder.")
    return DirectoryRepository(Path(path), str(repository.uuid))


def does_not_answer(root: Path) -> str:
    """Why a repository cannot be used when asking it takes too long. The same words each time:
    pages see a job change when they do."""
    return f"{root} does not answer. Is its storage hanging, or the server of its share away?"
