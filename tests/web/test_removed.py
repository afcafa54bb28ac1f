"""The list of VMs that are not under management any more."""

from __future__ import annotations

from contexts.models import DiscoveredVM
from contexts.services import management
from replication.models import DiskImage
from tests import factories
from tests.web.conftest import text

PAGE = "/virtual-machines/removed/"


def test_what_is_kept_of_a_removed_vm_is_found_again(web):
    context = factories.context(factories.HOSTILE_NAME)
    point = factories.recovery_point(context)
    DiskImage.objects.filter(recovery_point=point).update(allocated_bytes=5 << 20)
    factories.context("still here")
    management.release(context, actor="ops")
    page = text(web.get(PAGE))
    assert "&lt;script&gt;" in page
    assert factories.HOSTILE_NAME not in page
    assert f"?vm={context.pk}" in page
    assert '<td class="number">1</td>' in page
    assert "5 MiB" in page
    assert "still here" not in page


def test_one_that_is_taken_again_is_not_there(web):
    context = factories.context("back")
    management.release(context, actor="ops")
    management.take(
        [DiscoveredVM.objects.get(vmware_vm_id=context.vmware_vm_id)],
        repository=context.repository,
        actor="ops",
    )
    assert "No VM was removed" in text(web.get(PAGE))


def test_the_page_of_vms_leads_there_also_when_all_are_removed(web):
    assert PAGE not in text(web.get("/virtual-machines/"))
    context = factories.context()
    assert f'href="{PAGE}"' in text(web.get("/virtual-machines/"))
    management.release(context, actor="ops")
    assert f'href="{PAGE}"' in text(web.get("/virtual-machines/"))
