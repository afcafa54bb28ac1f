"""A job's page in a real browser, while the job runs and after its end."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from replication.services import job_log
from tests import factories
from tests.e2e.pages import PATIENCE, is_marked, is_of_htmx, mark, polls, slow_job

pytestmark = pytest.mark.browser


def test_a_job_is_watched_from_its_start_to_its_end(estate, page, workers_without_beat):
    context = estate.take("small1")
    with slow_job(estate, context) as job:
        page.goto(f"/jobs/{job.pk}/")
        main = page.get_by_role("main")
        expect(page.locator("#progress canvas")).to_be_visible(timeout=PATIENCE)
        expect(main).to_contain_text(re.compile(r"of 64 MiB\s+\(\d\d? %\)"))
        expect(page.locator("svg.map").first).to_be_visible()
        mark(page, "#progress canvas")
        page.locator("#log").focus()
        polls(page)
        assert is_marked(page, "#progress canvas")
        expect(page.locator("#log")).to_be_focused()
        for width in (1440, 768, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.set_viewport_size({"width": 1440, "height": 900})
    expect(main).to_contain_text("100 %", timeout=PATIENCE)
    expect(page.locator("#log")).to_contain_text("Committed", timeout=PATIENCE)
    expect(page.get_by_role("heading", name="Throughput")).to_be_visible()
    expect(page.locator("[data-chart] canvas")).to_be_visible()
    expect(page.get_by_label("Steps").get_by_text("Clean up")).to_be_visible(timeout=PATIENCE)


def test_the_logs_end_stays_in_view_until_somebody_scrolls_up(transactional_db, page):
    job = factories.completed_job(factories.context())
    for number in range(60):
        job_log.write(job.pk, 1, f"line {number}")
    page.goto(f"/jobs/{job.pk}/")
    log = page.locator("#log")
    page.get_by_role("heading", name="Log", exact=True).evaluate("title => title.scrollIntoView()")
    expect(log.get_by_text("line 59", exact=True)).to_be_in_viewport()
    job_log.write(job.pk, 1, "the newest line")
    _look_again(page)
    expect(log.get_by_text("the newest line")).to_be_visible()
    _wait_for_the_end(page)

    page.eval_on_selector("#log", "log => { log.scrollTop = 10; }")
    job_log.write(job.pk, 1, "one more")
    _look_again(page)
    expect(log.get_by_text("one more")).to_be_attached()
    assert page.eval_on_selector("#log", "log => log.scrollTop") == 10

    job_log.write(job.pk, 1, "<b>mind</b> \u202ethe gap", "warning")
    page.get_by_role("link", name="Warnings and errors").click()
    lines = page.locator("#log li")
    expect(lines).to_have_count(1)
    expect(lines).to_contain_text(r"<b>mind</b> \u202ethe gap")


def _look_again(page: Page) -> None:
    """As the next poll does, without waiting for it."""
    with page.expect_response(is_of_htmx):
        page.evaluate("htmx.trigger('#live', 'vmrep:poll')")


def _wait_for_the_end(page: Page) -> None:
    """The log's end comes into view after what is new is there, and is drawn."""
    from_end = "log => log.scrollHeight - log.scrollTop - log.clientHeight"
    for _ in range(50):
        if page.eval_on_selector("#log", from_end) < 8:
            return
        page.wait_for_timeout(100)
    raise AssertionError("the log's end is out of view")
