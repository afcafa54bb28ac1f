"""A SQLite database that `manage.py migrate` made, once for all processes of a run: to be copied.

To migrate from nothing takes three seconds of processor time.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its file. Nothing is kept for the next run: no migration could change unnoticed."""
    folder = tmp_path_factory.getbasetemp()
    if is_parallel():
        folder = folder.parent  # of all processes of this run
    path = folder / "migrated.sqlite3"
    with (folder / "migrating").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            making = path.with_suffix(".making")
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "--no-input", "-v0"],
                cwd=ROOT,
                env=os.environ | {"DATABASE_URL": f"sqlite:///{making}"},
                check=True,
            )
            making.rename(path)
    return path


def is_parallel() -> bool:
    """Whether this is one of the processes of a parallel run."""
    return "PYTEST_XDIST_WORKER" in os.environ
