"""Names that want to be code, on every page, in dialogs, toasts, titles and the admin: they are
text, and the browser complains of nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from contexts.models import DiscoveredVM, VMContext
from contexts.services import management
from replication.models import ReplicationJob
from tests import factories
from tests.e2e.pages import PATIENCE
from tests.e2e.visit import nobody_works

NAMES = (
    '"><img data-pwned src=x onerror="window.pwned=\'attribute\'">',
    "</title></script><script data-pwned>window.pwned='element'</script>",
    "'});window.pwned='script';({'x':'",
    "{{ 7|add:7 }}{% debug %}${7*7}<b data-pwned>",
    '{"vm": "1"}\' hx-get="/x" hx-trigger="load" data-pwned="',
    "javascript:window.pwned='address'//%00",
    "a\u202egnp.exe\u2066\u200f",
    "one\nline\r\nand\tanother\x0b",
    "=cmd|'/c calc'!A1",
    "[data-x] #id > * \\ ` & &amp; %2f ../..",
    "x" * 990,
)
PANEL = ("overview", "jobs", "disks", "network", "cbt", "points")


@pytest.fixture
def told() -> Iterator[None]:
    with nobody_works():
        yield


def hostile_vm(name: str, at: object, keep_in: object) -> VMContext:
    """A VM of which every text that comes from a vCenter is hostile."""
    return factories.context(
        name,
        at=at,
        keep_in=keep_in,
        vm_path=f"/{name.replace('/', '%2f')}/vm/{name.replace('/', '%2f')}/vm",
        datacenter=name,
        host_name=name,
        annotation=name,
        os_type=name,
        guest_hostname=name,
        vm_tools_version=name[:200],
        disks=[factories.disk_record(label=name, vmdk_path=f"[{name}] {name}", datastore=name)],
        networks=[factories.nic_record(label=name, network_name=name, mac_address=name[:200])],
    )


def require_text(page: Page, where: str) -> None:
    assert page.evaluate("window.pwned") is None, where
    assert page.locator("[data-pwned]").count() == 0, where


def require_narrow(page: Page, where: str) -> None:
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 1, f"{where} is {wide} pixels too wide"


def require_harmless(page: Page, where: str) -> None:
    require_text(page, where)
    require_narrow(page, where)


def hostile_estate() -> tuple[VMContext, VMContext, ReplicationJob, list[str]]:
    """A VM with everything, one with a running job, that job, and the addresses of all pages."""
    at = factories.vcenter(NAMES[0], product=NAMES[1])
    factories.discovery(at, status="failed", error_message=NAMES[1])
    keep_in = factories.repository(NAMES[1])
    vms = [hostile_vm(name, at, keep_in) for name in NAMES]
    everything, running, released, *_ = vms
    factories.completed_job(everything)
    failed = factories.failed_job(everything, why=" ".join(NAMES[:6]))
    job = factories.running_job(running, current_operation=NAMES[0])
    management.release(released, actor=NAMES[1])
    free = factories.discovered_vm(NAMES[0], at=at)
    DiscoveredVM.objects.filter(pk=free.pk).update(
        unreadable_since=free.seen_at, unreadable_reason=NAMES[1]
    )

    return (
        everything,
        running,
        job,
        [
            "/virtual-machines/",
            *(f"/virtual-machines/?vm={vm.pk}" for vm in vms),
            *(f"/virtual-machines/?vm={everything.pk}&tab={tab}" for tab in PANEL),
            f"/virtual-machines/?vm={running.pk}&tab=jobs",
            f"/virtual-machines/{everything.pk}/sync/",
            f"/virtual-machines/{everything.pk}/remove/",
            f"/virtual-machines/{released.pk}/delete-replica-data/",
            "/virtual-machines/removed/",
            f"/discovery/?vcenter={at.pk}",
            f"/discovery/?vcenter={at.pk}&view=tree",
            "/jobs/",
            *(f"/jobs/{each.pk}/" for each in (failed, job)),
            "/vcenters/",
            f"/vcenters/{at.pk}/",
            f"/vcenters/{at.pk}/remove/",
            "/repositories/",
            "/integrity/",
            "/health/",
            "/policies/",
            "/admin/contexts/vmcontext/",
            f"/admin/contexts/vmcontext/{everything.pk}/change/",
            "/admin/contexts/discoveredvm/",
            f"/admin/contexts/discoveredvm/{free.pk}/change/",
            "/admin/contexts/vcenter/",
            f"/admin/contexts/vcenter/{at.pk}/change/",
            "/admin/replication/replicationjob/",
            f"/admin/replication/replicationjob/{failed.pk}/change/",
            "/admin/replication/repository/",
        ],
    )


@pytest.mark.slow
def test_names_that_want_to_be_code_are_text_everywhere(page: Page, told: None, complaints) -> None:
    User.objects.update(is_staff=True, is_superuser=True)
    everything, running, job, addresses = hostile_estate()
    for address in addresses:
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        require_text(page, address)
        if not address.startswith("/admin/"):
            require_narrow(page, address)
        assert [f"{address}: {each}" for each in complaints] == []

    # What a click brings: an answer that is swapped in, a toast, dialogs that name the VM.
    page.goto(f"/virtual-machines/?vm={everything.pk}")
    with page.expect_response(lambda answer: answer.url.endswith("/replicate/")):
        page.locator("form[action$='/replicate/'] button, [hx-post$='/replicate/']").first.click()
    page.wait_for_load_state("networkidle")
    require_harmless(page, "starting")
    page.goto("/virtual-machines/")
    page.locator(f"tr[id='row-{running.pk}'] input[type=checkbox]").check()
    page.locator("[data-confirm=cancel-dialog]").click()
    names = page.locator("dialog[open] [data-dialog-names]")
    names.wait_for(timeout=PATIENCE)
    assert NAMES[1] in names.inner_text()
    require_harmless(page, "cancelling several")
    page.goto(f"/jobs/{job.pk}/")
    page.locator("[data-dialog=cancel-job-dialog]").click()
    page.locator("dialog[open]").wait_for(timeout=PATIENCE)
    require_harmless(page, "cancelling one")
