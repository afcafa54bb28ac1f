"""How a repository is doing right now, asked of the storage itself."""

from __future__ import annotations

from typing import NamedTuple

from replication.engine.errors import EngineError
from replication.models import Repository
from replication.services import repositories


class StorageState(NamedTuple):
    """`problem` is empty when the marker is where it must be; `free_bytes` is known then."""

    free_bytes: int | None
    problem: str


def storage_state(repository: Repository) -> StorageState:
    try:
        return StorageState(repositories.storage(repository).free_bytes(), "")
    except EngineError as problem:
        return StorageState(None, str(problem))
