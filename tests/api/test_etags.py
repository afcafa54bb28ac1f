"""What a program has is not sent again; what somebody else changed meanwhile is not overwritten."""

from __future__ import annotations

from typing import Any

import pytest

from contexts.models import VCenter
from replication.policies import services
from tests import factories
from tests.api.conformance import schema
from vmrep.web import saved_views
from vmrep.web.models import ViewPage

ANOTHER = '"0123456789abcdef01234567.0123456789abcdef01234567"'


def test_what_is_known_already_is_not_sent_again(api: Any, db: Any) -> None:
    vcenter = factories.vcenter("bonn")
    for path in (f"vcenters/{vcenter.pk}/", "vcenters/"):
        first = api.get(path)
        again = api.get(path, HTTP_IF_NONE_MATCH=first["ETag"])
        assert (again.status_code, again["ETag"], again.content) == (304, first["ETag"], b"")
        assert api.get(path, HTTP_IF_NONE_MATCH=ANOTHER).status_code == 200
    VCenter.objects.filter(pk=vcenter.pk).update(name="berlin")
    assert api.get(path, HTTP_IF_NONE_MATCH=first["ETag"]).json()["results"][0]["name"] == "berlin"


@pytest.fixture
def objects(user: Any) -> dict[str, Any]:
    """Of each kind that can be changed its address, with a change."""
    repository = factories.repository("here")
    vm = factories.context("web", keep_in=repository)
    point = factories.recovery_point(vm)
    group = factories.group("Shop")
    policy = services.add("Gold", {}, (), actor="ops")
    view = saved_views.save(user, ViewPage.JOBS, "Failed", "status=failed", is_shared=False)
    return {
        f"saved-views/{view.pk}/": {"name": "Broken"},
        f"repositories/{repository.pk}/": {"name": "there"},
        f"recovery-points/{point.pk}/": {"comment": "before the update"},
        f"groups/{group.pk}/": {"name": "Store"},
        f"policies/{policy.pk}/": {"rpo_kind": "target", "rpo_target_seconds": 900},
        f"vm-contexts/{vm.pk}/": {"policy": {"rpo_kind": "target", "rpo_target_seconds": 900}},
    }


def test_a_change_of_what_somebody_else_changed_is_refused(api: Any, objects: Any) -> None:
    for path, change in objects.items():
        read = api.get(path)
        refused = api.patch(path, change, HTTP_IF_MATCH=ANOTHER)
        assert (refused.status_code, refused.json()["code"]) == (412, "changed_meanwhile"), path
        assert api.get(path)["ETag"].split(".")[0] == read["ETag"].split(".")[0]
        done = api.patch(path, change, HTTP_IF_MATCH=read["ETag"])
        assert done.status_code == 200, done.content
        late = api.patch(path, change, HTTP_IF_MATCH=read["ETag"])
        assert late.status_code == 412, path
        assert api.patch(path, change, HTTP_IF_MATCH="*").status_code == 200


def test_what_somebody_else_changed_is_not_removed(api: Any, db: Any) -> None:
    vm = factories.context("web")
    policy = services.add("Gold", {}, (), actor="ops")
    pause = api.post("pauses/", {"kind": "vm", "context_id": vm.pk})
    scope = api.post(f"policies/{policy.pk}/scopes/", {"kind": "vm", "context_id": vm.pk})
    for made in (pause, scope):
        path = made["Location"]
        assert api.delete(path, HTTP_IF_MATCH=ANOTHER).json()["code"] == "changed_meanwhile"
        assert api.delete(path, HTTP_IF_MATCH=api.get(path)["ETag"]).status_code in (200, 204)
        assert api.delete(path, HTTP_IF_MATCH="*").status_code == 404
        assert api.get(path).status_code == 404


def test_limits_that_somebody_else_set_are_not_overwritten(api: Any, db: Any) -> None:
    wanted = {"kind": "vcenter_jobs", "resource": "", "limit": 3}
    read = api.get("limits/")
    factories.repository("here")  # what is listed besides does not matter
    done = api.put("limits/", wanted, HTTP_IF_MATCH=read["ETag"])
    assert done.status_code == 200, done.content
    late = api.put("limits/", {**wanted, "limit": 4}, HTTP_IF_MATCH=read["ETag"])
    assert (late.status_code, late.json()["code"]) == (412, "changed_meanwhile")
    assert [each["limit"] for each in api.get("limits/").json()["limits"] if each["is_own"]] == [3]


def test_every_change_of_what_can_be_read_obeys_it() -> None:
    """A token and a pin have no address where they are read, and nobody changes them; so a place
    that a user sees."""
    without = {
        operation["operationId"]
        for item in schema()["paths"].values()
        for method, operation in item.items()
        if method in ("put", "patch", "delete")
        and not any("IfMatch" in each.get("$ref", "") for each in operation["parameters"])
    }
    of_users = {"delete_user_scopes", "delete_user_scope"}
    of_points = {"delete_recovery_point_pin", "delete_recovery_point_verification"}
    assert without == {"delete_token_detail", *of_points, *of_users}


def test_what_changes_by_itself_prevents_no_change(api: Any, db: Any) -> None:
    repository = factories.repository("here")
    path = f"repositories/{repository.pk}/"
    read = api.get(path)
    factories.recovery_point(factories.context("web", keep_in=repository))
    assert api.get(path)["ETag"] != read["ETag"]
    assert api.patch(path, {"name": "there"}, HTTP_IF_MATCH=read["ETag"]).status_code == 200


def test_a_condition_that_nobody_compares_is_refused(api: Any, db: Any) -> None:
    answer = api.post("pauses/", {"kind": "all"}, HTTP_IF_MATCH=ANOTHER)
    assert answer.status_code == 400
    assert "If-Match" in answer.json()["errors"]
