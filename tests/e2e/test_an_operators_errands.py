"""What an operator does beside replicating, each from its first click to its end in a real browser.

Nothing in the pages may complain meanwhile: see `complaints`.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from contexts.models import VMContext
from replication.models import PointRemoval, Repository, VMGroup
from replication.services import bulk_acts
from tests import factories
from vmrep.accounts.models import Token
from vmrep.accounts.tokens import digest
from vmrep.web.models import SavedView

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENCE = 20_000  # milliseconds
VMS = "/virtual-machines/"


@pytest.fixture(autouse=True)
def nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no worker here: what one does, a test does when it is time for it."""
    monkeypatch.setattr("contexts.messages.send", lambda *message: None)
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


@pytest.fixture
def vm(transactional_db: None) -> VMContext:
    """With two recovery points."""
    vm = factories.context("web-01", keep_in=factories.repository("nvme-01"))
    for days in (2, 1):
        factories.completed_job(vm, consistent_at=timezone.now() - timedelta(days=days))
    return vm


def said(page: Page, words: str) -> None:
    expect(page.locator("body")).to_contain_text(words, timeout=PATIENCE)


def test_all_that_match_are_paused_and_the_page_follows_to_the_end(page, transactional_db):
    vcenter, repository = factories.vcenter("lab"), factories.repository()
    names = [f"web-{number:02}" for number in range(30)]
    factories.contexts([*names, "other"], at=vcenter, keep_in=repository)
    page.goto(f"{VMS}?search=web&page_size=25")
    page.get_by_role("checkbox", name="Select web-03").check()
    page.get_by_role("checkbox", name="all 30 that match").check()
    page.locator("#more-acts > summary").click()
    page.get_by_role("button", name="Pause…").click()
    expect(page.get_by_role("heading", name="Pause 30 VMs?")).to_be_visible(timeout=PATIENCE)
    page.get_by_label("For how long").fill("2 h")
    page.get_by_role("button", name="Pause 30 VMs").click()
    said(page, "0 of 30 done, 30 to come")
    while bulk_acts.run_next():
        pass
    said(page, "30 of 30 done")  # by itself
    expect(page.locator("progress")).to_have_count(0)
    page.goto(f"{VMS}?columns=name&columns=next_run&page_size=50")
    expect(page.get_by_text("Paused", exact=True)).to_have_count(30)


