"""The discovery page in a real browser, with a real worker and a lab that can be slow."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from contexts.models import DiscoveredVM, VMContext
from tests import factories

pytestmark = pytest.mark.browser

PATIENCE = 30_000  # milliseconds


def test_a_failed_discovery_is_tried_again_and_a_slow_one_can_be_left(
    estate, workers_without_beat, page
):
    estate.control.fail("Login", fault="NoPermission")
    estate.control.delay("RetrievePropertiesEx", 8)
    page.goto("/discovery/")
    page.get_by_role("button", name="Discover").click()
    expect(page.get_by_text("The discovery failed")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("You can leave this page")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("link", name="Jobs").click()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    page.get_by_role("link", name="Discovery").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_role("button", name="Discover")).to_be_disabled()
    estate.control.clear_faults()
    expect(page.get_by_role("checkbox", name="Select small1")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("2 VMs seen")).to_be_visible()


def test_why_it_would_be_refused_is_told_before_and_after_taking(estate, page):
    estate.control.take_snapshot("small1", "before the update")
    estate.control.rename("small2", factories.HOSTILE_NAME)
    estate.discover()
    page.goto("/discovery/")
    row = page.get_by_role("row").filter(has_text="small1")
    summary = row.get_by_text("Would be refused: has a snapshot")
    expect(row.get_by_text("before the update")).not_to_be_visible()
    summary.click()
    expect(row.get_by_text("before the update")).to_be_visible()

    page.get_by_role("checkbox", name="Select all shown").check()
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.get_by_role("checkbox", name="Select small1").check()
    page.get_by_label("RPO target").select_option("RPO target: 1 h")
    page.get_by_role("button", name="Take under management").click()
    expect(page.locator(".notice-warning")).to_contain_text(
        "2 VMs are now under management. vmrep would refuse to replicate 1 of them as it is now:"
        " small1 (has a snapshot)"
    )
    assert set(VMContext.objects.values_list("rpo_target_seconds", flat=True)) == {3600}


def test_what_is_opened_and_ticked_stays_over_a_poll(estate, page):
    estate.control.move("small1", "Production/Web")
    estate.control.take_snapshot("small2", "by hand")
    estate.discover()
    page.goto("/discovery/?view=tree")
    folders = page.get_by_role("navigation", name=re.compile("Folders of"))
    production = folders.locator("details").filter(has_text="Production").last
    # Beside the name: clicking that would show the folder.
    production.locator("summary").first.click(position={"x": 4, "y": 10})
    expect(folders.get_by_role("link", name="Web")).to_be_visible()
    page.get_by_text("Would be refused").last.click()
    page.get_by_role("checkbox", name="Select small1").check()

    estate.discover()
    with page.expect_response(lambda answer: "/discovery/" in answer.url and answer.ok):
        page.evaluate("htmx.trigger('#live', 'vmrep:poll')")
    page.wait_for_timeout(300)
    expect(folders.get_by_role("link", name="Web")).to_be_visible()
    expect(page.get_by_text("(“by hand”)")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Select small1")).to_be_checked()

    folders.get_by_role("link", name="Web").click()
    expect(page).to_have_url(re.compile("folder="))
    expect(page.get_by_role("checkbox", name="Select small1")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Select small2")).to_have_count(0)
    page.get_by_role("link", name="List").click()
    expect(page.get_by_role("checkbox", name="Select small2")).to_be_visible()


def test_what_disappeared_has_a_place_of_its_own(estate, page):
    context = estate.take("small1")
    estate.control.unregister("small1")
    estate.control.destroy("small2")
    estate.discover()
    page.goto("/discovery/")
    expect(page.get_by_role("checkbox", name="Select small1")).to_have_count(0)
    page.get_by_role("link", name="2 disappeared").click()
    row = page.get_by_role("row").filter(has_text="small1")
    expect(row).to_contain_text("Disappeared")
    expect(page.get_by_role("row").filter(has_text="small2")).to_contain_text("Was not managed")
    row.get_by_role("link", name="Managed").click()
    expect(page.get_by_role("complementary")).to_contain_text(context.pk)


def test_everything_that_fits_is_one_tick(live_server, page):
    repository = factories.repository()
    factories.discovered_vms(f"vm-{number:03}" for number in range(103))
    page.goto("/discovery/")
    take = page.get_by_role("button", name="Take under management")
    expect(take).to_be_disabled()
    page.get_by_role("checkbox", name="all 103 that match").check()
    expect(take).to_be_enabled()
    take.click()
    expect(page.get_by_text("103 VMs are now under management.")).to_be_visible(timeout=PATIENCE)
    assert VMContext.objects.filter(repository=repository).count() == 103


def test_it_works_without_javascript(live_server, page):
    vcenter = factories.vcenter("lab")
    factories.repository()
    factories.discovered_vm("in-web", at=vcenter, vm_path="/Lab/vm/Web/in-web")
    factories.discovered_vm("plan", at=vcenter, is_template=True)
    page.goto("/discovery/")
    plain = page.context.browser.new_context(
        java_script_enabled=False, storage_state=page.context.storage_state()
    ).new_page()
    plain.goto(f"{live_server.url}/discovery/?view=tree")
    plain.get_by_text("Would be refused: a template").click()
    expect(plain.get_by_text("Convert it to a virtual machine")).to_be_visible()
    plain.get_by_role("link", name="Web").click()
    expect(plain.get_by_role("checkbox", name="Select plan")).to_have_count(0)
    plain.get_by_role("checkbox", name="Select in-web").check()
    plain.get_by_role("button", name="Take under management").click()
    expect(plain.get_by_text("1 VM is now under management.")).to_be_visible()
    assert DiscoveredVM.objects.count() == 2


def test_nothing_is_wider_than_the_window(live_server, page):
    vcenter, repository = factories.vcenter("lab"), factories.repository()
    factories.discovered_vm("x" * 80, at=vcenter, vm_path="/Lab/vm/" + "y" * 90 + "/z")
    for address in (
        "/vcenters/",
        "/vcenters/add/",
        f"/vcenters/{vcenter.pk}/",
        f"/vcenters/{vcenter.pk}/remove/",
        "/repositories/",
        "/repositories/add/",
        f"/repositories/{repository.pk}/",
        f"/repositories/{repository.pk}/remove/",
        "/discovery/?view=tree",
        "/discovery/",
    ):
        page.goto(address)
        for width in (1440, 768, 390):
            page.set_viewport_size({"width": width, "height": 900})
            wide = "document.documentElement.scrollWidth <= innerWidth"
            assert page.evaluate(wide), (address, width)
    box = page.locator("th.col-select").bounding_box()
    assert box is not None
    assert box["width"] < 60
