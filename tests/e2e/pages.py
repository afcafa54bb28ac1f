"""What the browser tests of panel and job page share: a job that takes a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, Response

from contexts.models import VMContext
from replication.models import ReplicationJob
from replication.services import start
from tests.sync.estate import MIB, Estate

PATIENCE = 30_000  # milliseconds
# Descriptors are requested, too.
SEEN_AT_ONCE = 6


@contextmanager
def slow_job(estate: Estate, context: VMContext) -> Iterator[ReplicationJob]:
    """A replication of 64 MiB, of which all requests but the first few take their time until the
    block ends.

    The whole disk has changed: no sample of what has not is read before the transfer."""
    estate.control.fill("small1", 2000, 0, 64 * MIB, seed="1")
    estate.control.delay("GET /folder", 8, after=SEEN_AT_ONCE)
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
