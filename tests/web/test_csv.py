"""Every list of the pages as a file for spreadsheets: found by looking at the pages themselves, so
that a new list without a file is noticed."""

from __future__ import annotations

import csv
import gc
import html
import io
import re

import pytest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from contexts.models import VMContext
from contexts.services import management
from replication.integrity import runs
from replication.integrity.findings import Scope
from replication.models import Incident, Occurrence, SignOfLife
from replication.policies import services as policies
from replication.services import occurrences, pauses
from replication.services.pauses import Subject
from replication.states import LifeKind, LimitKind, OccurrenceKind, PauseKind, TroubleKind
from tests import factories
from tests.web.conftest import text
from tests.web.test_notifications import hook
from vmrep.notifications import services as notifications
from vmrep.notifications.models import Delivery
from vmrep.web import csv_cells, csv_files, saved_views, tables, urls
from vmrep.web.models import ViewPage

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

FORMULA = "=cmd|'/c calc'!A1"
TURNING = "a\u202eb"
NO_LISTS = {"report", "login", "api-reference"}
"""Pages whose lists are the API's operations, or a report, which has a file of its own."""
A_LIST = re.compile(r'<table class="table|<ul class="items"|<form method="post" action="/views/')
A_FILE = re.compile(r'href="(\?[^"]*format=csv[^"]*)"[^>]* download')
IN_ONE = {"limits": len(LimitKind)}
"""Tables of a page that are one list."""


@pytest.fixture
def estate(tmp_path, user) -> VMContext:
    """Something in every list; the VM's name is one that a spreadsheet would calculate."""
    keep_in = factories.repository(path=tmp_path)
    at = factories.vcenter(FORMULA, host="127.0.0.1", port=1)
    vm, gone, other = (
        factories.context(name, at=at, keep_in=keep_in) for name in (FORMULA, "+gone", TURNING)
    )
    management.release(gone, actor="ops")
    factories.failed_job(vm, why=f"{FORMULA} is away.")
    factories.failed_job(other)
    occurrences.tell(OccurrenceKind.JOB_FAILED, "x", what="-2+3 failed", context_id=vm.pk)
    channel = hook("@sum")
    Delivery.objects.create(
        channel=channel,
        purpose="occurrence",
        occurrence=Occurrence.objects.get(what="-2+3 failed"),
        next_attempt_at=timezone.now(),
    )
    Incident.objects.create(
        kind=TroubleKind.TICK, what="=The tick is dead.", began_at=timezone.now()
    )
    VMContext.objects.filter(pk=vm.pk).update(total_jobs_run=0, failed_jobs=0)
    runs.run_now(Scope(), actor="schedule")
    factories.group("-shop", vm)
    factories.user("@dora", role="viewer")
    pauses.pause(Subject(PauseKind.VM, vm_context=vm), until=None, reason="-now", actor="ops")
    policies.add("@gold", policies.target(900), actor="ops")
    notifications.save_rule(channel, [OccurrenceKind.JOB_FAILED])
    now = timezone.now()
    saved_views.save(user, ViewPage.JOBS, "=mine", "status=failed", is_shared=False)
    factories.token(user)
    SignOfLife.objects.create(
        kind=LifeKind.WORKER, name="=1:1", queues="copies", slots=1, started_at=now, seen_at=now
    )
    return vm


def pages_with_a_list(web) -> dict[str, str]:
    """By name, the pages without arguments that show a list, but for NO_LISTS."""
    found = {}
    for name in [pattern.name for pattern in urls.urlpatterns]:
        try:
            address = reverse(name)
        except NoReverseMatch:
            continue
        answer = web.get(address)
        is_page = answer.headers.get("Content-Type", "").startswith("text/html")
        if name not in NO_LISTS and is_page and A_LIST.search(text(answer)):
            found[name] = text(answer)
    return found


def read(web, address: str) -> list[dict[str, str]]:
    answer = web.get(address)
    assert answer["Content-Type"] == "text/csv; charset=utf-8", address
    assert re.search(r'"vmrep-[a-z-]+-\d{4}-\d\d-\d\d\.csv"', answer["Content-Disposition"])
    assert answer.streaming
    content = b"".join(answer.streaming_content).decode()
    done(answer)  # else the next one may still find all places taken
    return list(csv.DictReader(io.StringIO(content)))


