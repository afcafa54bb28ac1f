"""Limits and bandwidth over the API."""

from __future__ import annotations

import pytest

from replication.models import BandwidthWindow, Limit
from tests import factories

pytestmark = pytest.mark.django_db


def limit(answer, kind: str, resource: str = "") -> dict:
    found = [
        each
        for each in answer.json()["limits"]
        if (each["kind"], each["resource"]) == (kind, resource)
    ]
    assert len(found) == 1, answer.json()
    return found[0]


def test_a_limit_is_set_told_with_its_use_and_taken_back(api, tmp_path):
    vcenter = factories.vcenter("Graz")
    repository = factories.repository("vault", path=tmp_path / "repository")
    job = factories.running_job(factories.context("a", at=vcenter, keep_in=repository))
    factories.places(job, "vcenter_jobs", str(vcenter.pk), 1)
    factories.places(job, "host_sessions", "esx-01:902", 3)
    own = limit(api.get("limits/"), "vcenter_jobs", str(vcenter.pk))
    assert own == {
        **{"kind": "vcenter_jobs", "resource": str(vcenter.pk), "name": "Graz", "limit": 8},
        **{"is_own": False, "in_use": 1, "waiting": 0},
    }
    assert limit(api.get("limits/"), "host_sessions", "esx-01:902")["in_use"] == 3

    answer = api.put("limits/", {"kind": "vcenter_jobs", "limit": 5})
    assert limit(answer, "vcenter_jobs", str(vcenter.pk))["limit"] == 5
    wanted = {"kind": "vcenter_jobs", "resource": str(vcenter.pk)}
    answer = api.put("limits/", wanted | {"limit": 2})
    found = limit(answer, "vcenter_jobs", str(vcenter.pk))
    assert (found["limit"], found["is_own"]) == (2, True)
    assert Limit.objects.get(vcenter=vcenter).set_by == "ops"
    answer = api.put("limits/", wanted | {"limit": None})
    assert limit(answer, "vcenter_jobs", str(vcenter.pk))["limit"] == 5


def test_snapshots_that_were_left_are_in_use(api, tmp_path):
    vcenter = factories.vcenter("Graz")
    context = factories.context("a", at=vcenter, keep_in=factories.repository(path=tmp_path))
    job = factories.failed_job(context)
    factories.snapshot_of(job, job.created_at)
    context.disks.update(datastore="fast")
    found = limit(api.get("limits/"), "datastore_snapshots", f"{vcenter.pk}:fast")
    assert (found["in_use"], found["limit"], found["name"]) == (1, 15, "fast (Graz)")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"kind": "vcenter_jobs", "limit": 0}, 400, "limit"),
        ({"kind": "vms", "limit": 1}, 400, "kind"),
        ({"kind": "vcenter_jobs", "value": 1}, 400, "value"),
        ({"kind": "vcenter_jobs", "resource": "99", "limit": 1}, 409, "no vCenter 99"),
        ({"kind": "host_sessions", "resource": "esx", "limit": 1}, 409, "address and port"),
    ],
)
def test_a_limit_that_means_nothing_is_refused(api, body, status, words):
    answer = api.put("limits/", body)
    assert answer.status_code == status
    assert words in str(answer.json())
    assert not Limit.objects.exists()


def test_windows_of_bandwidth_are_replaced_and_told_with_what_holds_now(api):
    vcenter = factories.vcenter("Graz")
    window = {"bytes_per_second": 1 << 20, "days": ["mon", "sun"], "begin": "22:00", "end": "06:00"}
    for wanted in ([window, {"bytes_per_second": 5 << 20}], [{"bytes_per_second": 2 << 20}]):
        answer = api.put("limits/bandwidth/", {"vcenter_id": None, "windows": wanted})
        others, graz = answer.json()["bandwidth"]
        assert len(others["windows"]) == len(wanted)
    assert others["windows"][0] == {
        **{"bytes_per_second": 2 << 20, "begin": "00:00", "end": "24:00", "time_zone": "UTC"},
        "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    }
    assert graz == {
        **{"vcenter_id": vcenter.pk, "name": "Graz", "windows": [], "bytes_per_second": 2 << 20},
        **{"reading_bytes_per_second": 0, "reading_jobs": 0},
    }
    body = {"vcenter_id": vcenter.pk, "windows": [window | {"time_zone": "Asia/Tokyo"}]}
    graz = api.put("limits/bandwidth/", body).json()["bandwidth"][1]
    assert graz["windows"] == [window | {"time_zone": "Asia/Tokyo"}]


@pytest.mark.parametrize(
    "window",
    [
        {},
        {"bytes_per_second": 5},
        {"bytes_per_second": 1 << 20, "days": []},
        {"bytes_per_second": 1 << 20, "days": ["monday"]},
        {"bytes_per_second": 1 << 20, "begin": "8:00"},
        {"bytes_per_second": 1 << 20, "end": "24:01"},
        {"bytes_per_second": 1 << 20, "begin": "08:00", "end": "08:00"},
        {"bytes_per_second": 1 << 20, "time_zone": "Mars"},
    ],
)
def test_a_window_that_means_nothing_is_refused(api, window):
    answer = api.put("limits/bandwidth/", {"vcenter_id": None, "windows": [window]})
    assert answer.status_code in (400, 409)
    assert not BandwidthWindow.objects.exists()