def test_beside_the_marks_of_trouble_the_menu_is_whole(page, vm):
    page.goto("/events/told/")
    mark = page.locator(".topbar-marks span").first
    for width in (1024, 1280, 1400, 1440, 1600, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        mark.evaluate("mark => { mark.textContent = 'Health: 12 problems'; }")
        hidden = page.locator(".topbar-nav").evaluate("nav => nav.scrollWidth - nav.clientWidth")
        assert hidden <= 0, width


def test_only_what_is_to_be_paused_is_asked_for(page, vm):
    """A vCenter chosen beside “All VMs” looked as if only that one were paused."""
    page.goto("/pauses/")
    what = page.get_by_label("What")
    for kind, shown in (("All VMs", None), ("vCenter", "vcenter"), ("Policy", "policy")):
        what.select_option(label=kind)
        for name in ("vcenter", "policy"):
            field = page.locator(f"main select[name={name}]")
            if name == shown:
                expect(field).to_be_visible(timeout=PATIENCE)
            else:
                expect(field).to_be_hidden(timeout=PATIENCE)


def test_a_view_is_saved_renamed_made_the_default_and_removed(page, vm):
    page.goto(f"{VMS}?protection=unprotected")
    page.locator("#views > summary").click()
    page.get_by_label("Save what is shown as").fill("<b>Mine</b>")
    page.locator("#views").get_by_role("button", name="Save").click()
    said(page, "The view <b>Mine</b> was saved.")
    page.locator("#views > summary").click()
    page.get_by_role("link", name="My views").click()
    page.get_by_label("Name").fill("Unprotected ones")
    page.get_by_label("My default").check()
    page.get_by_role("button", name="Save").click()
    said(page, "The view Unprotected ones was saved.")
    page.get_by_role("link", name="Virtual machines", exact=True).click()
    expect(page.get_by_label("Protection")).to_have_value("unprotected", timeout=PATIENCE)
    page.goto("/views/")
    page.get_by_role("button", name="Remove the view Unprotected ones").click()
    said(page, "You have no saved views.")
    assert not SavedView.objects.exists()


def test_a_token_is_made_shown_once_and_revoked(page, transactional_db):
    page.goto("/account/tokens/")
    page.get_by_label("Name").fill("nightly")
    page.get_by_role("button", name="Make it").click()
    key = page.locator("#token").inner_text(timeout=PATIENCE)
    assert Token.objects.get().digest == digest(key)
    page.goto("/account/tokens/")
    expect(page.get_by_text(key)).to_have_count(0)
    page.get_by_role("button", name="Revoke the token nightly").click()
    said(page, "You have no token.")
    assert not Token.objects.exists()


def test_a_repository_with_a_typing_error_is_added_at_the_second_try(
    page, transactional_db, tmp_path: Path
):
    page.goto("/repositories/add/")
    page.get_by_label("Name").fill("nvme-01")
    page.get_by_label("Folder").fill("srv/replicas")
    page.get_by_role("button", name="Look at the folder").click()
    expect(page.get_by_label("Folder")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Folder").fill("/srv/vmrep-replcas")
    page.get_by_role("button", name="Look at the folder").click()
    said(page, "not there yet: it will be made")
    page.get_by_role("link", name="No, another folder").click()
    page.get_by_label("Name").fill("nvme-01")
    page.get_by_label("Folder").fill(str(tmp_path / "replicas"))
    page.get_by_role("button", name="Look at the folder").click()
    said(page, "it will be made")
    system_disk = page.get_by_label("own file system")
    if system_disk.count():
        system_disk.check()
    page.get_by_role("button", name="This is right").click()
    said(page, "The repository nvme-01 is ready.")
    assert Repository.objects.get().config["path"] == str(tmp_path / "replicas")


def test_a_vm_is_moved_from_the_page_of_its_repository(page, vm):
    other = factories.repository("nfs-archive")
    page.goto(f"/repositories/{vm.repository_id}/")
    page.get_by_role("link", name="Move web-01 to another repository").click()
    page.get_by_role("button", name="Move", exact=True).click()  # without a choice
    expect(page.get_by_role("heading", name="Move web-01")).to_be_visible()
    page.get_by_label("Repository").select_option(label="nfs-archive")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_role("heading", name="Move web-01")).to_have_count(0, timeout=PATIENCE)
    vm.refresh_from_db()
    assert vm.repository_id == other.pk
    page.goto(f"/repositories/{Repository.objects.exclude(pk=other.pk).get().pk}/")
    said(page, "kept in nfs-archive now")


def test_a_point_is_pinned_unpinned_and_deleted(page, vm):
    page.goto(f"{VMS}?vm={vm.pk}&tab=points")
    page.get_by_role("link", name="Pin, comment or delete").last.click()
    page.get_by_label("Why it stays").fill("before <i>the update</i>")
    page.get_by_role("button", name="Pin", exact=True).click()
    said(page, "ops has pinned it: before <i>the update</i>")
    expect(page.get_by_role("button", name="Delete this recovery point")).to_have_count(0)
    page.get_by_role("button", name="Unpin").click()
    page.get_by_role("button", name="Delete this recovery point").click()
    said(page, "ops asked for it")
    assert PointRemoval.objects.count() == 1


def test_a_group_is_made_and_ordered_by_keyboard_alone(page, vm):
    factories.contexts(["db-01", "app-01"], at=vm.vcenter, keep_in=vm.repository)
    page.goto("/groups/")
    page.get_by_label("Name").focus()
    page.keyboard.type("Shop")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Shop", level=1)).to_be_visible(timeout=PATIENCE)
    for name in ("app-01", "web-01", "db-01"):
        page.get_by_label("VM", exact=False).last.focus()
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name=name)).to_be_visible(timeout=PATIENCE)
    up = page.get_by_role("button", name="Move db-01 up")
    up.focus()
    for first_two in ("2.", "1."):
        page.keyboard.press("Enter")
        expect(page.get_by_role("listitem").filter(has_text="db-01")).to_contain_text(
            f"{first_two}", timeout=PATIENCE
        )
        expect(up).to_be_focused(timeout=PATIENCE)
    members = VMGroup.objects.get().members.order_by("position")
    assert [each.vm_context.vm_name for each in members] == ["db-01", "app-01", "web-01"]