def test_every_list_is_a_file_too_and_nothing_in_it_is_calculated(web, estate):
    pages = pages_with_a_list(web)
    assert set(pages) >= {
        *("virtual-machines", "removed-vms", "discovery", "jobs", "vcenters", "repositories"),
        *("integrity", "health", "notifications", "events", "occurrences"),
        *("policies", "groups", "users", "audit", "pauses", "limits"),
        *("account", "tokens", "saved-views"),
    }
    for name, page in pages.items():
        links = A_FILE.findall(page)
        lists = max(1, page.count('<table class="table') - IN_ONE.get(name, 1) + 1)
        assert len(set(links)) == lists, f"{name} has {lists} lists, as files: {links}"
        for link in links:
            rows = read(web, f"{reverse(name)}{html.unescape(link)}")
            assert rows, (name, link)
            for row in rows:
                for cell in row.values():
                    assert not cell.startswith(("=", "+", "-", "@")), (name, row)
                    assert "\u202e" not in cell, (name, row)


@pytest.mark.parametrize("name", ["a;=HYPERLINK(1)", "a\t=1+1", 'a";=1', 'a; "=1', "a\r\n=1"])
def test_no_name_begins_a_cell_of_its_own_whatever_divides_the_cells(name):
    """Spreadsheets of some countries take semicolons, some what looks the likeliest."""
    written = csv_files.line(["vm-1", name, 7])
    for divides in ",;\t":
        for row in csv.reader(io.StringIO(written, newline=""), delimiter=divides):
            assert not [cell for cell in row if cell.startswith("=")], (divides, row)


def test_a_file_has_the_filters_order_and_columns_of_its_page(web, estate, monkeypatch):
    monkeypatch.setattr(csv_files, "BATCH", 2)
    factories.contexts(f"vm-{number}" for number in range(5))
    page = web.get("/virtual-machines/?sort=-name").context["table"].page
    rows = read(web, "/virtual-machines/?format=csv&sort=-name&page=7")
    assert [row["Context ID"] for row in rows] == [vm.pk for vm in page.object_list.data]
    assert len(rows) == 7
    (row,) = read(web, "/virtual-machines/?format=csv&search=calc&columns=size&columns=cpu_count")
    cpus = str(tables.VMTable.base_columns["cpu_count"].verbose_name)
    assert list(row) == ["Context ID", "VM", "Path", "Size (bytes)", cpus]
    assert row["VM"] == f"'{FORMULA}"
    (row,) = read(web, f"/jobs/?format=csv&vm={estate.pk}")
    assert (row["Status"], row["Error"]) == ("Failed", f"'{FORMULA} is away.")


def done(answer) -> None:
    """As the web server says when it has sent all, or nobody reads on; but for the end of the
    request, which closes the connection to the database."""
    for close in answer._resource_closers:
        close()


def test_a_process_writes_a_few_files_at_once(web):
    """Pages are still shown while programs read large files slowly."""
    gc.collect()  # the files of tests before this one, which nobody closed
    held = [csv_files.answer("x", iter("ab")) for _ in range(csv_files.AT_ONCE)]
    try:
        for at in ("/jobs/?format=csv", "/report/csv/", "/pauses/?format=csv"):
            busy = web.get(at)
            assert (busy.status_code, busy["Retry-After"]) == (503, "10"), at
            assert "in a moment" in text(busy)
        assert web.get("/jobs/").status_code == 200
        done(held.pop())
        assert read(web, "/jobs/?format=csv") == []  # and gives its place back
        assert read(web, "/jobs/?format=csv") == []
    finally:
        for answer in held:
            done(answer)
    held = [csv_files.answer("x", iter("ab"))]  # that nobody closes
    del held
    gc.collect()
    answers = [csv_files.answer("x", iter("ab")) for _ in range(csv_files.AT_ONCE)]
    assert {answer.status_code for answer in answers} == {200}
    for answer in answers:
        done(answer)


def test_every_column_of_a_table_has_cells(estate):
    """What the page writes from several fields has words of its own in the file."""
    for table, cells in csv_cells.COLUMNS.items():
        assert set(cells) <= set(table.base_columns), table
        for name, column in table.base_columns.items():
            assert name in cells or str(column.accessor) != "pk", (table, name)
    subclasses = {
        each for each in tables.Table.__subclasses__() if each.__module__ == tables.__name__
    }
    assert subclasses == set(csv_cells.COLUMNS)
