"""What every list can: be read whole by a cursor, in every order, with the fields asked for."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from contexts.models import VCenter
from tests import factories
from vmrep.api.views import contexts


def read_whole(api: Any, address: str, **query: Any) -> list[dict[str, Any]]:
    """All rows, by the cursor."""
    answer = api.get(address, {"cursor": "", **query}).json()
    rows = answer["results"]
    while answer["next"]:
        parts = urlsplit(answer["next"])
        answer = api.get(f"{parts.path}?{parts.query}").json()
        rows += answer["results"]
    return rows


@pytest.fixture
def names(db: Any) -> list[str]:
    """Seven VMs, some of which have no CPUs, jobs or recovery points that anybody knows of."""
    vcenter = factories.vcenter("vc")
    found = []
    for number in range(7):
        vm = factories.context(f"vm-{number}", at=vcenter, cpu_count=number % 3 or None)
        if number % 2:
            factories.completed_job(vm)
        found.append(vm.vm_name)
    return found


@pytest.mark.parametrize("falling", ["", pytest.param("-", marks=pytest.mark.slow)])
def test_a_cursor_reads_every_row_once_in_every_order(api: Any, names: Any, falling: str) -> None:
    for name in contexts.CONTEXTS.order_by:
        asked = {"ordering": falling + name, "page_size": 2}
        found = [row["vm_name"] for row in read_whole(api, "vm-contexts/", **asked)]
        assert sorted(found) == names, name
        (whole,) = [api.get("vm-contexts/", {"ordering": falling + name}).json()["results"]]
        assert found == [row["vm_name"] for row in whole], name


def test_a_cursor_is_not_misled_by_rows_that_come_and_go(api: Any, db: Any) -> None:
    for number in range(6):
        factories.vcenter(f"vc-{number}")
    first = api.get("vcenters/", {"cursor": "", "page_size": 3}).json()
    assert [row["name"] for row in first["results"]] == ["vc-0", "vc-1", "vc-2"]
    factories.vcenter("vc-00")
    VCenter.objects.filter(name="vc-2").delete()
    rest = api.get(first["next"]).json()
    assert [row["name"] for row in rest["results"]] == ["vc-3", "vc-4", "vc-5"]
    assert (rest["next"], rest["count"]) == (None, None)


def test_a_cursor_is_for_the_query_that_gave_it(api: Any, names: Any) -> None:
    first = api.get("vm-contexts/", {"cursor": "", "page_size": 3, "search": "vm"}).json()
    (cursor,) = [part[7:] for part in urlsplit(first["next"]).query.split("&") if "cursor" in part]
    for query in ({"search": "web"}, {"ordering": "-vm_name", "search": "vm"}, {}):
        answer = api.get("vm-contexts/", {"cursor": cursor.replace("%3A", ":"), **query})
        assert answer.status_code == 400
        assert "cursor" in answer.json()["errors"]
    both = api.get("vm-contexts/", {"cursor": "", "page": 2})
    assert "page" in both.json()["errors"]


def test_the_cost_of_a_page_does_not_grow_with_the_list(api: Any, names: Any, queries: Any) -> None:
    few = queries(lambda: api.get("vm-contexts/", {"cursor": "", "page_size": 2}))
    assert queries(lambda: api.get("vm-contexts/", {"cursor": "", "page_size": 7})) == few


def test_only_the_fields_that_are_asked_for_are_there(api: Any, names: Any) -> None:
    answer = api.get("vm-contexts/", {"fields": "vm_name, protection", "page_size": 1})
    assert list(answer.json()["results"][0]) == ["vm_name", "protection"]
    refused = api.get("vm-contexts/", {"fields": "vm_name,protecton"})
    assert refused.status_code == 400
    assert "Did you mean 'protection'?" in refused.json()["errors"]["fields"][0]


def test_a_filter_or_an_order_without_a_value_is_refused(api: Any, db: Any) -> None:
    """It would be overlooked: the list would be that of everything."""
    for query in ("period=", "search=", "vm=", "ordering=", "kind=&kind=vm", "fields="):
        answer = api.get(f"audit-events/?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), query
        assert list(answer.json()["errors"]) == [query.partition("=")[0]]


def test_new_filters_filter(api: Any, db: Any) -> None:
    factories.vcenter("berlin")
    factories.vcenter("bonn")
    found = api.get("vcenters/", {"search": "bon"}).json()
    assert [row["name"] for row in found["results"]] == ["bonn"]
    assert api.get("vcenters/", {"login_refused": "true"}).json()["count"] == 0
    job = factories.completed_job(factories.context("web"))
    steps = api.get(f"replications/{job.pk}/steps/", {"attempt": "7"}).json()
    assert steps["count"] == 0
    points = f"repositories/{job.repository_id}/recovery-points/"
    assert api.get(points, {"state": "available", "damaged": "false"}).json()["count"] == 1
    assert api.get(points, {"damaged": "true"}).json()["count"] == 0
