"""Repositories, what is in them, moving VMs between them, and trying rules of retention."""

from __future__ import annotations

import pytest

from replication.models import Repository
from replication.services import moving, repository_signs
from tests import factories
from tests.factories import MIB

pytestmark = pytest.mark.any_database


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


def test_a_folder_is_described_before_it_becomes_a_repository(api, tmp_path):
    body = {"name": "vault", "path": f"{tmp_path}/x/../vault"}
    asked = api.post("repositories/", body)
    assert (asked.status_code, asked.json()["code"]) == (409, "confirm_folder")
    facts = asked.json()["facts"]
    assert facts["path"] == str(tmp_path / "vault")
    assert facts["exists"] is False
    assert facts["device"] == tmp_path.stat().st_dev
    assert facts["free_bytes"] <= facts["total_bytes"]
    other = api.post("repositories/", body | {"device": facts["device"] + 1})
    assert "mounted or unmounted there since you looked" in other.json()["message"]
    assert not (tmp_path / "vault").exists()
    confirmed = body | {"device": facts["device"], "on_system_disk": True}
    added = api.post("repositories/", confirmed)
    assert added.status_code == 201
    assert added.headers["Location"].endswith(f"/repositories/{added.json()['id']}/")
    assert added.json()["config"] == {"path": str(tmp_path / "vault")}
    refused = api.post("repositories/", {"name": "vault", "path": str(tmp_path / "b")})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["name"])
    missing = api.post("repositories/", {"name": "x", "path": "relative"})
    assert missing.json()["code"] == "repository_refused"


def test_one_is_changed_read_and_removed(api, tmp_path):
    here = factories.repository("here", tmp_path / "here")
    repository_signs.look()
    address = f"repositories/{here.pk}/"
    changed = api.patch(address, {"name": "vault", "reserve_bytes": MIB})
    assert (changed.json()["name"], changed.json()["reserve_bytes"]) == ("vault", MIB)
    assert changed.json()["signs"][0]["problem"] == ""
    forecast = changed.json()["forecast"]
    assert forecast.pop("free_bytes") <= forecast.pop("total_bytes")
    assert forecast == {
        **{"reserved_bytes": MIB, "under_way_bytes": 0, "steady_bytes": None},
        **{"levels_off": False, "full_in_seconds": None},
    }
    assert api.patch(address, {"reserve_bytes": None}).json()["reserve_bytes"] is None
    assert api.patch(address, {"reserve_bytes": -1}).status_code == 400
    vm = factories.context(keep_in=here)
    refused = api.delete(address)
    assert (refused.status_code, refused.json()["code"]) == (409, "repository_in_use")
    assert "Move each to another repository" in refused.json()["message"]
    there = factories.repository("there")
    move, body = f"vm-contexts/{vm.pk}/move/", {"repository_id": there.pk}
    moved = api.post(move, body)
    assert moved.json() == {"context_id": vm.pk, "repository_id": there.pk, "moved": True}
    assert (
        api.post(f"vm-contexts/{vm.pk}/move/", {"repository_id": there.pk}).json()["moved"] is False
    )
    assert api.delete(address).status_code == 204
    assert api.get(address).status_code == 404
    gone = api.post(move, {"repository_id": here.pk})
    assert (gone.status_code, list(gone.json()["errors"])) == (400, ["repository_id"])
    assert Repository.with_removed.get(pk=here.pk).removed_by == "ops"


def test_what_is_in_one_is_listed_page_by_page(api, queries, tmp_path):
    here = factories.repository("here", tmp_path / "here")
    repository_signs.look()
    vm = factories.context("web", keep_in=here)
    factories.completed_job(vm, planned_bytes=MIB)
    lists = [f"repositories/{here.pk}/{name}/" for name in ("vms", "recovery-points", "space")]
    api.get(lists[0])  # the token's last use is noted once
    counts = [queries(lambda address=address: api.get(address)) for address in lists]
    moving.move(vm, factories.repository("there"), actor="ops")
    for number in range(3):
        factories.completed_job(factories.context(f"vm-{number}", keep_in=here))
    again = [queries(lambda address=address: api.get(address)) for address in lists]
    assert counts == again
    found = [api.get(address).json() for address in lists]
    assert [each["count"] for each in found] == [4, 4, 1]
    (row,) = (each for each in found[0]["results"] if each["vm_name"] == "web")
    assert (row["point_count"], row["stored_bytes"]) == (1, MIB)
    assert row["repository_id"] != here.pk


def test_rules_are_tried_without_changing_anything(api):
    vm = factories.context()
    points = [factories.completed_job(vm).recovery_point for _ in range(3)]
    address = f"vm-contexts/{vm.pk}/retention-preview/"
    now = api.get(address).json()
    assert (now["rules"], {each["mark"] for each in now["points"]}) == (None, {"all"})
    tried = api.get(f"{address}?keep_last=1").json()
    assert tried["rules"]["keep_last"] == 1
    by_point = {each["recovery_point_id"]: each for each in tried["points"]}
    assert [by_point[point.pk]["goes"] for point in points] == [True, True, False]
    assert by_point[points[2].pk]["mark"] == "last"
    assert {by_point[point.pk]["goes_as"] for point in points[:2]} == {1, 2}
    assert api.get(f"{address}?keep_last=0").json()["rules"] is None
    assert api.get(f"{address}?keep_last=-1").status_code == 400
    assert api.get(f"{address}?keep_lest=1").status_code == 400
