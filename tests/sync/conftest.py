from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from contexts.models import VMContext
from replication.storage import errands
from tests.migrated import is_parallel
from tests.sync.beginnings import Beginnings
from tests.sync.estate import MIB, Estate


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers here are called by the test: hints have nobody to go to."""
    monkeypatch.setattr("contexts.messages.send", lambda *message: None)
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


@pytest.fixture(scope="session")
def beginnings(tmp_path_factory: pytest.TempPathFactory) -> Beginnings:
    """The processes of a parallel run share them. On PostgreSQL, rows are kept in its databases,
    of which each process has its own."""
    if connection.vendor == "postgresql" or not is_parallel():
        return Beginnings(tmp_path_factory.mktemp("beginnings"))
    folder = tmp_path_factory.getbasetemp().parent / "beginnings"
    folder.mkdir(exist_ok=True)
    return Beginnings(folder)


REPLICATED = {"small1": "small1", "small2": "small2", "replicated_web": "web"}
"""Fixtures, and the VM that each one has a recovery point of."""


@pytest.fixture
def estate(
    beginnings: Beginnings,
    transactional_db: None,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Estate]:
    """The lab's scenario "small", or the one that the test's `scenario` mark names. Nothing is
    discovered, unless the test uses fixtures of replicated VMs."""
    errands._under_way.clear()  # at a repository that had this one's number
    mark = request.node.get_closest_marker("scenario")
    scenario = mark.args[0] if mark else "small"
    vm_names = [vm for name, vm in REPLICATED.items() if name in request.fixturenames]
    with beginnings.get(scenario, *vm_names).copied(tmp_path) as estate:
        yield estate


@pytest.fixture
def small1(estate: Estate) -> VMContext:
    """With a recovery point: of its one disk, over /folder."""
    return VMContext.objects.get(vm_name="small1")


@pytest.fixture
def small2(estate: Estate) -> VMContext:
    """With a recovery point: of its two disks, over /folder."""
    return VMContext.objects.get(vm_name="small2")


@pytest.fixture
def replicated_web(estate: Estate) -> VMContext:
    """With a recovery point: of the scenario "two_sites"."""
    return VMContext.objects.get(vm_name="web")


@pytest.fixture
def no_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans read no sample: for tests that count or delay the requests of the transfer."""
    monkeypatch.setattr("replication.sync.sample.MOST_REQUESTS", 0)


@pytest.fixture
def ready(estate: Estate, small1: VMContext) -> VMContext:
    """A VM with one recovery point and 24 MiB changed since."""
    estate.control.fill("small1", 2000, 4 * MIB, 24 * MIB, seed=1)
    return small1
