"""The page of the virtual machines in a real browser: keys, selection, columns, bulk, first run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from contexts.models import VMContext
from replication.models import ReplicationJob
from replication.states import JobStatus
from tests import factories

pytestmark = pytest.mark.browser

PATIENCE = 20_000  # milliseconds
PAGE = "/virtual-machines/"


@pytest.fixture(autouse=True)
def nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no worker here: jobs stay as a test puts them."""
    monkeypatch.setattr("contexts.messages.send", lambda *message: None)
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


@pytest.fixture
def vms(transactional_db) -> dict[str, VMContext]:
    """a is ready, b is being replicated, c was never replicated, d failed, e to h are new."""
    vcenter, repository = factories.vcenter("lab"), factories.repository()
    made = {name: factories.context(name, at=vcenter, keep_in=repository) for name in "abcdefgh"}
    now = timezone.now()
    factories.recovery_point(made["a"], now - timedelta(seconds=20))
    factories.recovery_point(made["b"], now - timedelta(hours=2))
    factories.running_job(made["b"])
    factories.failed_job(made["d"], "d cannot be replicated. It has no disks: add one.")
    return {vm.vm_name: vm for vm in VMContext.objects.all()}


def progress(vm: VMContext, done_bytes: int) -> None:
    """The running job gets on: the next poll has news."""
    ReplicationJob.objects.filter(pk=vm.current_job_id).update(
        bytes_transferred=done_bytes, updated_at=timezone.now()
    )


def row(page: Page, name: str):
    return page.locator("tr[data-open]").filter(has=page.get_by_role("link", name=name, exact=True))


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent.trim()"))


def expect_focus_on(page: Page, name: str) -> None:
    """Soon: the focus moves when what replaced the part of the page is settled."""
    link = row(page, name).get_by_role("link", name=name, exact=True)
    expect(link).to_be_focused(timeout=PATIENCE)


def poll_with_news(page: Page, vm: VMContext, done_bytes: int, percent: str) -> None:
    progress(vm, done_bytes)
    expect(row(page, vm.vm_name)).to_contain_text(percent, timeout=PATIENCE)


# ------------------------------------------------------------- keys


