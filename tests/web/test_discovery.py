"""The discovery page: choosing a vCenter, reading it, and what it shows of each VM."""

from __future__ import annotations

import re
import uuid
from copy import copy
from datetime import timedelta

import pytest
from django.utils import timezone

from contexts.models import DiscoveredVM, Discovery, VCenter
from contexts.services import management
from contexts.states import DiscoveryStatus
from tests import factories
from tests.web.conftest import text


def row(web, vm: DiscoveredVM) -> str:
    page = text(web.get("/discovery/", {"vcenter": vm.vcenter_id}))
    found = re.search(rf'<tr id="vm-{vm.pk}".*?</tr>', page, re.DOTALL)
    assert found
    return found[0]


def test_without_a_vcenter_it_leads_to_adding_one(web):
    assert 'href="/vcenters/add/"' in text(web.get("/discovery/"))


def test_without_a_choice_it_shows_the_first_vcenter(web):
    factories.vcenter("b")
    factories.vcenter("a")
    assert "a has not been discovered yet" in text(web.get("/discovery/"))


@pytest.mark.parametrize("vcenter", ["99", "x"])
def test_an_unknown_vcenter_is_not_found(web, vcenter):
    assert web.get("/discovery/", {"vcenter": vcenter}).status_code == 404


def test_it_shows_specs_and_calls_unknown_unknown(web):
    vm = factories.discovered_vm(cpu_count=4, memory_mb=None, power_state=None)
    shown = row(web, vm)
    assert '<td class="number hide-2">4</td>' in shown
    assert shown.count("unknown</span>") == 2
    assert "1 · 64 MiB" in shown


def test_it_says_what_would_be_refused_and_what_to_do(web):
    shown = row(web, factories.discovered_vm(is_template=True))
    assert "Would be refused" in shown
    assert "It is a template" in shown
    assert "Convert it to a virtual machine" in shown


def test_a_managed_vm_is_not_judged_by_what_a_discovery_saw(web):
    """It may have had a snapshot of vmrep's own, or disks that are left out by agreement."""
    context = factories.context("managed")
    vm = DiscoveredVM.objects.get(vmware_vm_id=context.vmware_vm_id)
    free = factories.discovered_vm("template", at=vm.vcenter, is_template=True)
    DiscoveredVM.objects.filter(pk=vm.pk).update(refusals=free.refusals)
    assert "refused" not in row(web, vm)
    page = text(web.get("/discovery/", {"vcenter": vm.vcenter_id}))
    assert "<strong>1</strong> would be refused" in page
    answer = web.get("/discovery/", {"vcenter": vm.vcenter_id, "refused": "true"})
    assert re.findall(r'aria-label="Select ([^"]+)" data-keep', text(answer)) == ["template"]


def test_a_vm_that_cannot_be_distinguished_cannot_be_ticked(web):
    shown = row(web, factories.discovered_vm(instance_uuid=None))
    assert "Cannot be taken" in shown
    assert " disabled>" in shown
    assert "data-select-one" not in shown


def test_a_managed_vm_leads_to_its_context(web):
    context = factories.context("pgtest1")
    shown = row(web, DiscoveredVM.objects.get())
    assert f"/virtual-machines/?vm={context.pk}" in shown
    assert " disabled>" in shown


def test_a_vm_that_is_gone_is_not_shown(web):
    vm = factories.discovered_vm("was-here")
    DiscoveredVM.objects.update(gone_at=timezone.now())
    assert "was-here" not in text(web.get("/discovery/", {"vcenter": vm.vcenter_id}))


def test_a_hostile_name_is_written_as_text(web):
    vm = factories.discovered_vm(
        factories.HOSTILE_NAME, disks=[factories.disk_record(label="<i>", disk_mode="independent")]
    )
    page = text(web.get("/discovery/", {"vcenter": vm.vcenter_id}))
    assert "<script>alert" not in page
    assert "<i>" not in page


