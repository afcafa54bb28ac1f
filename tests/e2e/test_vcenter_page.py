"""Adding, testing and removing a vCenter in a real browser, against a real endpoint."""

from __future__ import annotations

import socket
import time

import pytest
from playwright.sync_api import Page, expect

from contexts.models import VCenter
from contexts.services import vcenters
from tests import factories
from tests.sync.estate import PASSWORD
from vmrep.lab.control.client import LabControl

PATIENCE = 30_000  # milliseconds

pytestmark = pytest.mark.browser


@pytest.fixture
def lab(transactional_db, lab_scenario):
    return lab_scenario("small")


@pytest.fixture
def page(lab, page):
    page.goto("/vcenters/add/")
    return page


def _address(page: Page, host: str, port: int) -> None:
    page.get_by_label("Name", exact=False).first.fill("lab")
    page.get_by_role("textbox", name="Host").fill(host)
    page.get_by_label("Port").fill(str(port))
    page.get_by_role("button", name="Look at its certificate").click()


def _log_in_as(page: Page, lab, password: str) -> None:
    page.get_by_label("User name").fill(lab.username)
    page.get_by_label("Password").fill(password)


def test_from_a_closed_port_over_a_wrong_password_to_the_removal(page, lab):
    fingerprint = vcenters.presented_certificate(lab.host, lab.port).fingerprint_sha256
    control = LabControl(lab.control_url)
    control.deny_privilege("VirtualMachine.Provisioning.DiskRandomRead")

    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    _address(page, lab.host, port)
    expect(page.locator("#id_port_error")).to_contain_text("refused", timeout=PATIENCE)
    expect(page.get_by_label("Password")).to_have_count(0)

    _address(page, lab.host, lab.port)
    expect(page.get_by_text("cannot verify the server's certificate")).to_be_visible()
    expect(page.locator(".fingerprint")).to_have_text(fingerprint)
    pin = page.get_by_role("button", name="Pin this certificate and add")
    _log_in_as(page, lab, "wrong")
    pin.click()
    expect(page.locator("#id_password_error")).to_contain_text("wrong", timeout=PATIENCE)
    expect(page.get_by_text("This certificate will be pinned")).to_be_visible()

    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Test and add").click()
    expect(page.get_by_text("lab was added.")).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".notice-warning")).to_contain_text(
        "VirtualMachine.Provisioning.DiskRandomRead"
    )
    vcenter = VCenter.objects.get()
    assert (vcenter.trust_mode, vcenter.fingerprint_sha256) == ("pin", fingerprint)

    page.goto(f"/vcenters/{vcenter.pk}/")
    page.get_by_role("button", name="Test connection").click()
    result = page.get_by_role("region", name="Connection")
    expect(result).to_contain_text("The connection works, but not for everything", timeout=PATIENCE)
    expect(result).to_contain_text("VirtualMachine.Provisioning.DiskRandomRead")
    control.clear_faults()
    page.get_by_role("button", name="Test connection").click()
    expect(result).to_contain_text("The connection works", timeout=PATIENCE)

    page.get_by_role("textbox", name="Host").fill("other.example.org")
    page.get_by_role("button", name="Test and save").click()
    expect(page.locator("#id_password_error")).to_contain_text("enter the password again")

    context = factories.context(at=vcenter)
    page.get_by_role("link", name="Remove this vCenter…").click()
    expect(page.get_by_role("link", name="1 VM under management")).to_be_visible()
    expect(page.get_by_role("button", name="Remove lab")).to_have_count(0)
    context.delete()
    page.reload()
    page.get_by_role("button", name="Remove lab").click()
    expect(page.get_by_text("lab was removed.")).to_be_visible()
    assert not VCenter.objects.exists()


def test_all_of_it_works_without_javascript(page_without_scripts, lab):
    plain = page_without_scripts
    plain.goto("/vcenters/add/")
    _address(plain, lab.host, lab.port)
    _log_in_as(plain, lab, PASSWORD)
    plain.get_by_role("button", name="Pin this certificate and add").click()
    expect(plain.get_by_text("lab was added.")).to_be_visible()
    plain.goto(f"/vcenters/{VCenter.objects.get().pk}/")
    started = time.monotonic()
    plain.get_by_role("button", name="Test connection").click()
    expect(plain.get_by_text("The connection works")).to_be_visible()
    assert time.monotonic() - started < 15