def test_the_table_is_worked_by_keyboard_alone(page, vms):
    page.goto(PAGE)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("xj?")  # letters typed are letters
    expect(page.get_by_text("No VM matches")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("searchbox").fill("")
    expect(row(page, "a")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("searchbox").blur()

    page.keyboard.press("ArrowDown")
    assert focused(page) == "a"
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    assert focused(page) == "c"
    page.keyboard.press("k")
    assert focused(page) == "b"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"

    page.keyboard.press("x")
    expect(page.get_by_role("checkbox", name="Select b", exact=True)).to_be_checked()
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.keyboard.press(" ")
    expect(page.get_by_text("1 selected")).to_be_visible()

    page.keyboard.press("Enter")
    panel = page.get_by_role("complementary")
    expect(panel.get_by_role("heading", name="c", exact=True)).to_be_focused(timeout=PATIENCE)
    page.wait_for_timeout(150)  # until it is settled: htmx knows the panel's links only then
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")  # back to the row; the panel stays
    expect_focus_on(page, "c")
    expect(panel).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0, timeout=PATIENCE)
    expect_focus_on(page, "c")
    assert "vm=" not in page.url

    page.keyboard.press("/")
    page.keyboard.type("h")
    expect(row(page, "a")).to_have_count(0, timeout=PATIENCE)
    page.keyboard.press("ArrowDown")  # from the search box to what it found
    expect_focus_on(page, "h")


def test_the_row_that_opens_its_panel_stays_under_the_pointer(page, vms):
    """The list gets narrower, and all that is above the row higher."""
    page.set_viewport_size({"width": 1280, "height": 700})
    page.goto(PAGE)
    name = row(page, "c").get_by_role("link", name="c", exact=True)
    place = name.bounding_box()
    name.click()
    expect(page.locator("#panel")).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(150)  # until it is settled
    assert name.bounding_box()["y"] == pytest.approx(place["y"], abs=1)
    poll_with_news(page, vms["b"], 16 * factories.MIB, "50 %")
    assert name.bounding_box()["y"] == pytest.approx(place["y"], abs=1)


@pytest.mark.parametrize("edge", [3, -3])
def test_a_row_that_gets_lower_stays_under_a_pointer_at_its_edge(page, vms, edge):
    """A column goes as the panel opens, and with it what took several lines."""
    page.set_viewport_size({"width": 1280, "height": 700})
    page.goto(PAGE)
    before = row(page, "c").bounding_box()
    x, y = before["x"] + 250, before["y"] + edge % before["height"]
    page.mouse.click(x, y)
    expect(page.locator("#panel")).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(150)  # until it is settled
    assert row(page, "c").bounding_box()["height"] < before["height"] - 6
    under = page.evaluate("([x, y]) => document.elementFromPoint(x, y).closest('tr').id", [x, y])
    assert under == row(page, "c").get_attribute("id")


def test_on_a_phone_a_vm_is_read_from_its_top_and_the_list_from_where_it_was(page, vms):
    page.set_viewport_size({"width": 390, "height": 700})
    page.goto(PAGE)
    name = row(page, "h").get_by_role("link", name="h", exact=True)
    name.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    assert before > 0
    name.click()
    title = page.locator("#panel-title")
    expect(title).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(150)
    assert page.evaluate("scrollY") == 0
    expect(title).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect_focus_on(page, "h")
    assert page.evaluate("scrollY") == pytest.approx(before, abs=1)


def test_a_request_that_is_overtaken_is_no_error(page, vms):
    """What is typed while a poll or a search is on its way: the older one ends without a word."""
    page.goto(PAGE)
    slow = "X-Vmrep-Version"

    def hold(route):
        if slow.lower() in route.request.headers:
            page.wait_for_timeout(400)
        route.continue_()

    with page.expect_request(lambda request: slow.lower() in request.headers):
        page.route("**/virtual-machines/*", hold)
    page.get_by_role("searchbox").press_sequentially("gh", delay=350)
    expect(page.get_by_text("No VM matches")).to_be_visible(timeout=PATIENCE)
    page.unroute_all(behavior="wait")
    expect(page.locator("#connection")).to_be_hidden()


def test_the_keys_are_listed_and_letters_can_be_turned_off(page, vms):
    page.goto(PAGE)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    page.keyboard.press("j")  # behind an open dialog nothing moves
    dialog.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("?")
    expect(dialog).to_be_hidden()
    page.reload()
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement === document.body")
    page.keyboard.press("ArrowDown")
    assert focused(page) == "a"
    page.get_by_role("button", name="Keys of this page").click()
    expect(dialog).to_be_visible()


# ------------------------------------------------------------- polls


def test_a_poll_takes_nothing_away(page, vms):
    """Focus, what is ticked, an open menu, what is typed, scroll: all as they were."""
    page.set_viewport_size({"width": 1440, "height": 420})
    page.emulate_media(reduced_motion="reduce")  # nothing scrolls on by itself
    page.goto(PAGE)
    for name in "af":
        page.get_by_role("checkbox", name=f"Select {name}", exact=True).check()
    page.locator("#columns summary").click()
    box = page.get_by_role("checkbox", name="Guest host name")
    box.focus()
    page.evaluate("window.scrollTo({top: 120, behavior: 'instant'})")
    before = page.evaluate("window.scrollY")
    assert before > 0
    page.evaluate("window.theRow = document.querySelector('tr[data-active]')")
    bar = page.locator("#bulk-bar")
    seen = page.evaluate_handle(
        "() => { const seen = []; new MutationObserver((all) => all.forEach((m) => seen.push(1)))"
        ".observe(document.getElementById('bulk-bar'),"
        " {attributes: true, childList: true, subtree: true, characterData: true}); return seen; }"
    )

    poll_with_news(page, vms["b"], 16 * factories.MIB, "50 %")
    poll_with_news(page, vms["b"], 24 * factories.MIB, "75 %")

    expect(box).to_be_focused()
    expect(page.locator("#columns")).to_have_attribute("open", "")
    assert page.evaluate("window.scrollY") == before
    assert page.evaluate("window.theRow.isConnected"), "the row was made anew"
    for name in "af":
        expect(page.get_by_role("checkbox", name=f"Select {name}", exact=True)).to_be_checked()
    expect(bar).to_contain_text("2 selected")
    assert page.evaluate("(seen) => seen.length", seen) == 0, "the bar flickered"


def test_a_row_keeps_its_tick_and_the_focus_when_it_moves(page, vms):
    page.goto(f"{PAGE}?sort=status")
    page.get_by_role("checkbox", name="Select h", exact=True).check()
    row(page, "h").get_by_role("link").focus()
    factories.completed_job(vms["h"])
    expect(row(page, "h")).to_contain_text("Ready", timeout=PATIENCE)
    expect(page.get_by_role("checkbox", name="Select h", exact=True)).to_be_checked()
    expect_focus_on(page, "h")
    page.reload()
    expect(page.get_by_role("checkbox", name="Select h", exact=True)).to_be_checked()
    expect(page.get_by_text("1 selected")).to_be_visible()


def test_ages_grow_between_two_polls(page, vms):
    page.goto(PAGE)
    cell = row(page, "a").locator("time").first
    first = cell.inner_text()
    page.evaluate("document.getElementById('live').removeAttribute('data-poll-seconds')")
    expect(cell).not_to_have_text(first, timeout=5_000)
    assert re.fullmatch(r"\d+ s", cell.inner_text())


# ------------------------------------------------------------- columns


def test_columns_are_chosen_in_the_open_menu_and_are_in_the_address(page, vms):
    page.goto(PAGE)
    table = page.get_by_role("table", name="Virtual machines")
    page.locator("#columns summary").click()
    for name in ("Memory", "Inventory path"):
        page.get_by_role("checkbox", name=name, exact=True).check()
        expect(table.get_by_role("columnheader", name=name)).to_be_visible(timeout=PATIENCE)
    page.get_by_role("checkbox", name="Power", exact=True).uncheck()
    expect(table.get_by_role("columnheader", name="Power")).to_have_count(0, timeout=PATIENCE)
    expect(page.locator("#columns")).to_have_attribute("open", "")
    page.keyboard.press("Escape")
    expect(page.locator("#columns")).not_to_have_attribute("open", "")
    page.reload()
    expect(table.get_by_role("columnheader", name="Memory")).to_be_visible()
    table.get_by_role("link", name="Memory").click()
    expect(table.get_by_role("columnheader", name="Memory")).to_have_attribute(
        "aria-sort", "ascending", timeout=PATIENCE
    )
    page.locator("#columns summary").click()
    page.get_by_role("link", name="The usual ones").click()
    expect(table.get_by_role("columnheader", name="Power")).to_be_visible(timeout=PATIENCE)
    assert "columns=" not in page.url


# ------------------------------------------------------------- bulk


def test_selected_vms_are_replicated_and_the_refused_are_named(page, vms):
    page.goto(f"{PAGE}?sort=-name")
    expect(page.get_by_role("button", name="Replicate")).to_have_count(0)
    page.get_by_role("checkbox", name="Select all shown").check()
    expect(page.get_by_text("8 selected")).to_be_visible()
    page.get_by_role("button", name="Replicate").click()
    notice = page.locator(".notice-warning")
    expect(notice).to_contain_text("7 replications were started.", timeout=PATIENCE)
    expect(notice).to_contain_text("1 VM was refused: b is already being replicated by job-")
    expect(row(page, "h")).to_contain_text("Replicating")
    expect(page.get_by_text("8 selected")).to_be_hidden()
    assert "sort=-name" in page.url
    assert ReplicationJob.objects.filter(status=JobStatus.PENDING).count() == 7
    covered = page.evaluate(
        "() => { window.scrollTo({top: 9999, behavior: 'instant'});"
        " const foot = document.querySelector('.table-foot').getBoundingClientRect();"
        " const notices = document.getElementById('notices').getBoundingClientRect();"
        " return foot.bottom > notices.top; }"
    )
    assert not covered, "a notice lies over the end of the page"


def test_cancelling_selected_ones_asks_and_says_what_is_not_touched(page, vms):
    page.goto(PAGE)
    for name in "bc":
        page.get_by_role("checkbox", name=f"Select {name}", exact=True).check()
    page.get_by_role("button", name="Cancel…").click()
    dialog = page.get_by_role("dialog", name="Cancel 1 replication?")
    expect(dialog).to_contain_text("The source VMs are not changed")
    expect(dialog).to_contain_text("b")
    poll_with_news(page, vms["b"], 16 * factories.MIB, "50 %")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert not ReplicationJob.objects.filter(cancel_requested_at__isnull=False).exists()

    page.get_by_role("button", name="Cancel…").click()
    dialog.get_by_role("button", name="Cancel 1 replication").click()
    expect(page.locator(".notice-warning")).to_contain_text(
        "1 replication is being cancelled.", timeout=PATIENCE
    )
    assert ReplicationJob.objects.get(pk=vms["b"].current_job_id).cancel_requested_by == "ops"


# ------------------------------------------------------------- without JavaScript


@pytest.fixture
def plain(live_server, page: Page) -> Iterator[Page]:
    """The same user in a browser that runs no scripts."""
    context = page.context.browser.new_context(base_url=live_server.url, java_script_enabled=False)
    context.add_cookies(page.context.cookies())
    yield context.new_page()
    context.close()


def test_without_javascript_everything_is_a_whole_page(plain, vms):
    plain.goto(PAGE)
    plain.locator("#columns summary").click()
    plain.get_by_role("checkbox", name="Memory", exact=True).check()
    plain.get_by_role("button", name="Show these").click()
    expect(plain.get_by_role("columnheader", name="Memory")).to_be_visible()

    plain.goto(PAGE)
    for name in "ce":
        plain.get_by_role("checkbox", name=f"Select {name}", exact=True).check()
    plain.get_by_role("button", name="Replicate").click()
    expect(plain.get_by_text("2 replications were started.")).to_be_visible()

    for name in "ce":
        plain.get_by_role("checkbox", name=f"Select {name}", exact=True).check()
    plain.get_by_role("button", name="Cancel…").click()
    expect(plain.get_by_role("heading", name="Cancel 2 replications?")).to_be_visible()
    plain.get_by_role("button", name="Cancel 2 replications").click()
    expect(plain.get_by_text("2 replications are being cancelled.")).to_be_visible()
    assert vms["c"].jobs.get().status == JobStatus.CANCELLED

    plain.get_by_role("link", name="a", exact=True).click()
    expect(plain.get_by_role("complementary")).to_be_visible()
    plain.get_by_role("link", name="Last job failed").click()
    expect(plain.get_by_role("link", name="c", exact=True)).to_have_count(0)


# ------------------------------------------------------------- first run, widths


def test_an_empty_installation_leads_by_the_hand(page, transactional_db):
    def expect_step(title: str) -> None:
        expect(page.locator('[aria-current="step"] strong')).to_have_text(title, timeout=PATIENCE)

    page.goto("/")
    expect_step("Add a vCenter")
    page.get_by_text("Try the lab").click()
    expect(page.get_by_text("script/demo")).to_be_visible()
    page.get_by_role("link", name="Add a vCenter").click()
    expect(page).to_have_url(re.compile("/vcenters/add/"))

    vcenter = factories.vcenter("lab")
    page.goto("/")
    expect_step("Discover its VMs")
    factories.discovered_vm("other", at=vcenter)
    page.reload()
    expect_step("Take VMs under management")
    context = factories.context("pgtest1", at=vcenter)
    page.reload()
    expect_step("Replicate one")
    page.get_by_role("button", name="Replicate pgtest1").click()
    expect(page.get_by_role("complementary")).to_contain_text("Replicating", timeout=PATIENCE)
    expect(page.get_by_role("main")).to_contain_text("pgtest1 is being replicated")
    factories.cancel.cancel(context.jobs.get(), actor="ops")
    factories.completed_job(context)
    expect_step("See its recovery point")
    page.get_by_role("link", name="See the recovery point").click()
    expect(page.get_by_role("complementary").locator("[aria-current=page]")).to_have_text(
        "Points", timeout=PATIENCE
    )


def test_no_width_scrolls_sideways_and_nothing_is_cut_off(page, vms):
    for query in ("", "?columns=name&columns=vm_path&columns=vmx_path", "?search=nothing+like"):
        page.goto(f"{PAGE}{query}")
        for width in (1440, 1280, 768, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, query
            for link in page.locator(".topbar-nav a").all():
                expect(link).to_be_in_viewport(ratio=1)
            cut = page.evaluate(
                "[...document.querySelectorAll('.home-value, .chip, .filters .form-select')]"
                ".filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent)"
            )
            assert cut == [], query