def test_it_filters_what_is_managed_and_refused(web):
    vcenter = factories.vcenter()
    factories.context("managed", at=vcenter)
    factories.discovered_vm("free", at=vcenter)
    factories.discovered_vm("template", at=vcenter, is_template=True)

    def shown(**query: str) -> list[str]:
        page = text(web.get("/discovery/", {"vcenter": vcenter.pk, **query}))
        return re.findall(r'aria-label="Select ([^"]+)" data-keep', page)

    assert shown() == ["free", "managed", "template"]
    assert shown(managed="false") == ["free", "template"]
    assert shown(refused="true") == ["template"]
    assert shown(search="fre") == ["free"]
    assert shown(sort="-name") == ["template", "managed", "free"]


def test_a_running_discovery_shows_its_progress(web):
    vcenter = factories.vcenter()
    factories.discovery(vcenter, DiscoveryStatus.RUNNING, vms_seen=500, vms_total=5000)
    page = text(web.get("/discovery/"))
    assert "500 VMs of 5000" in page
    assert 'max="5000" value="500"' in page


def test_a_failed_discovery_says_why(web):
    vcenter = factories.vcenter()
    factories.discovery(
        vcenter, DiscoveryStatus.FAILED, error_message="The login was refused. Check it."
    )
    assert "The login was refused. Check it." in text(web.get("/discovery/"))


def test_a_discovery_that_left_out_a_vm_says_so(web):
    vm = factories.discovered_vm()
    left_out = "1 VM was not updated, because another transaction held the rows."
    factories.discovery(vm.vcenter, DiscoveryStatus.COMPLETED, error_message=left_out)
    assert left_out in text(web.get("/discovery/", {"vcenter": vm.vcenter_id}))


def test_without_a_repository_it_leads_to_adding_one(web):
    vm = factories.discovered_vm()
    assert 'href="/repositories/add/"' in text(web.get("/discovery/", {"vcenter": vm.vcenter_id}))


def test_discover_asks_for_a_discovery(web):
    vcenter = factories.vcenter()
    answer = web.post(f"/discovery/{vcenter.pk}/start/")
    assert answer["Location"] == f"/discovery/?vcenter={vcenter.pk}"
    run = Discovery.objects.get()
    assert (run.vcenter, run.status, run.requested_by) == (vcenter, "pending", "ops")


def test_discovering_twice_is_one_discovery(web):
    vcenter = factories.vcenter()
    for _ in range(2):
        assert web.post(f"/discovery/{vcenter.pk}/start/").status_code == 302
    assert Discovery.objects.count() == 1


def test_discover_takes_only_a_post(web):
    vcenter = factories.vcenter()
    assert web.get(f"/discovery/{vcenter.pk}/start/").status_code == 405
    assert not Discovery.objects.exists()


def test_the_number_of_queries_does_not_grow_with_the_rows(web, queries):
    vcenter, repository = factories.vcenter(), factories.repository()
    factories.context(at=vcenter, keep_in=repository)
    factories.discovered_vm(at=vcenter)
    web.get("/discovery/")
    one = queries(lambda: web.get("/discovery/"))
    factories.contexts(["managed"] * 15, at=vcenter, keep_in=repository)
    factories.discovered_vms(["new"] * 15, at=vcenter)
    assert queries(lambda: web.get("/discovery/")) == one


def seen(answer) -> list[str]:
    return re.findall(r'aria-label="Select ([^"]+)" data-keep', text(answer))


def test_a_refusal_is_a_few_words_with_the_rest_on_demand(web):
    disks = [
        factories.disk_record(),
        factories.disk_record(2001, disk_mode="independent_persistent"),
    ]
    shown = row(web, factories.discovered_vm(disks=disks))
    summary, rest = shown.split("</summary>")[:2]
    assert "Would be refused: independent disk: will not be protected" in summary
    assert "Hard disk 2 is independent" not in summary
    assert "Hard disk 2 is independent" in rest


