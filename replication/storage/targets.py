"""From a repository's row to its target, without touching the storage yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from replication.engine.directory import DirectoryRepository
from replication.engine.errors import RepositoryUnavailable
from replication.engine.target import Target
from replication.models import Repository
from replication.storage import errands

T = TypeVar("T")


def target(repository: Repository) -> Target:
    """The engine's view of a repository. RepositoryUnavailable when its row names no folder."""
    config = repository.config
    path = config.get("path") if isinstance(config, dict) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise RepositoryUnavailable(
            f"The row of the repository {repository.name} names no folder. Correct its config."
        )
    return DirectoryRepository(Path(path), str(repository.uuid))


def visit(
    repository: Repository,
    purpose: str,
    work: Callable[[], T],
    *,
    seconds: float,
    on_wait: Callable[[], None] = lambda: None,
) -> T:
    """What `work` at a repository's storage returns or raises; DoesNotAnswer after that many
    seconds.

    Then it is left behind, as if its process were paused: it must be harmless at any later time,
    and must not use the database. Until it returns, this process begins no other visit there with
    the same purpose. `on_wait` is called every second.
    """
    return errands.run(
        (purpose, repository.pk),
        work,
        seconds=seconds,
        or_else=does_not_answer(target(repository).place),
        on_wait=on_wait,
    )


def does_not_answer(place: str) -> str:
    """Why a repository that takes too long to answer cannot be used. The words are always the same,
    because pages notice a job's change by them."""
    return f"{place} does not respond. Check its storage, or the server of its share."


def takes_no_file(place: str) -> str:
    """The same for a repository that can be read, but where writing a small file does not end."""
    return f"{place} can be read, but writing to it hangs. Check its storage."
