"""What tests begin with, made once: a test gets a copy of lab, rows and repository."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kept_rows import KeptRows
from tests.labs import copy_sparsely
from tests.sync.estate import PASSWORD, Estate
from vmrep.lab import Lab


class Beginning:
    """An estate with a recovery point of each named VM; without any, nothing is discovered yet.
    `folder`: where it is made, or was."""

    def __init__(self, folder: Path, scenario: str, vm_names: tuple[str, ...]) -> None:
        self._folder = folder
        self._scenario = scenario
        made = folder / "made"
        if not made.exists():
            folder.mkdir()
            self._make(vm_names)
        self._rows = KeptRows(folder / "rows.sqlite3")
        made.touch()

    def _make(self, vm_names: tuple[str, ...]) -> None:
        with self._lab(self._folder) as lab:
            estate = Estate(lab, self._folder)
            for context in [estate.take(vm_name) for vm_name in vm_names]:
                estate.replicate(context)

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
    """All that were asked for so far. The folder may be of several processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[str, tuple[str, ...]], Beginning] = {}

    def get(self, scenario: str, *vm_names: str) -> Beginning:
        """Nothing may be in the database; afterwards, anything may."""
        wanted = scenario, vm_names
        if wanted not in self._made:
            folder = self._folder / "-".join((Path(scenario).stem, *vm_names))
            with folder.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._made[wanted] = Beginning(folder, scenario, vm_names)
        return self._made[wanted]