def test_cbt_is_what_the_last_job_saw_not_what_the_last_discovery_saw(web):
    context = factories.context(cbt_enabled=False)
    vm = DiscoveredVM.objects.get()
    assert ">Off</span>" in row(web, vm)
    type(context).objects.update(cbt_enabled=True)
    assert '<td class="hide-1">On</td>' in row(web, vm)


def test_two_of_one_name_are_distinguished_by_their_folder(web):
    vcenter = factories.vcenter()
    first = factories.discovered_vm("app", at=vcenter, vm_path="/Bonn/vm/Production/app")
    second = factories.discovered_vm("app", at=vcenter, vm_path="/Bonn/vm/a%2fb/app")
    assert "Bonn / Production</span>" in row(web, first)
    assert "Bonn / a/b</span>" in row(web, second)


@pytest.fixture
def folders(web):
    vcenter = factories.vcenter()
    for name, folder in (("a", "Lab/vm/Web"), ("b", "Lab/vm/Web/Old"), ("c", "Lab/vm")):
        factories.discovered_vm(name, at=vcenter, vm_path=f"/{folder}/{name}")
    factories.discovered_vm("nowhere", at=vcenter, vm_path=None)
    return lambda **query: web.get("/discovery/", {"vcenter": vcenter.pk, "view": "tree", **query})


def test_the_tree_counts_what_is_in_each_folder_and_below(folders):
    page = text(folders())
    named = re.findall(r'title="([^"]+)">[^<]+</span><span class="number tone-muted">(\d+)', page)
    assert named == [("Lab", "3"), ("Web", "2"), ("Old", "1"), ("Unknown folder", "1")]
    assert seen(folders()) == ["a", "b", "c", "nowhere"]


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("/Lab", ["a", "b", "c"]),
        ("/Lab/vm/Web", ["a", "b"]),
        ("/Lab/vm/Web/Old", ["b"]),
        ("/Lab/vm/We", []),
        ("-", ["nowhere"]),
    ],
)
def test_a_folder_shows_what_is_in_it_and_below(folders, folder, names):
    assert seen(folders(folder=folder)) == names


def test_the_tree_opens_the_way_to_the_chosen_folder_and_where_there_is_no_choice(folders):
    def opened(**query: str) -> list[str]:
        return re.findall(r'<details class="folder" id="[^"]+"( open)?>', text(folders(**query)))

    assert opened() == [" open", " open"]
    factories.discovered_vm("d", at=VCenter.objects.get(), vm_path="/Lab/vm/Db/d")
    assert opened() == [" open", ""]
    assert opened(folder="/Lab/vm/Web/Old") == [" open", " open"]


def test_the_tree_counts_what_the_other_filters_leave(folders):
    page = text(folders(search="Old", folder="/Lab/vm/Web"))
    assert re.findall(r'<span class="number tone-muted">(\d+)', page) == ["1", "1", "1", "1"]


def test_a_folder_of_a_hostile_name_is_written_as_text(web):
    vm = factories.discovered_vm(vm_path='/Lab/vm/"><script>alert(1)<%2fscript>/x')
    page = text(web.get("/discovery/", {"vcenter": vm.vcenter_id, "view": "tree"}))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_what_disappeared_says_since_when_and_whether_it_was_managed(web):
    vcenter, repository = factories.vcenter(), factories.repository()
    managed = factories.context("managed", at=vcenter, keep_in=repository)
    former = factories.context("former", at=vcenter, keep_in=repository)
    management.release(former, actor="ops")
    factories.discovered_vm("never", at=vcenter)
    DiscoveredVM.objects.update(gone_at=timezone.now() - timedelta(hours=5))
    factories.discovered_vm("here", at=vcenter)
    page = text(web.get("/discovery/", {"vcenter": vcenter.pk, "gone": "true"}))
    assert re.findall(r'class="vm-name[^>]*>([^<]+)', page) == ["former", "managed", "never"]
    assert page.count(">5 h ago</time>") == 3
    assert f'href="/virtual-machines/?vm={managed.pk}"' in page
    assert f'href="/virtual-machines/?vm={former.pk}"' in page
    assert "Was not managed" in page
    assert "data-select-one" not in page
    assert "Take under management" not in page
    assert "<strong>3</strong> disappeared" in text(web.get("/discovery/"))


