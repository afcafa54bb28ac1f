"""A real estate that is replicated once per session; each test damages a copy of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.db import connection

from contexts.models import VCenter, VMContext
from contexts.services import vcenters
from contexts.vsphere import inventory, snapshots
from contexts.vsphere.session import Session
from replication.integrity.findings import CHECKS, Check, Finding, Scope
from replication.integrity.look import find
from replication.models import DiskImage, Repository
from replication.services import cancel, repositories, start
from tests import committed
from tests.integrity import copies
from tests.labs import LabCache, lab_cache  # noqa: F401
from tests.sync.estate import PASSWORD, Estate
from vmrep.lab import Lab

BASE = "integrity-base"


@pytest.fixture(autouse=True, scope="module")
def no_broker() -> Iterator[None]:
    """There are no workers here: hints have nobody to go to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("contexts.messages.send", lambda *message: None)
        patch.setattr("replication.messages.send", lambda *message: None)
        yield


@dataclass
class Copy:
    """One test's database and repository. `vm` has two recovery points, `other` has two disks."""

    estate: Estate
    folder: Path
    complain: Callable[[str], None]

    @property
    def vm(self) -> VMContext:
        return VMContext.objects.get(vm_name="small1")

    @property
    def other(self) -> VMContext:
        return VMContext.objects.get(vm_name="small2")

    @property
    def images(self) -> list[DiskImage]:
        """The chain of the VM's only disk: a root and an overlay."""
        return list(DiskImage.objects.filter(vm_context=self.vm).order_by("pk"))

    def file(self, image: DiskImage) -> Path:
        return self.folder / image.locator

    def session(self) -> Session:
        return Session(vcenters.endpoint(VCenter.objects.get()))


@dataclass
class Original:
    estate: Estate
    database: str
    folder: Path


@pytest.fixture(scope="session")
def original(
    django_db_setup: None,
    django_db_blocker: object,
    lab_cache: LabCache,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Original]:
    folder = tmp_path_factory.mktemp("integrity")
    with django_db_blocker.unblock():
        tests_own = copies.current()
        database = _name(folder, tests_own, BASE)
        copies.make_copy(tests_own, database)
        with lab_cache.running("small", folder / "lab", password=PASSWORD) as lab:
            copies.use(database)
            estate = _replicated(lab, folder)
            copies.use(tests_own)
            yield Original(estate, database, folder)
        copies.remove(database)


def _name(folder: Path, tests_own: str, name: str) -> str:
    """PostgreSQL's databases are everybody's: each process of a parallel run has its own names."""
    if connection.vendor == "sqlite":
        return str(folder / f"{name}.sqlite3")
    return f"{tests_own}-{name}"


def _replicated(lab: Lab, folder: Path) -> Estate:
    estate = Estate(lab, folder)
    vm, other = estate.take("small1"), estate.take("small2")
    estate.run_job(vm)
    estate.control.fill("small1", 2000, 48 << 20, 1 << 20, "checked")
    assert estate.run_job(vm).replication_type == "incremental"
    assert estate.run_job(other).status == "completed"
    cancel.cancel(start.start(other, trigger="manual", requested_by="ops"), actor="ops")
    return estate


@pytest.fixture(scope="session")
def lawless_original(original: Original, django_db_blocker: object) -> Iterator[str]:
    """The database without its rules: taking them out costs more than a test."""
    with django_db_blocker.unblock():
        before = copies.current()
        database = _name(original.folder, before, "integrity-lawless")
        copies.make_copy(original.database, database)
        copies.use(database)
        copies.drop_rules()
        copies.use(before)
        yield database
        copies.remove(database)


@contextmanager
def _copy(original: Original, database: str, folder: Path) -> Iterator[Copy]:
    """Of that database, which is the original one or made of it."""
    before = copies.current()
    copied = _name(folder, before, "integrity-copy")
    copies.make_copy(database, copied)
    copies.use(copied)
    shutil.copytree(original.estate.repository_folder, folder / "repository")
    Repository.objects.update(config={"path": str(folder / "repository")})
    committed.accept_all()
    committed.tell_repositories()
    complaints: list[str] = []

    @checks.register(checks.Tags.database)
    def complaining(**_: object) -> list[checks.CheckMessage]:
        return [checks.Error(complaint, hint="Put it back.") for complaint in complaints]

    try:
        yield Copy(original.estate, folder / "repository", complaints.append)
    finally:
        checks.registry.registry.registered_checks.discard(complaining)
        _leave_the_lab_as_it_was(original.estate)
        copies.use(before)
        copies.remove(copied)


@pytest.fixture
def whole(transactional_db: None, original: Original, tmp_path: Path) -> Iterator[Copy]:
    """An undamaged copy with all its rules."""
    with _copy(original, original.database, tmp_path) as copy:
        yield copy


def _leave_the_lab_as_it_was(estate: Estate) -> None:
    """The lab is the session's: faults and snapshots that a test made there go with it."""
    estate.control.clear_faults()
    for vm in estate.control.list_vms():
        if not vm["snapshots"]:
            continue
        with Session(vcenters.endpoint(estate.vcenter)) as session:
            moref = inventory.read_vm(session, vm["instance_uuid"]).moref
            for record in snapshots.tree(session, moref):
                snapshots.remove(session, record.moref)


@pytest.fixture
def lawless(
    transactional_db: None, original: Original, lawless_original: str, tmp_path: Path
) -> Iterator[Copy]:
    """A copy whose database accepts everything."""
    with _copy(original, lawless_original, tmp_path) as copy:
        copies.ignore_rules_of_columns()
        yield copy


# What every lawless copy lacks, whatever else was done to it.
LAWLESS = {"constraint_missing", "system_check_failed"}


def checked(**scope: object) -> list[Finding]:
    return list(find(Scope(**scope)))


def checked_but_for_rules(**scope: object) -> list[Finding]:
    """Without the look at every rule of every model, which takes half of the time."""
    with looking_only(lambda check: check.name != "row_breaks_rule"):
        return checked(**scope)


@contextmanager
def looking_only(at: Callable[[Check], object]) -> Iterator[None]:
    """Only these checks are carried out."""
    chosen = [check for check in CHECKS if at(check)]
    assert 0 < len(chosen) < len(CHECKS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("replication.integrity.look.CHECKS", chosen)
        yield


def finds(*wanted: str) -> Callable[[Check], bool]:
    """Of checks: those that find these codes."""
    return lambda check: not {code.name for code in check.codes}.isdisjoint(wanted)


def by_its_checks_and_by_all(names: Iterable[str]) -> Any:
    """Parameters `name` and `by_all`. The fast tier looks by the checks that are to find it. That
    nothing else is found by any other check takes many times as long."""
    quick = [pytest.param(name, False, id=name) for name in names]
    slow = [pytest.param(name, True, id=f"{name}-all", marks=pytest.mark.slow) for name in names]
    return pytest.mark.parametrize(("name", "by_all"), [*quick, *slow])


def codes(findings: list[Finding]) -> set[str]:
    return {finding.code for finding in findings}


def second_repository(folder: Path) -> Repository:
    return repositories.add_directory("second", str(folder / "second"))
