"""GET replications/: jobs of all VMs."""

from __future__ import annotations

import pytest

from replication.models import ReplicationJob
from tests import factories
from tests.factories import MIB
from vmrep.api.views.jobs import ORDER_BY


def ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.json()
    return [row["id"] for row in answer.json()["results"]]


def test_the_newest_comes_first_with_all_its_columns(api):
    context = factories.context()
    first = factories.completed_job(context)
    second = factories.running_job(context, planned_bytes=4 * MIB, done_bytes=MIB)
    rows = api.get("replications/").json()["results"]
    assert [row["id"] for row in rows] == [second.pk, first.pk]
    columns = {it.attname for it in ReplicationJob._meta.concrete_fields if not it.generated}
    assert columns <= set(rows[0])
    assert [row["progress_percent"] for row in rows] == [25, 100]
    assert rows[1]["duration_seconds"] is not None


def every_kind() -> dict[str, ReplicationJob]:
    east = factories.context("web-01", at=factories.vcenter("east"))
    west = factories.context("db-01")
    return {
        "completed": factories.completed_job(east),
        "incremental": factories.completed_job(east),
        "failed": factories.failed_job(west, "The datastore is full."),
        "cancelled": factories.cancelled_job(west),
        "api": factories.pending_job(west, trigger="api", requested_by="robot"),
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=failed", ["failed"]),
        ("status=failed&status=cancelled", ["cancelled", "failed"]),
        ("type=incremental", ["incremental"]),
        ("trigger=api", ["api"]),
        ("search=web", ["incremental", "completed"]),
        ("search=datastore full", ["failed"]),
        ("search=robot", ["api"]),
        ("search=nothing", []),
        ("period=hour&status=failed", ["failed"]),
        ("warnings=true", []),
        ("warnings=false&status=failed", ["failed"]),
    ],
)
def test_filters_narrow_the_list(api, query, found):
    jobs = every_kind()
    assert ids(api.get(f"replications/?{query}")) == [jobs[name].pk for name in found]


def test_it_can_be_narrowed_to_a_vm_or_a_vcenter(api):
    jobs = every_kind()
    of_east = [jobs["incremental"].pk, jobs["completed"].pk]
    context = jobs["completed"].vm_context
    assert ids(api.get("replications/", {"vm": context.pk})) == of_east
    assert ids(api.get("replications/", {"vcenter": context.vcenter_id})) == of_east
    assert ids(api.get("replications/", {"search": of_east[0].upper()})) == of_east[:1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=failed", "state"),
        ("status=done", "status"),
        ("trigger=robot", "trigger"),
        ("type=full", "type"),
        ("ordering=vm", "ordering"),
        ("vcenter=0", "vcenter"),
        ("period=year", "period"),
        ("warnings=maybe", "warnings"),
    ],
)
def test_what_it_does_not_understand_it_refuses_by_name(api, query, field):
    answer = api.get(f"replications/?{query}")
    assert answer.status_code == 400
    assert field in answer.json()["errors"]


def test_every_ordering_that_is_offered_works(api):
    every_kind()
    for name in ORDER_BY:
        assert len(ids(api.get(f"replications/?ordering={name}"))) == 5, name


@pytest.mark.any_database
def test_the_number_of_queries_does_not_grow_with_the_rows(api, queries):
    factories.completed_job(factories.context())
    one = queries(lambda: api.get("replications/"))
    for number in range(4):
        factories.completed_job(factories.context(f"vm-{number}"))
    assert queries(lambda: api.get("replications/")) == one
    assert api.get("replications/").json()["count"] == 5
