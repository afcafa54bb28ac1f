"""The context panel in a real browser: charts of a real job, focus, dialogs, widths."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from contexts.models import VMContext
from replication.engine.extent_map import BUCKETS, FULL
from replication.models import CBTHistory, ReplicationJob
from replication.states import JobStatus
from tests import factories
from tests.e2e.pages import PATIENCE, is_marked, mark, polls, slow_job
from tests.e2e.scenes import sampled
from vmrep.web.panel import TABS

pytestmark = pytest.mark.browser
CANVAS = "#progress canvas"


@pytest.fixture
def vm(transactional_db: None) -> VMContext:
    """Two syncs to draw, which nobody made: what a test does not look at need not be real."""
    vm = factories.context("small1")
    for seconds_ago in (60, 20):
        at = timezone.now() - timedelta(seconds=seconds_ago)
        sampled(factories.completed_job(vm, consistent_at=at))
    CBTHistory.objects.update(extent_map=bytes([FULL] * BUCKETS), extent_count=1)
    return vm


def address(context: VMContext, tab: str = "overview") -> str:
    return f"/virtual-machines/?vm={context.pk}&tab={tab}"


def test_a_running_job_is_drawn_live_and_cancelled_over_polls(
    estate, page, request: pytest.FixtureRequest
):
    """Polls take nothing away: the chart, the focus, what is open and scrolled, the dialog."""
    context = estate.take("small1")
    estate.replicate(context)  # by this process: workers would take the job from it
    request.getfixturevalue("workers_without_beat")
    panel = page.get_by_role("complementary")
    with slow_job(estate, context) as job:
        page.goto(address(context, "jobs"))
        chart = panel.locator("#progress [data-chart]")
        expect(chart).to_be_visible(timeout=PATIENCE)
        expect(panel.locator(CANVAS)).to_be_visible()
        expect(panel).to_contain_text(re.compile(r"\d+(\.\d)? MiB of 64 MiB"), timeout=PATIENCE)
        first = chart.get_attribute("data-chart")
        mark(page, CANVAS)
        steps = panel.locator("details[id^=steps-]").last
        steps.locator("summary").click()
        panel.get_by_role("link", name="Disks").focus()
        page.eval_on_selector("#panel", "element => { element.scrollTop = 40; }")
        polls(page)
        assert is_marked(page, CANVAS), "the canvas is the one that was drawn upon"
        assert page.evaluate("document.activeElement.id") == "tab-disks"
        assert page.evaluate("document.getElementById('panel').scrollTop") == 40
        expect(steps).to_have_attribute("open", "")
        expect(chart).not_to_have_attribute("data-chart", first or "", timeout=PATIENCE)
        assert "100 %" not in panel.inner_text()

        cancel = panel.get_by_role("link", name="Cancel…")
        cancel.click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("The source VM is not changed")
        expect(dialog.get_by_role("button", name="Keep it running")).to_be_focused()
        polls(page, 1)
        expect(dialog).to_be_visible()
        expect(dialog.get_by_role("button", name="Keep it running")).to_be_focused()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(panel).to_be_visible()
        cancel.click()
        dialog.get_by_role("button", name="Cancel the replication").click()
        expect(dialog).to_be_hidden()
        expect(page.get_by_text("will be cancelled in a moment")).to_be_visible()
    expect(panel.get_by_text("Ready", exact=True)).to_be_visible(timeout=PATIENCE)
    expect(panel.locator("[data-chart].rate-small canvas").first).to_be_visible(timeout=PATIENCE)
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    page.goto(f"/jobs/{job.pk}/")
    expect(page.get_by_label("Steps").get_by_text("Clean up")).to_be_visible(timeout=PATIENCE)


def test_a_chart_takes_the_colours_of_the_theme(vm, page):
    sampled(factories.running_job(vm))
    page.goto(address(vm))
    expect(page.locator(CANVAS)).to_be_visible(timeout=PATIENCE)
    drawn = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(300)
        drawn.append(page.eval_on_selector(CANVAS, _MOST_OPAQUE))
    assert drawn[0] != drawn[1]


# The colour of the line: the most frequent one that nothing shines through.
_MOST_OPAQUE = """canvas => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const drawing = copy.getContext("2d", {willReadFrequently: true});
  drawing.drawImage(canvas, 0, 0);
  const {data} = drawing.getImageData(0, 0, canvas.width, canvas.height);
  const seen = {};
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] < 255) continue;
    const colour = `${data[at]},${data[at + 1]},${data[at + 2]}`;
    seen[colour] = (seen[colour] ?? 0) + 1;
  }
  return Object.entries(seen).sort((one, other) => other[1] - one[1])[0][0];
}"""


def test_the_focus_goes_where_the_eyes_go(vm, page):
    page.goto("/virtual-machines/")
    page.set_viewport_size({"width": 768, "height": 900})
    link = page.locator("a[data-open-link]", has_text="small1")
    link.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#panel-title")).to_be_focused()
    page.wait_for_timeout(150)  # until it is settled: htmx knows the panel's links only then
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_have_count(0)
    expect(link).to_be_focused()

    page.set_viewport_size({"width": 1440, "height": 900})
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_be_visible()
    page.locator("#panel").get_by_role("button", name="Replicate now").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#panel").get_by_role("button", name="Cancel")).to_be_visible()
    assert page.evaluate("document.activeElement !== document.body")
    assert page.evaluate("Boolean(document.activeElement.closest('#panel .actions'))")
    assert ReplicationJob.objects.filter(status=JobStatus.PENDING).count() == 1


def test_an_action_is_done_once_and_menus_close(vm, page):
    page.goto(address(vm))
    menu = page.locator("#rpo-target")
    menu.locator("summary").click()
    menu.get_by_role("button", name="4 h").click()
    expect(menu.locator("summary")).to_contain_text("4 h")
    expect(menu.get_by_role("button", name="4 h")).to_be_hidden()
    vm.refresh_from_db()
    assert vm.rpo_target_seconds == 4 * 3600

    page.locator("#replicate").dblclick()
    expect(page.get_by_text("was started")).to_be_visible()
    page.wait_for_timeout(500)
    expect(page.locator(".notice-error")).to_have_count(0)
    assert ReplicationJob.objects.filter(status=JobStatus.PENDING).count() == 1


def test_every_tab_fits_every_width_and_asks_for_nothing_forbidden(vm, page):
    for tab in TABS:
        page.goto(address(vm, tab.key))
        expect(page.locator(".panel-tabs [aria-current]")).to_have_text(tab.label)
        for width in (1440, 768, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, tab.key
            outside = page.eval_on_selector_all(
                "#panel *",
                "(all) => all.filter((each) => each.getBoundingClientRect().right >"
                " innerWidth + 1).map((each) => each.className)",
            )
            assert outside == [], (width, tab.key)


def test_without_scripts_everything_is_there(vm, page_without_scripts):
    page = page_without_scripts
    page.goto(address(vm, "cbt"))
    expect(page.locator("svg.bars")).to_be_visible()
    expect(page.locator("svg.map").first).to_be_visible()
    page.goto(address(vm, "jobs"))
    expect(page.locator(".rate-picture").first).to_be_visible()
    page.get_by_role("button", name="Replicate now").click()
    expect(page.locator("#panel")).to_contain_text("Waiting for a worker")
    page.locator("#panel").get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("was cancelled")).to_be_visible()
