"""GET repositories/."""

from __future__ import annotations

import pytest

from contexts.services import management
from tests import factories
from tests.factories import MIB

pytestmark = pytest.mark.any_database


def test_it_shows_what_lies_in_each(api, tmp_path):
    repository = factories.repository("replicas", tmp_path / "replicas")
    context = factories.context(keep_in=repository)
    factories.completed_job(context, planned_bytes=32 * MIB)
    factories.completed_job(context, planned_bytes=4 * MIB)
    factories.running_job(context)
    management.release(factories.context(keep_in=repository), actor="ops")
    (row,) = api.get("repositories/").json()["results"]
    assert (row["name"], row["kind"]) == ("replicas", "directory")
    assert row["config"] == {"path": str(tmp_path / "replicas")}
    assert row["uuid"] == str(repository.uuid)
    assert (row["context_count"], row["point_count"]) == (1, 2)
    assert row["stored_bytes"] == 36 * MIB


def test_an_empty_one_has_nothing_in_it(api):
    factories.repository()
    (row,) = api.get("repositories/").json()["results"]
    assert (row["context_count"], row["point_count"], row["stored_bytes"]) == (0, 0, 0)


def test_an_unknown_parameter_is_refused(api):
    assert api.get("repositories/?name=x").status_code == 400


def test_the_number_of_queries_does_not_grow_with_the_rows(api, queries):
    factories.repository()
    one = queries(lambda: api.get("repositories/"))
    for _ in range(29):
        factories.repository()
    assert queries(lambda: api.get("repositories/")) == one
