"""The last integrity check with its findings, and asking for one."""

from __future__ import annotations

import pytest

from contexts.models import VMContext
from replication.integrity import runs
from replication.integrity.findings import Scope
from replication.models import IntegrityRun
from tests import factories

pytestmark = pytest.mark.any_database


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


def test_before_the_first_run_nothing_is_said_to_be_well(api):
    answer = api.get("integrity/")
    assert answer.status_code == 200
    assert answer.json() == {
        "ok": False,
        "run": None,
        "active_run": None,
        "findings": [],
        "repaired": [],
    }


def test_the_last_run_comes_with_its_findings(api):
    context = factories.context(at=factories.vcenter(host="127.0.0.1", port=1))
    factories.failed_job(context)
    VMContext.objects.update(total_jobs_run=0, failed_jobs=0)
    runs.run_now(Scope(), actor="schedule")
    body = api.get("integrity/").json()
    assert (body["ok"], body["run"]["outcome"]) == (False, "findings")
    assert body["run"]["finding_count"] == len(body["findings"])
    found = {finding["code"]: finding for finding in body["findings"]}
    assert found["counters_differ"]["context_id"] == context.pk
    assert found["counters_differ"]["remedy"]


def test_all_is_well_after_a_run_without_findings(api):
    runs.run_now(Scope(), actor="schedule")
    assert api.get("integrity/").json()["ok"] is True


def test_a_post_asks_for_a_run(api):
    answer = api.post("integrity/")
    assert answer.status_code == 202
    assert answer.json()["outcome"] == "pending"
    assert answer["Location"].endswith("/api/v1/integrity/")
    assert api.get("integrity/").json()["active_run"]["id"] == IntegrityRun.objects.get().pk


def test_unknown_parameters_and_fields_are_refused(api):
    assert api.get("integrity/?deep=1").status_code == 400
    assert api.post("integrity/", {"deep": True}).status_code == 400
    assert not IntegrityRun.objects.exists()


def test_nobody_gets_in_without_a_login(anonymous):
    assert anonymous.get("integrity/").status_code == 401
    assert anonymous.post("integrity/").status_code == 401
