"""Policies over the API: each value, where it applies, and what is in effect for a VM."""

from __future__ import annotations

import pytest

from replication.models import Policy
from tests import factories

pytestmark = pytest.mark.django_db
NIGHTS = {"days": ["mon", "tue"], "begin": "22:00", "end": "06:00"}
SAID = {
    **{"rpo_kind": "calendar", "cron": "0 * * * *", "time_zone": "Europe/Berlin"},
    **{"latest_start_minutes": 30, "windows": [NIGHTS], "quiesce": "required"},
    **{"retention_kind": "rules", "keep_last": 3, "keep_daily": 7, "priority": "high"},
    **{"most_running": 4, "give_up_after_minutes": 60, "compare_every_days": 30},
}


def test_a_policy_is_added_shown_changed_given_taken_and_removed(api):
    repository = factories.repository()
    vm = factories.context("db-01", vm_path="/Bonn/vm/Prod/db-01")
    body = {"name": "Gold", "repository_id": repository.pk, **SAID}
    answer = api.post("policies/", body)
    assert answer.status_code == 201
    here = answer["Location"]
    shown = answer.json()
    assert {name: shown[name] for name in body} == body
    assert (shown["rpo_target_seconds"], shown["keep_hourly"]) == (5400, None)

    where = {"kind": "folder", "vcenter_id": vm.vcenter_id, "folder": "/Bonn/vm/Prod"}
    scope = api.post(f"{here}scopes/", {**where, "takes_new": True})
    assert scope.status_code == 201
    assert (scope.json()["changed_vms"], scope.json()["vms_to_come"]) == (1, 0)
    assert scope.json()["place"] == f"folder /Bonn/vm/Prod in {vm.vcenter.name}"
    assert api.get(here).json()["vm_count"] == 1

    seen = api.get(f"vm-contexts/{vm.pk}/").json()
    assert seen["context"]["rpo_target_seconds"] == 5400
    assert (seen["policy"]["keep_daily"], seen["policy"]["quiesce"]) == (7, "required")
    assert seen["policy"]["sources"]["retention"] == {
        **{"policy_id": shown["id"], "policy": "Gold", "is_own": False},
        "place": f"folder /Bonn/vm/Prod in {vm.vcenter.name}",
    }

    changed = api.patch(here, {"rpo_kind": "target", "rpo_target_seconds": 900})
    assert (changed.json()["cron"], changed.json()["windows"]) == (None, [])
    assert changed.json()["changed_vms"] == 1
    assert api.delete(here).status_code == 409
    assert api.delete(f"{here}scopes/{scope.json()['id']}/").json()["changed_vms"] == 1
    assert api.delete(here).status_code == 204
    assert not Policy.objects.filter(name="Gold").exists()


def test_a_change_is_previewed_and_nothing_is_written(api):
    vm = factories.context("db-01")
    here = f"policies/{Policy.objects.get().pk}/"
    target = {"rpo_kind": "target", "rpo_target_seconds": 1800}
    found = api.post(f"{here}preview/", {"policy": target}).json()
    assert (found["vm_count"], found["after"]["jobs_per_hour"]) == (1, 2)
    assert found["vms"][0]["changes"] == [
        {"what": "Replicated", "before": "no target", "after": "within 30 m"}
    ]
    assert api.get(here).json()["rpo_kind"] == "none"
    scope = {"kind": "vm", "context_id": vm.pk}
    assert api.post(f"{here}preview/", {"scope": scope}).json()["vm_count"] == 0
    assert [each["kind"] for each in api.get(here).json()["scopes"]] == ["installation"]
    for body in ({}, {"policy": target, "scope": scope}, {"policy": {"rpo_kind": "target"}}):
        assert api.post(f"{here}preview/", body).status_code == 400
    assert api.post(f"{here}preview/", {"remove_scope_id": 999}).status_code == 404


def test_one_vm_has_values_of_its_own(api):
    vm = factories.context()
    here = f"vm-contexts/{vm.pk}/"
    wanted = {"rpo_kind": "target", "rpo_target_seconds": 900}
    answer = api.patch(here, {"policy": wanted})
    assert answer.json()["context"]["rpo_target_seconds"] == 900
    assert answer.json()["policy"]["sources"]["when"]["is_own"] is True
    assert [row["name"] for row in api.get("policies/").json()["results"]] == ["Default"]
    assert api.patch(here, {"policy": {"rpo_kind": None}}).json()["policy"]["rpo_kind"] == "none"
    api.patch(here, {"policy": wanted | {"quiesce": "never"}})
    answer = api.patch(here, {"policy": None})
    assert (answer.json()["policy"]["quiesce"], Policy.objects.count()) == ("when_possible", 1)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rpo_target": 900}, "rpo_target"),
        ({"rpo_kind": "target"}, "rpo_target_seconds"),
        ({"rpo_kind": "target", "rpo_target_seconds": 59}, "rpo_target_seconds"),
        ({"rpo_kind": "calendar", "cron": "nightly"}, "cron"),
        ({**SAID, "windows": [NIGHTS | {"begin": "25:00"}]}, "windows"),
        ({**SAID, "windows": [NIGHTS | {"end": "6"}]}, "windows"),
        ({**SAID, "windows": [NIGHTS | {"days": []}]}, "windows"),
        ({**SAID, "windows": [NIGHTS | {"days": ["monday"]}]}, "windows"),
        ({"repository_id": 999_999}, "repository_id"),
        ({"keep_last": 2**40}, "keep_last"),
    ],
)
def test_what_no_policy_can_say_is_refused_by_name(api, body, field):
    answer = api.post("policies/", {"name": "New", **body})
    assert answer.status_code == 400
    assert field in {name.partition(".")[0] for name in answer.json()["errors"]}
    answer = api.patch(f"policies/{Policy.objects.get().pk}/", body)
    assert answer.status_code == 400
    assert Policy.objects.get().rpo_kind == "none"


def test_a_place_that_is_not_there_or_taken_is_refused(api):
    default = f"policies/{Policy.objects.get().pk}/"
    vm = factories.context()
    for body, status in (
        ({"kind": "vcenter"}, 400),
        ({"kind": "vcenter", "vcenter_id": 999_999}, 400),
        ({"kind": "vm", "context_id": "ctx-nothing"}, 400),
        ({"kind": "installation"}, 400),
        ({"kind": "own", "context_id": vm.pk}, 400),
        ({"kind": "name", "pattern": "db-*"}, 201),
        ({"kind": "name", "pattern": "db-*"}, 409),
    ):
        assert api.post(f"{default}scopes/", body).status_code == status, body
    scope = next(each for each in api.get(default).json()["scopes"] if not each["pattern"])
    assert api.delete(f"{default}scopes/{scope['id']}/").status_code == 400
    assert api.delete(f"{default}scopes/999/").json()["code"] == "unknown_scope"
    assert api.get("policies/999/").json()["code"] == "unknown_policy"
