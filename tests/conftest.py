"""What every test may use: the database it runs on, a Redis of its own.

`script/test` starts PostgreSQL and names it in the environment; pytest started by hand works too,
on SQLite. Redis is started here when a test asks for it: each process of a parallel run has its
own, since what one test's workers are told is nothing to another's.
"""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pytest_django import DjangoDbBlocker
from whitenoise.middleware import WhiteNoiseMiddleware
from xdist.scheduler import LoadFileScheduling

from contexts.vsphere import reach
from tests.kept_rows import KeptRows
from tests.migrated import is_parallel, migrated_postgresql, migrated_sqlite  # noqa: F401
from tests.mounts import hanging_share, small_ext4  # noqa: F401
from tests.redis_server import running_redis

# The servers of the tests are on this machine: for this process, and for those that it starts.
os.environ[reach.VARIABLE] = "127.0.0.0/8,::1"
reach.allow(os.environ[reach.VARIABLE].split(","))

# How fast inputs are made tells of the machine, not of the code.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--slow",
        action="store_true",
        help="the tests of the slow tier (docs/testing.md), and none of the others",
    )
    parser.addoption(
        "--model-examples",
        type=int,
        default=0,
        help="how many histories tests/model tries (a few dozen unless told)",
    )


# One process of a parallel run has all of such a room: its files share what takes seconds to make.
TOGETHER = ("tests/e2e/", "tests/integrity/", "tests/retention/")

# The rooms and files whose single files take longest: they begin first, so that a parallel run does
# not end with one process at work and the others waiting for it.
LONGEST = (
    *("scripts", "e2e", "integrity", "retention", "sync", "database", "model", "test_fuzz.py"),
    *("contexts", "api", "admin", "lab", "engine"),
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        room = item.path.relative_to(config.rootpath).parts[1]
        return LONGEST.index(room) if room in LONGEST else len(LONGEST)

    tiers: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        tiers[item.get_closest_marker("slow") is not None].append(item)
    slow = config.getoption("slow")
    config.hook.pytest_deselected(items=tiers[not slow])
    items[:] = sorted(tiers[slow], key=place)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Half the time in which pytest collects for the first time goes into rewriting assertions,
    which it keeps. So one process of a parallel run collects, and then all others at once.

    What is made then, stays: the garbage collector need not go through it, now nor later. Of what
    tests make, next to nothing is in circles: it looks at it less often than its habit is."""
    gc.disable()
    try:
        if not is_parallel():
            return (yield)
        with Path(__file__).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fcntl.flock(lock, fcntl.LOCK_SH)
            return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(
    config: pytest.Config, log: Any
) -> LoadFileScheduling | None:  # only known to xdist
    """A process gets whole files (`--dist loadfile`), or all files of a room: browser tests wait
    much, and share what takes long to start (tests/e2e/conftest.py); others share replications."""
    return WholeFilesAndRooms(config, log) if config.getvalue("dist") == "loadfile" else None


class WholeFilesAndRooms(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        rooms = (room for room in TOGETHER if nodeid.startswith(room))
        return next(rooms, None) or super()._split_scope(nodeid)


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool) -> bool:
    """A file that is there already is a copy of a migrated one."""
    from django.db import connection

    return django_db_keepdb or connection.vendor == "sqlite"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, request: pytest.FixtureRequest
) -> Iterator[None]:
    """SQLite tests use a file, as in production: an in-memory database has no WAL, no locks
    between connections, and a worker process could not open it. On PostgreSQL each process of a
    parallel run has a database of its own, by its suffix. In a parallel run, both are copies."""
    from django.db import connection

    if connection.vendor != "sqlite":
        if is_parallel():
            template = request.getfixturevalue("migrated_postgresql")
            connection.settings_dict["TEST"]["TEMPLATE"] = template
        yield
        return
    with tempfile.TemporaryDirectory(prefix="vmrep-test-") as folder:
        file = connection.settings_dict["TEST"]["NAME"] = f"{folder}/test.sqlite3"
        if is_parallel():
            shutil.copyfile(request.getfixturevalue("migrated_sqlite"), file)
        # What is thrown away need not be durable (script/test's PostgreSQL is not, either); what
        # a killed process has written stays. tests/database/test_durability.py has the real thing.
        connection.settings_dict["OPTIONS"]["init_command"] = (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
        )
        yield


@pytest.fixture(scope="session", autouse=True)
def static_files_are_listed_once() -> Iterator[None]:
    """Each client of a test begins as a web server does: it looks which static files there are.
    That takes longer than most requests, and they are always the same."""
    list_files = WhiteNoiseMiddleware.add_files_from_finders
    listed: dict[str, Any] = {}

    def list_them(self: WhiteNoiseMiddleware) -> None:
        if not listed:
            list_files(self)
            listed.update(self.files)
        self.files.update(listed)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(WhiteNoiseMiddleware, "add_files_from_finders", list_them)
        yield


@pytest.fixture(scope="session", autouse=True)
def passwords_are_hashed_quickly() -> Iterator[None]:
    """As in production, but not for a quarter of a second each."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("vmrep.accounts.hashers.Argon2.time_cost", 1)
        patched.setattr("vmrep.accounts.hashers.Argon2.memory_cost", 64)
        patched.setattr("django.contrib.auth.hashers.PBKDF2PasswordHasher.iterations", 1000)
        yield


@pytest.fixture(scope="session", autouse=True)
def logins_are_not_counted() -> Iterator[None]:
    """Each test's login would write four rows for nothing. Tests of logins count them."""
    from django.conf import settings

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(settings, "AXES_ENABLED", False, raising=False)
        yield


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """After a test with transactions of its own, the rows are again those that migrations made.
    Django's `flush` would make all triggers, content types and permissions anew, each time."""
    from django.test import TransactionTestCase

    with django_db_blocker.unblock():
        rows = KeptRows(tmp_path_factory.mktemp("rows") / "migrated.sqlite3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda test: rows.bring_back())
        yield


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A private, empty Redis, as VMREP_REDIS_URL wants it."""
    with running_redis() as url:
        yield url
