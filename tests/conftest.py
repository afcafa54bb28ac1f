"""What every test may use: the database it runs on, a Redis of its own.

`script/test` starts PostgreSQL and names it in the environment; pytest started by hand works too,
on SQLite. Redis is started here when a test asks for it: each process of a parallel run has its
own, since what one test's workers are told is nothing to another's.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.migrated import is_parallel, migrated_postgresql, migrated_sqlite  # noqa: F401
from tests.mounts import hanging_share, small_ext4  # noqa: F401
from tests.redis_server import running_redis

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


# The rooms and files whose single files take longest: they begin first, so that a parallel run does
# not end with one process at work and the others waiting for it.
LONGEST = (
    *("scripts", "e2e", "sync", "database", "model", "integrity", "test_fuzz.py", "contexts"),
    *("api", "admin", "lab", "engine"),
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


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A private, empty Redis, as VMREP_REDIS_URL wants it."""
    with running_redis() as url:
        yield url
