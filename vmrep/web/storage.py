"""How a repository is doing right now, asked of the storage itself."""

from __future__ import annotations

from typing import NamedTuple

from replication.engine.errors import EngineError
from replication.models import Repository
from replication.services import repositories


class StorageState(NamedTuple):
    """`problem` is empty when the marker is where it must be; the sizes are known then."""

    free_bytes: int | None
    problem: str
    total_bytes: int | None = None

    @property
    def is_low(self) -> bool:
        """Less than a tenth is free."""
        if self.free_bytes is None or not self.total_bytes:
            return False
        return self.free_bytes * 10 < self.total_bytes


def storage_state(repository: Repository) -> StorageState:
    storage = repositories.storage(repository)
    try:
        return StorageState(storage.free_bytes(), "", storage.total_bytes())
    except EngineError as problem:
        return StorageState(None, str(problem))
