"""The real thing: a broker, worker processes, beat, a vCenter and a browser, on this test's
database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page

from replication.health import broker as redis
from tests import factories
from tests.e2e.browser import chromium, log_in_as, open_page
from tests.e2e.workers import MAKE, StandingWorkers, hints_go_to
from tests.labs import LabCache, lab_cache  # noqa: F401
from tests.redis_server import running_redis
from tests.sync.estate import PASSWORD, Estate, database_url
from vmrep.lab import Lab
from vmrep.local.supervisor import Supervisor


def environment(broker: str, folder: Path) -> dict[str, str]:
    """What a process of vmrep needs to work on this test's database."""
    return os.environ | {
        "DATABASE_URL": database_url(),
        "VMREP_REDIS_URL": broker,
        # A folder of its own for beat's schedule, but the keys that this process encrypts with,
        # and by which it recognises tokens and sessions.
        "VMREP_DATA_DIR": str(folder / "data"),
        "VMREP_FIELD_KEYS": ",".join(settings.FIELD_KEYS),
        "VMREP_SECRET_KEY": settings.SECRET_KEY,
        "DJANGO_SETTINGS_MODULE": "vmrep.settings",
        "VMREP_LOG_FORMAT": "json",
    }


@pytest.fixture
def broker(redis_url: str) -> Iterator[str]:
    """This process sends its hints to the test's Redis."""
    with hints_go_to(redis_url):
        yield redis_url


@pytest.fixture(scope="session")
def standing_workers(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StandingWorkers]:
    """With a Redis of their own: tests that start workers themselves are out of their hearing."""
    folder = tmp_path_factory.mktemp("workers")
    with running_redis() as broker:
        standing = StandingWorkers(environment(broker, folder), broker, folder)
        try:
            yield standing
        finally:
            standing.stop()


def all_are_alive() -> None:
    """What pages say of dead processes is a test of its own: workers that stood by give their first
    sign after some seconds, and most tests have none."""
    factories.everything_lives(seconds_ago=-3600)


@pytest.fixture
def workers_without_beat(
    transactional_db: None, standing_workers: StandingWorkers
) -> Iterator[Supervisor]:
    """The workers as script/demo starts them; nothing happens but what messages ask for."""
    with standing_workers.working(["copies", "control"]) as supervisor:
        all_are_alive()
        yield supervisor


@pytest.fixture
def workers(transactional_db: None, standing_workers: StandingWorkers) -> Iterator[Supervisor]:
    """All workers and beat."""
    with standing_workers.working(list(MAKE)) as supervisor:
        all_are_alive()
        yield supervisor


@pytest.fixture
def lab_scenario(
    lab_cache: LabCache,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> Iterator[Callable[[str], Lab]]:
    """Starts the lab with a scenario."""
    with ExitStack() as started:
        yield lambda scenario: started.enter_context(
            lab_cache.running(scenario, tmp_path / "lab", password=PASSWORD)
        )


@pytest.fixture
def estate(transactional_db: None, lab_scenario: Callable[[str], Lab], tmp_path: Path) -> Estate:
    return Estate(lab_scenario("small"), tmp_path)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        # Playwright's own event loop runs in this thread, which Django takes for async code.
        monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with chromium() as browser:
            yield browser


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What went wrong in the page, beside what the test looks at: nothing may. A test that
    expects something takes it out."""
    heard: list[str] = []
    yield heard
    assert heard == []


@pytest.fixture
def redis_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages do not tell that a test without workers has no Redis, either."""
    monkeypatch.setattr(redis, "problem", lambda **_: "")


@pytest.fixture
def anonymous_page(browser: Browser, live_server, complaints: list[str]) -> Iterator[Page]:
    with open_page(browser, live_server.url, complaints) as page:
        yield page


@pytest.fixture
def page(anonymous_page: Page, live_server, redis_is_there: None) -> Page:
    """Somebody is logged in."""
    all_are_alive()
    log_in_as(factories.user("ops"), anonymous_page, live_server.url)
    return anonymous_page


@pytest.fixture
def page_without_scripts(browser: Browser, live_server, redis_is_there: None) -> Iterator[Page]:
    """Somebody is logged in, in a browser without JavaScript."""
    all_are_alive()
    with browser.new_context(java_script_enabled=False, base_url=live_server.url) as profile:
        page = profile.new_page()
        log_in_as(factories.user("plain"), page, live_server.url)
        yield page
