"""Labs for tests: a scenario's disks are made once per test session and then copied sparsely,
so that a test has a lab of its own in well under a second.

Fixtures are imported by the conftest of the room that wants them:

    from tests.labs import lab, lab_cache, lab_control  # noqa: F401
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from contexts.vsphere.tls import presented_certificate
from vmrep.lab import Lab, LabControl
from vmrep.lab.disks.sparse import copy_file
from vmrep.lab.world.state import STATE_FILE, Store

PASSWORD = "only-for-tests"


def login_at(lab: Lab, **more: object) -> dict[str, Any]:
    """What somebody enters to add a lab as a vCenter."""
    known = {"name": "lab", "host": lab.host, "port": lab.port}
    return {**known, "username": lab.username, "password": PASSWORD, **more}


def pinned(lab: Lab, **more: object) -> dict[str, Any]:
    """The same, with the lab's certificate pinned."""
    shown = presented_certificate(lab.host, lab.port).fingerprint_sha256
    return login_at(lab, **{"trust_mode": "pin", "fingerprint_sha256": shown, **more})


def copy_sparsely(source: Path, target: Path) -> None:
    """A folder with all that is in it; `target` need not exist."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.rglob("*"):
        copied = target / path.relative_to(source)
        if path.is_dir():
            copied.mkdir(exist_ok=True)
        else:
            copy_file(path, copied)
            shutil.copymode(path, copied)


class LabCache:
    """Built labs, one folder per scenario, to be copied from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def built(self, scenario: str) -> Path:
        """The folder of a scenario that was built and never used since."""
        folder = self._folder / Path(scenario).stem
        if not (folder / STATE_FILE).exists():
            with Lab(folder, scenario, password=PASSWORD):
                pass
        return folder

    def copy(self, scenario: str, target: Path, *, new_identity: bool = True) -> Path:
        """A copy to run a lab in; with `new_identity` it is another vCenter than its siblings."""
        copy_sparsely(self.built(scenario), target)
        if new_identity:
            store = Store(target)
            estate = store.get("estate", "estate") or {}
            store.put("estate", "estate", {**estate, "instance_uuid": str(uuid.uuid4())})
            store.close()
        return target

    @contextmanager
    def running(self, scenario: str, folder: Path, **options: Any) -> Iterator[Lab]:
        """A running lab in a folder, which is copied from the cache when it is not there yet."""
        if not folder.exists():
            self.copy(scenario, folder)
        with Lab(folder, scenario, **{"password": PASSWORD, **options}) as running:
            yield running


@pytest.fixture(scope="session")
def lab_cache(tmp_path_factory: pytest.TempPathFactory) -> LabCache:
    """The session's built labs."""
    return LabCache(tmp_path_factory.mktemp("lab-cache"))


@pytest.fixture
def lab(lab_cache: LabCache, tmp_path: Path) -> Iterator[Lab]:
    """A lab of the test's own with the scenario `small`."""
    with lab_cache.running("small", tmp_path / "lab") as running:
        yield running


@pytest.fixture
def lab_control(lab: Lab) -> LabControl:
    """The control surface of that lab."""
    return LabControl(lab.control_url)
