"""Each process that vmrep needs is killed, or hangs, while all others are there: what the pages and
the addresses for machines say of it, and that all is well afterwards."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.e2e.installation import Answer, Installation

pytestmark = pytest.mark.slow

# A death is told 30 seconds after the last sign of life; the rest is for a busy machine.
TOLD_SECONDS = 45.0
WELL_SECONDS = 90.0
DEATHS = {
    "control": ("worker_dead", "No worker of the queue “control” is alive."),
    "tick": ("worker_dead", "No worker of the queue “tick” is alive."),
    "copies": ("worker_dead", "No worker of the queue “copies” is alive."),
    "storage": ("worker_dead", "No worker of the queue “storage” is alive."),
    "beat": ("beat_dead", "Beat is not alive"),
    "redis": ("redis_dead", "Redis does not answer"),
}
PAGES_AT_ONCE = 16  # more than the web server has threads


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with (
        TemporaryDirectory(prefix="vmrep-test-") as folder,
        Installation(Path(folder)) as running,
    ):
        all_is_well(running)
        yield running


def wait(until: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.5)


def troubles(installation: Installation) -> dict[str, str]:
    """What is dead, in whose words, by kind."""
    answer = installation.get("/api/v1/health/")
    assert answer.status == 200, answer
    return {each["kind"]: each["what"] for each in json.loads(answer.text)["troubles"]}


def all_is_well(installation: Installation) -> None:
    """Whichever of the web server's processes is asked."""
    wait(lambda: all(troubles(installation) == {} for _ in range(10)), WELL_SECONDS)


def serves(installation: Installation, address: str) -> bool:
    return all(installation.get(address).status == 200 for _ in range(10))


def harmless(answer: Answer, *statuses: int) -> None:
    assert answer.status in statuses, answer
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("name", DEATHS)
def test_a_death_is_told_on_every_page_and_is_over_when_it_is_back(installation, name):
    kind, words = DEATHS[name]
    installation.kill(name)
    wait(lambda: troubles(installation).get(kind, "").startswith(words), TOLD_SECONDS)
    for address in ("/health/", "/jobs/"):
        # Each of the web server's processes asks Redis every few seconds by itself.
        wait(lambda address=address: words in installation.get(address).text, TOLD_SECONDS)
    assert installation.get("/healthz")[:2] == (200, "ok")
    assert installation.get("/readyz").status == 200, "pages can be served"
    installation.start(name)
    all_is_well(installation)
    assert words not in installation.get("/jobs/").text


def test_a_web_server_that_was_killed_serves_again_and_the_dead_one_is_listed(installation):
    installation.kill("web")
    installation.start("web")
    harmless(installation.get("/health/"), 200)
    all_is_well(installation)


def test_without_its_database_the_web_server_says_so_and_is_well_when_it_is_back(installation):
    installation.kill("postgres")
    _says_that_the_database_is_away(installation)
    installation.start("postgres")
    for address in ("/readyz", "/jobs/"):
        wait(lambda address=address: serves(installation, address), WELL_SECONDS)
    all_is_well(installation)


def test_a_database_that_hangs_holds_up_no_answer_for_ever(installation):
    installation.signal("postgres", signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(PAGES_AT_ONCE) as pool:
            pages = [pool.submit(installation.get, "/jobs/") for _ in range(PAGES_AT_ONCE)]
            _says_that_the_database_is_away(installation)
            for page in pages:
                harmless(page.result(), 503)
    finally:
        installation.signal("postgres", signal.SIGCONT)
    for address in ("/readyz", "/jobs/"):
        wait(lambda address=address: serves(installation, address), WELL_SECONDS)
    all_is_well(installation)


def test_a_redis_that_hangs_is_told_and_holds_up_no_page(installation):
    installation.signal("redis", signal.SIGSTOP)
    try:
        wait(lambda: "redis_dead" in troubles(installation), TOLD_SECONDS)
        wait(lambda: "Redis does not" in installation.get("/jobs/").text, TOLD_SECONDS)
        assert installation.get("/healthz").status == 200
        assert installation.get("/readyz").status == 200
    finally:
        installation.signal("redis", signal.SIGCONT)
    all_is_well(installation)


def _says_that_the_database_is_away(installation: Installation) -> None:
    assert installation.get("/healthz")[:2] == (200, "ok")
    ready = installation.get("/readyz")
    harmless(ready, 503)
    assert json.loads(ready.text)["database"] == "unreachable"
    page = installation.get("/virtual-machines/")
    harmless(page, 503)
    assert "The database does not answer" in page.text
    api = installation.get("/api/v1/health/")
    harmless(api, 503)
    assert json.loads(api.text)["code"] == "database_unreachable"


def test_every_line_of_every_process_is_an_object(installation: Installation) -> None:
    """The last test: from their first line to their last, also of those that were told to end."""
    for name in ("web", "beat", "tick", "control", "storage", "copies"):
        child = installation.children.pop(name)
        child.stop(in_a_hurry=lambda: False)
        lines = child.log.read_text().splitlines()
        assert lines or name == "beat"  # which says nothing while all is well
        for line in lines:
            found = json.loads(line)
            assert found["message"] or found["error"], line
            assert all(found[name] for name in ("logger", "at", "level")), line
        if name == "web":
            asked = [
                found for found in map(json.loads, lines) if found["logger"] == "gunicorn.access"
            ]
            assert asked
            assert all(found["request_id"] and found["status"] for found in asked)
