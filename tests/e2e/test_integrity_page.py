"""Asking for an integrity check in a real browser, and reading what it found."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from contexts.models import VMContext
from tests import factories

pytestmark = pytest.mark.browser

PATIENCE = 30_000  # milliseconds


def test_a_check_is_asked_for_and_its_findings_are_read(workers_without_beat, page) -> None:
    context = factories.context("pgtest1", at=factories.vcenter(host="127.0.0.1", port=1))
    factories.failed_job(context)
    VMContext.objects.update(total_jobs_run=0, failed_jobs=0)
    page.goto("/integrity/")
    expect(page.get_by_role("link", name="Integrity: not checked yet")).to_be_visible()

    page.get_by_role("button", name="Check now").click()
    table = page.get_by_role("table", name="Findings")
    expect(table).to_contain_text("Counters differ", timeout=PATIENCE)
    expect(page.get_by_role("button", name="Check now")).to_be_enabled(timeout=PATIENCE)
    page.reload()
    expect(page.get_by_role("link", name=re.compile("Integrity: 3 findings"))).to_be_visible()
    for width in (1440, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 1440, "height": 900})
    table.get_by_role("link", name="pgtest1").click()
    expect(page.get_by_role("heading", name="pgtest1")).to_be_visible()
