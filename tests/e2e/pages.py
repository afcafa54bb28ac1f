"""What the browser tests of panel and job page share: a login, a job that takes a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, Response, expect

from contexts.models import VMContext
from replication.models import ReplicationJob
from replication.services import start
from tests import factories
from tests.sync.estate import MIB, Estate

PATIENCE = 30_000  # milliseconds
PASSWORD = "a long enough password"


def log_in(page: Page) -> None:
    factories.user("ops", password=PASSWORD)
    page.goto("/login/")
    page.get_by_label("Username").fill("ops")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("link", name="Virtual machines").first).to_be_visible()


@contextmanager
def slow_job(estate: Estate, context: VMContext) -> Iterator[ReplicationJob]:
    """A replication of 48 MiB, of which every request takes its time until the block ends."""
    estate.control.fill("small1", 2000, 8 * MIB, 48 * MIB, seed="1")
    estate.control.delay("GET /folder", 5)
    try:
        yield start.start(context, trigger="manual", requested_by="ops")
    finally:
        estate.control.clear_faults()


def mark(page: Page, selector: str) -> None:
    """Remember this very element, to tell later whether it is still the same one."""
    page.eval_on_selector(selector, "element => { element.markedByTest = true; }")


def is_marked(page: Page, selector: str) -> bool:
    return bool(page.eval_on_selector(selector, "element => element.markedByTest === true"))


def is_of_htmx(answer: Response) -> bool:
    return answer.request.headers.get("hx-request") == "true"


def polls(page: Page, number: int = 2) -> None:
    """Wait until the live part was fetched that often."""
    for _ in range(number):
        with page.expect_response(is_of_htmx):
            pass
    page.wait_for_timeout(150)  # until it is settled
