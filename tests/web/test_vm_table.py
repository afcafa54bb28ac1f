"""The table's columns and page sizes, and the counts and chips above it, all in the address."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from contexts.models import VMContext
from contexts.vsphere.specs import SPEC_FIELDS
from replication.models import ContextLease
from replication.services import finish
from tests import factories
from tests.web.conftest import text
from tests.web.test_list_virtual_machines import PAGE, names
from vmrep.web.tables import VMTable

USUAL = [
    *("VM", "Status", "RPO", "Last job", "Next run", "vCenter"),
    *("Operating system", "Power", "Size"),
]


def headers(page: str) -> list[str]:
    """The words above the columns, but for the one of the check boxes."""
    head = page[page.index("<thead>") : page.index("</thead>")]
    return [
        unescape(" ".join(re.sub(r"<[^>]+>", "", cell).split()))
        for cell in re.findall(r"<th .*?</th>", head, re.DOTALL)
    ][1:]


# ------------------------------------------------------------- columns


def test_the_usual_columns_are_shown_at_first(web):
    factories.context()
    assert headers(text(web.get(PAGE))) == USUAL


def test_the_address_chooses_the_columns_and_the_name_stays(web):
    factories.context(memory_mb=6144)
    page = text(web.get(PAGE, {"columns": ["memory_mb", "rpo"]}))
    assert headers(page) == ["VM", "RPO", "Memory"]
    assert "6 GiB" in page


def test_every_spec_can_be_a_column_under_its_label(web):
    factories.context()
    shown = headers(text(web.get(PAGE, {"columns": VMTable.choosable()})))
    labels = {spec.label for spec in SPEC_FIELDS if spec.name != "vm_name"}
    assert labels <= set(shown)
    assert len(set(shown)) == len(shown), "two columns of one label"


def test_the_menu_offers_every_column_and_ticks_those_that_are_shown(web):
    factories.context()
    page = text(web.get(PAGE, {"columns": ["name", "cpu_count"]}))
    offered = re.findall(r'name="columns" value="(\w+)"( checked)?', page)
    boxes = [(name, ticked) for name, ticked in offered if name != "name"]
    assert [name for name, _ in boxes if name != "cpu_count"]
    assert {name for name, ticked in boxes if ticked} == {"cpu_count"}
    assert {name for name, _ in boxes} == set(VMTable.choosable())


def test_the_menus_form_works_without_javascript_and_keeps_the_view(web):
    factories.context()
    page = text(web.get(PAGE, {"search": "pg", "sort": "-name", "page_size": "25"}))
    menu = page[page.index('id="columns"') : page.index("</details>", page.index('id="columns"'))]
    assert 'method="get"' in menu
    assert '<noscript><button type="submit" class="btn btn-primary">' in menu
    for name, value in {"search": "pg", "sort": "-name", "page_size": "25"}.items():
        assert f'<input type="hidden" name="{name}" value="{value}">' in menu


def test_a_column_that_does_not_exist_is_no_error(web):
    factories.context()
    assert headers(text(web.get(PAGE, {"columns": "password_encrypted"}))) == ["VM"]


def test_every_column_that_says_so_sorts(web):
    factories.context("a")
    factories.completed_job(factories.context("b"))
    for name in VMTable.choosable():
        column = VMTable.base_columns[name]
        answer = web.get(PAGE, {"columns": name, "sort": f"-{name}"})
        assert ('aria-sort="descending"' in text(answer)) == column.orderable, name
        assert column.orderable or name == "ip_addresses"
        assert len(names(answer)) == 2, name


@pytest.mark.slow
def test_every_column_sorts_upwards_without_being_shown(web):
    factories.context("a")
    factories.completed_job(factories.context("b"))
    for name in VMTable.choosable():
        assert len(names(web.get(PAGE, {"sort": name}))) == 2, name


def test_a_column_that_is_not_shown_still_sorts(web):
    factories.context("few", cpu_count=1)
    factories.context("many", cpu_count=16)
    assert names(web.get(PAGE, {"columns": "rpo", "sort": "-cpu_count"})) == ["many", "few"]


def test_hostile_specs_are_text_in_every_column(web):
    hostile = "<img src=x onerror=alert(1)>\" onmouseover='x'"
    factories.context(hostile, annotation=hostile, os_type=hostile, guest_hostname=hostile)
    page = text(web.get(PAGE, {"columns": VMTable.choosable()}))
    assert "<img src=x" not in page
    assert "onmouseover='x'" not in page
    assert page.count("&lt;img src=x") >= 4


def test_vms_of_one_name_can_be_distinguished(web):
    factories.context("app", vm_path="/Bonn/vm/Tests/app")
    factories.context("app", vm_path="/Bonn/vm/Production/Web/app")
    page = text(web.get(PAGE))
    assert "Bonn / Tests" in page
    assert "Bonn / Production / Web" in page


def test_a_slash_in_the_name_of_a_folder_is_shown_as_one(web):
    factories.context("app", vm_path="/Bonn/vm/<b>bold & co<%2fb>/app")
    assert ">Bonn / &lt;b&gt;bold &amp; co&lt;/b&gt;<" in text(web.get(PAGE))


def test_a_vm_of_which_no_path_is_known_is_distinguished_by_its_context(web):
    context = factories.context("app", vm_path=None)
    row = re.search(r'<tr id="row-.*?</tr>', text(web.get(PAGE)), re.DOTALL)
    assert row
    assert f">{context.pk}<" in row[0]


# ------------------------------------------------------------- pages


def test_the_page_size_is_one_of_those_offered(web):
    factories.contexts(f"vm-{number}" for number in range(52))
    rows = {"25": 25, "100": 52, "": 50, "1000000": 50, "-1": 50, "x": 50}
    for asked, expected in rows.items():
        answer = web.get(PAGE, {"page_size": asked, "per_page": "7"})
        assert len(names(answer)) == expected, asked


def test_the_page_sizes_are_links_that_keep_the_view_and_start_over(web):
    factories.contexts(["pg"] * 27)
    page = text(web.get(PAGE, {"page_size": "25", "page": "2", "search": "pg"}))
    assert 'href="/virtual-machines/?page_size=100&amp;search=pg"' in page
    assert 'aria-current="true">25</a>' in page
    assert "26–27 of 27" in page


def test_the_number_of_queries_is_the_same_for_every_choice_of_columns(web, queries):
    for _ in range(3):
        factories.completed_job(factories.context())
    # Without any parameter the user's default view is looked for, too.
    usual = queries(lambda: web.get(PAGE, {"columns": "name"}))
    assert queries(lambda: web.get(PAGE, {"columns": VMTable.choosable()})) == usual


# ------------------------------------------------------------- counts and chips


def test_vms_whose_last_job_failed_are_found_though_they_are_ready(web):
    ready = factories.context("ready")
    factories.completed_job(ready)
    factories.failed_job(ready)
    factories.failed_job(factories.context("failed"))
    again = factories.context("again")
    factories.failed_job(again)
    factories.completed_job(again)
    running = factories.context("running")
    factories.failed_job(running)
    factories.running_job(running)
    page = text(web.get(PAGE))
    assert re.search(r"<strong>2</strong>.{0,400}Last job failed", page, re.DOTALL)
    assert 'href="/virtual-machines/?last_job=failed"' in page
    assert names(web.get(PAGE, {"last_job": "failed"})) == ["failed", "ready"]


def test_a_vm_that_was_never_replicated_says_so(web):
    context = factories.context()
    assert "Not replicated yet" in text(web.get(PAGE))
    assert "Discovered" not in text(web.get(PAGE, {"vm": context.pk}))


def test_why_a_job_failed_is_not_cut_before_the_reason(web):
    factories.failed_job(
        factories.context("upgrade-test"),
        "upgrade-test cannot be replicated. the VM has snapshots: remove them.",
    )
    row = re.search(r'<tr id="row-.*?</tr>', text(web.get(PAGE)), re.DOTALL)
    assert row
    assert "</span>The VM has snapshots: remove them.</span>" in row[0]
    assert 'title="upgrade-test cannot be replicated. the VM has' in row[0]


def test_jobs_that_ended_lately_can_be_asked_for(web):
    old, new = factories.context("old"), factories.context("new")
    job = factories.failed_job(old)
    type(job).objects.filter(pk=job.pk).update(completed_at=timezone.now() - timedelta(hours=30))
    factories.failed_job(new)
    for ended, found in {"day": ["new"], "week": ["new", "old"], "x": ["new", "old"]}.items():
        answer = web.get("/jobs/", {"status": "failed", "ended": ended})
        shown = re.findall(r"data-open-link [^>]*>([^<]*)<", text(answer))
        assert sorted(shown) == found


def test_the_favicon_that_browsers_ask_for_by_themselves_is_there(client, db):
    answer = client.get("/favicon.ico")
    assert (answer.status_code, answer["Location"]) == (302, "/static/img/vmrep.svg")


def test_after_a_failed_login_the_focus_is_on_the_empty_password(client, db):
    page = text(client.post("/login/", {"username": "ops", "password": "wrong"}))
    assert list(re.findall(r'name="(\w+)"[^>]*autofocus', page)) == ["password"]
    page = text(client.get("/login/"))
    assert list(re.findall(r'name="(\w+)"[^>]*autofocus', page)) == ["username"]


# ------------------------------------------------------------- the first run


def next_step(web) -> tuple[int, str]:
    """How many steps are done, and the name of the next one."""
    page = text(web.get(PAGE))
    found = re.search(r'aria-current="step">.*?<strong>(.*?)</strong>', page, re.DOTALL)
    assert found
    return page.count('class="is-done"'), found[1]


def test_the_first_run_goes_step_by_step(web):
    assert next_step(web) == (0, "Add a vCenter")
    assert "script/demo" in text(web.get(PAGE))
    vcenter = factories.vcenter()
    assert next_step(web) == (1, "Discover its VMs")
    factories.discovered_vm("other", at=vcenter)
    assert next_step(web) == (2, "Take VMs under management")
    assert "Add a repository" in text(web.get(PAGE))
    factories.repository()
    assert "Add a repository" not in text(web.get(PAGE))
    context = factories.context("pgtest1", at=vcenter)
    assert next_step(web) == (3, "Replicate one")
    assert "Replicate pgtest1" in text(web.get(PAGE))
    factories.failed_job(context)
    assert "The replication of pgtest1 failed" in text(web.get(PAGE))
    job = factories.running_job(context)
    assert "pgtest1 is being replicated. 25 % of the first copy is done." in text(web.get(PAGE))
    finish.cancelled(job.pk, actor="ops")
    ContextLease.objects.all().delete()
    factories.completed_job(context)
    assert next_step(web) == (4, "See its recovery point")
    assert f"?vm={context.pk}&amp;tab=points" in text(web.get(PAGE))
    factories.completed_job(context)
    assert "first-run" not in text(web.get(PAGE))


def test_an_estate_in_use_does_not_begin_again_because_one_vm_is_new(web):
    for _ in range(2):
        factories.completed_job(factories.context())
    factories.context("new")
    assert "first-run" not in text(web.get(PAGE))


def test_a_hostile_name_is_text_in_the_first_steps(web):
    factories.context(factories.HOSTILE_NAME)
    page = text(web.get(PAGE))
    assert "Replicate &lt;script&gt;" in page
    assert "<script>alert" not in page


def test_a_vm_that_was_removed_counts_nowhere(web):
    context = factories.context("gone")
    factories.failed_job(context)
    VMContext.objects.update(unmanaged_at=timezone.now())
    page = text(web.get(PAGE))
    assert "last_job=failed" not in page
    assert next_step(web)[0] == 2