def test_the_counts_tell_what_is_what(web):
    vcenter, repository = factories.vcenter(), factories.repository()
    factories.context("managed", at=vcenter, keep_in=repository)
    free = factories.discovered_vm("free", at=vcenter)
    factories.discovered_vm("template", at=vcenter, is_template=True)
    factories.discovered_vm("unknown", at=vcenter, instance_uuid=None)
    page = text(web.get("/discovery/"))
    for words in ("4</strong> in the vCenter", "1</strong> can be taken", "1</strong> managed"):
        assert f"<strong>{words}" in page
    assert "<strong>2</strong> would be refused" in page
    (chip,) = re.findall(r'href="([^"]+takable=true[^"]*)"', page)
    listed = text(web.get(chip.replace("&amp;", "&")))
    assert re.findall(r'<tr id="vm-(\d+)"', listed) == [str(free.pk)], "as many as the chip says"


def test_a_managed_vm_shows_what_stands_behind_it(web):
    vcenter = factories.vcenter()
    never = factories.context("never", at=vcenter)
    factories.recovery_point(factories.context("copied", at=vcenter))
    page = text(web.get("/discovery/"))
    assert "Managed, unprotected" in page
    assert "Managed, no target" in page
    assert f"?vm={never.pk}" in page


def test_only_a_list_that_nothing_filters_is_lit_as_all(web):
    vcenter = factories.vcenter()
    factories.discovered_vm("here", at=vcenter)
    lit = (
        r'<a class="chip"[^>]*aria-current="true"[^>]*>\s*<svg[^>]*><use[^>]*></use></svg><strong>1'
    )
    assert re.search(lit, text(web.get("/discovery/")))
    for query in ({"search": "x"}, {"power_state": "poweredOff"}, {"managed": "true"}):
        assert not re.search(lit, text(web.get("/discovery/", query))), query


def test_a_discovery_that_nobody_begins_says_what_to_look_at(web):
    run = factories.discovery(factories.vcenter(), DiscoveryStatus.PENDING)
    assert "No worker has started yet" not in text(web.get("/discovery/"))
    Discovery.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    assert "No worker has started yet" in text(web.get("/discovery/"))


def test_a_failed_discovery_can_be_tried_again(web):
    vcenter = factories.vcenter()
    factories.discovery(vcenter, DiscoveryStatus.FAILED, error_message="No.")
    page = text(web.get("/discovery/"))
    assert "Try again" in page
    assert f'href="/vcenters/{vcenter.pk}/"' in page


def test_five_thousand_vms_are_a_page_of_a_hundred_with_the_whole_tree(
    web, queries, facts_are_remembered
):
    vcenter = factories.vcenter()
    one = factories.discovered_vm("one", at=vcenter)
    rows = []
    for number in range(5000):
        row = DiscoveredVM.objects.get(pk=one.pk) if not rows else copy(rows[0])
        row.pk, row.vmware_vm_id, row.moref = None, str(uuid.uuid4()), f"vm-x{number}"
        row.vm_path = f"/Lab/vm/Folder {number % 200}/vm-{number}"
        rows.append(row)
    DiscoveredVM.objects.bulk_create(rows, batch_size=200)
    answer = web.get("/discovery/", {"vcenter": vcenter.pk, "view": "tree"})
    assert len(seen(answer)) == 100
    assert text(answer).count('class="folder ') == 200
    assert queries(lambda: web.get("/discovery/", {"view": "tree"})) < 20
