"""The main job as a person does it, in a real browser, with real workers and a real copy."""

import re

import pytest
from playwright.sync_api import Page, expect

from replication.models import ReplicationJob
from tests import factories
from tests.sync.estate import MIB

pytestmark = pytest.mark.browser

PATIENCE = 30_000  # milliseconds


def test_from_login_to_an_incremental_replication(estate, workers, anonymous_page):
    estate.control.rename("small1", "pgtest2")
    factories.user("ops", password="a long enough password")

    page = anonymous_page
    page.goto("/")
    page.get_by_label("Username").fill("ops")
    page.get_by_label("Password").fill("a long enough password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Virtual machines")).to_be_visible()

    _discover_and_take(page)
    page.get_by_role("link", name="Virtual machines").first.click()
    page.get_by_role("link", name="pgtest2").click()
    expect(page.get_by_role("complementary")).to_contain_text("Not replicated yet")

    _replicate(page, estate)
    first = ReplicationJob.objects.get()
    estate.assert_equal_to_snapshot(first.recovery_point)
    _expect_in_history(page, first, "Initial")

    estate.control.fill("pgtest2", 2000, 16 * MIB, 2 * MIB, seed=1)
    _replicate(page, estate)
    second = ReplicationJob.objects.exclude(pk=first.pk).get()
    estate.assert_equal_to_snapshot(second.recovery_point)
    _expect_in_history(page, second, "Incremental")
    assert second.bytes_transferred == 2 * MIB


def _discover_and_take(page: Page) -> None:
    page.get_by_role("link", name="Discovery").click()
    page.get_by_role("button", name="Discover").click()
    box = page.get_by_role("checkbox", name="Select pgtest2")
    expect(box).to_be_visible(timeout=PATIENCE)
    box.check()
    page.get_by_role("button", name="Take under management").click()
    expect(page.get_by_text("under management").first).to_be_visible()


def _replicate(page: Page, estate) -> None:
    """Click, watch the progress move, see it ready: without ever reloading the page."""
    estate.control.delay("GET /folder", 4)  # seconds: long enough to be seen
    panel = page.get_by_role("complementary")
    panel.get_by_role("button", name="Replicate now").click()
    expect(panel).to_contain_text("Replicating", timeout=PATIENCE)
    # An incremental plan reads its sample first, one delayed request after another.
    expect(panel.get_by_role("progressbar").first).to_be_visible(timeout=3 * PATIENCE)
    expect(panel).to_contain_text(re.compile(r"\b\d+ %"), timeout=3 * PATIENCE)
    estate.control.clear_faults()
    expect(panel.get_by_text("Ready", exact=True)).to_be_visible(timeout=PATIENCE)


def _expect_in_history(page: Page, job: ReplicationJob, replication_type: str) -> None:
    """The panel's history names the job and its type; the job's own page says 100 %."""
    panel = page.get_by_role("complementary")
    panel.get_by_role("link", name="Jobs").click()
    entry = panel.locator("li, tr, article").filter(has_text=job.pk).first
    expect(entry).to_contain_text(replication_type, timeout=PATIENCE)
    address = page.url
    page.goto(f"/jobs/{job.pk}/")
    expect(page.get_by_role("main")).to_contain_text("100 %")
    page.goto(address)
