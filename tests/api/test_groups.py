"""Groups over the API."""

from __future__ import annotations

import pytest

from replication.models import GroupRun, VMGroup
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def vms() -> list:
    return factories.contexts(["app", "db", "web"], at=factories.vcenter())


def test_a_group_is_made_changed_and_deleted(api, vms):
    app, db, web = (vm.pk for vm in vms)
    answer = api.post("groups/", {"name": "Shop", "members": [db, app]})
    assert answer.status_code == 201, answer.json()
    made = answer.json()
    assert answer.headers["Location"].endswith(f"/groups/{made['id']}/")
    assert (made["name"], made["protection"], made["last_run"]) == ("Shop", "unprotected", None)
    assert [(each["position"], each["context_id"]) for each in made["members"]] == [
        (1, db),
        (2, app),
    ]
    here = f"groups/{made['id']}/"
    changed = api.patch(here, {"name": "Store", "members": [web, app]}).json()
    assert changed["name"] == "Store"
    assert [each["vm_name"] for each in changed["members"]] == ["web", "app"]
    assert api.get(here).json() == changed
    assert api.get("groups/").json()["results"] == [changed]
    assert api.get(f"vm-contexts/{app}/").json()["group"] == {"id": made["id"], "name": "Store"}
    assert api.get(f"vm-contexts/{db}/").json()["group"] is None
    listed = api.get(f"vm-contexts/?group={made['id']}").json()["results"]
    assert sorted(row["context_id"] for row in listed) == sorted([app, web])
    assert api.delete(here).status_code == 204
    assert not VMGroup.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "Shop"}, 409, "group_refused"),
        ({"name": ""}, 400, "invalid"),
        ({"name": "x", "members": ["ctx-nobody"]}, 400, "invalid"),
        ({"name": "x", "members": ["{app}", "{app}"]}, 400, "invalid"),
        ({"name": "x", "members": ["{db}"]}, 409, "group_refused"),
        ({"name": "x", "members": ["{app}", "{far}"]}, 409, "group_refused"),
    ],
)
def test_what_cannot_be_a_group_is_refused_and_nothing_is_made(api, vms, body, status, code):
    factories.group("Shop", vms[1])
    keys = {"app": vms[0].pk, "db": vms[1].pk, "far": factories.context("far").pk}
    if "members" in body:
        body = body | {"members": [each.format(**keys) for each in body["members"]]}
    answer = api.post("groups/", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.json()
    assert VMGroup.objects.count() == 1


def test_a_group_is_replicated_and_its_runs_are_told(api, vms):
    group = factories.group("Shop", *vms)
    here = f"groups/{group.pk}/replications/"
    answer = api.post(here)
    assert answer.status_code == 202, answer.json()
    begun = answer.json()
    assert (begun["state"], begun["trigger"], begun["spread_seconds"]) == ("waiting", "api", None)
    assert [each["state"] for each in begun["members"]] == ["waiting"] * 3
    assert api.post(here).json()["code"] == "group_running"
    GroupRun.objects.all().delete()
    for vm in vms:
        factories.cancel.cancel(vm.jobs.get(), actor="ops")
    factories.group_run(group, 0.0, 2.5, None)
    (run,) = api.get(here).json()["results"]
    assert (run["state"], run["together_count"], run["spread_seconds"]) == ("ended", 2, 2.5)
    assert (run["point_count"], run["problem"]) == (2, "")
    assert [each["state"] for each in run["members"]] == ["together", "together", "missing"]
    assert run["members"][2]["why"] == "The vCenter did not answer."
    assert run["members"][0]["taken_at"] is not None
    assert api.get(f"groups/{group.pk}/").json()["last_run"] == run
