"""What tests begin with, made once per process: a test gets a copy of lab, rows and repository."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kept_rows import KeptRows
from tests.labs import copy_sparsely
from tests.sync.estate import PASSWORD, Estate
from vmrep.lab import Lab


class Beginning:
    """An estate with a recovery point of each named VM; without any, nothing is discovered yet."""

    def __init__(self, folder: Path, scenario: str, vm_names: tuple[str, ...]) -> None:
        self._folder = folder
        self._scenario = scenario
        with self._lab(folder) as lab:
            estate = Estate(lab, folder)
            for context in [estate.take(vm_name) for vm_name in vm_names]:
                estate.replicate(context)
        self._rows = KeptRows(folder / "rows.sqlite3")

    @contextmanager
    def copied(self, folder: Path) -> Iterator[Estate]:
        """An estate of the test's own, which ends with the block."""
        for name in ("lab", "repository"):
            copy_sparsely(self._folder / name, folder / name)
        self._rows.bring_back()
        with self._lab(folder) as lab:
            yield Estate(lab, folder)

    def _lab(self, folder: Path) -> Lab:
        return Lab(folder / "lab", self._scenario, password=PASSWORD)


class Beginnings:
    """All that were asked for so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[str, tuple[str, ...]], Beginning] = {}

    def get(self, scenario: str, *vm_names: str) -> Beginning:
        """Nothing may be in the database; afterwards, anything may."""
        wanted = scenario, vm_names
        if wanted not in self._made:
            folder = self._folder / str(len(self._made))
            folder.mkdir()
            self._made[wanted] = Beginning(folder, scenario, vm_names)
        return self._made[wanted]
