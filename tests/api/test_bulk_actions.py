"""Bulk actions over the API: by filter or by IDs, followed and cancelled."""

from __future__ import annotations

import pytest

from replication.models import BulkAction, Pause, PolicyScope, ReplicationJob
from replication.policies import services
from replication.services import bulk_acts
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("contexts.messages.send", lambda *message: None)
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


@pytest.fixture
def vms(db):
    return factories.contexts(["web1", "web2", "sql1"])  # no ID has that in it


def test_all_that_match_a_filter_are_paused_and_progress_is_told(api, vms):
    factories.contexts(["web3"])
    vcenter = vms[0].vcenter_id
    body = {
        "kind": "pause",
        "filter": {"search": "web", "vcenter": vcenter, "status": ["discovered", "failed"]},
        "until": "2126-12-24T18:00:00Z",
        "reason": "moves",
    }
    answer = api.post("bulk-actions/", body)
    assert answer.status_code == 202, answer.json()
    action = answer.json()
    assert answer["Location"].endswith(f"/api/v1/bulk-actions/{action['id']}/")
    assert (action["state"], action["total"], action["asked_by"]) == ("waiting", 2, "ops")
    bulk_acts.run_next()
    action = api.get(answer["Location"]).json()
    assert (action["state"], action["done"], action["refused"]) == ("ended", 2, 0)
    assert action["until"] == "2126-12-24T18:00:00Z"
    assert set(Pause.objects.values_list("vm_context__vm_name", "reason")) == {
        ("web1", "moves"),
        ("web2", "moves"),
    }
    (listed,) = api.get("bulk-actions/").json()["results"]
    assert listed == action
    assert api.post(f"bulk-actions/{action['id']}/cancel/").json()["code"] == "bulk_ended"


def test_each_refused_vm_is_named_with_its_reason(api, vms):
    job = factories.pending_job(vms[0])
    body = {"kind": "replicate", "context_ids": [vms[0].pk, vms[2].pk]}
    action = api.post("bulk-actions/", body).json()
    bulk_acts.run_next()
    assert ReplicationJob.objects.exclude(pk=job.pk).get().trigger == "api"
    (refused,) = api.get(f"bulk-actions/{action['id']}/vms/?state=refused").json()["results"]
    assert refused == {
        "context_id": vms[0].pk,
        "vm_name": "web1",
        "state": "refused",
        "why": f"web1 is already being replicated by {job.pk}.",
    }
    assert api.get(f"bulk-actions/{action['id']}/vms/?search=sql").json()["count"] == 1


def test_a_policy_is_given_and_taken_and_what_waits_can_be_cancelled(api, vms):
    gold = services.add("Gold", {}, actor="x")
    given = {"kind": "policy", "filter": {}, "policy_id": gold.pk}
    assert api.post("bulk-actions/", given).json()["subject"] == "Gold"
    bulk_acts.run_next()
    assert PolicyScope.objects.filter(policy=gold).count() == 3
    api.post("bulk-actions/", {**given, "policy_id": None})
    bulk_acts.run_next()
    assert not PolicyScope.objects.filter(policy=gold).exists()
    action = api.post("bulk-actions/", given).json()
    answer = api.post(f"bulk-actions/{action['id']}/cancel/").json()
    assert (answer["state"], answer["cancelled_by"]) == ("cancelled", "ops")
    bulk_acts.run_next()
    assert not PolicyScope.objects.filter(policy=gold).exists()


@pytest.mark.parametrize(
    ("body", "field", "told"),
    [
        ({"kind": "pause"}, "body", "Give either context_ids or filter."),
        ({"kind": "pause", "filter": {}, "context_ids": ["ctx-x"]}, "body", "either"),
        ({"kind": "pause", "context_ids": ["ctx-none"]}, "context_ids", "no VM context 'ctx-none'"),
        ({"kind": "pause", "filter": {"serch": "x"}}, "filter", "Did you mean 'search'?"),
        ({"kind": "pause", "filter": {"status": "odd"}}, "filter", "odd"),
        ({"kind": "pause", "filter": {"search": {}}}, "filter", "a text, or a list of texts"),
        ({"kind": "pause", "filter": {"vcenter": 999}}, "filter", "999"),
        ({"kind": "policy", "filter": {}}, "policy_id", "null: no policy"),
        ({"kind": "policy", "filter": {}, "policy_id": 999}, "policy_id", "no policy 999"),
        ({"kind": "pause", "filter": {}, "until": "soon"}, "until", "A time with its zone"),
    ],
)
def test_what_is_not_clear_is_refused_by_name(api, vms, body, field, told):
    answer = api.post("bulk-actions/", body)
    assert answer.status_code == 400
    answered = answer.json()
    named = {name.partition(".")[0] for name in answered.get("errors", {"body": ""})}
    assert field in named
    assert told in str(answered)
    assert not BulkAction.objects.exists()


def test_what_cannot_be_done_is_refused(api, vms):
    for body, told in (
        ({"kind": "pause", "filter": {"search": "nothing"}}, "No VM matches"),
        ({"kind": "remove", "filter": {}, "reason": "x"}, "Only a pause"),
        ({"kind": "repository", "filter": {}}, "Say to which repository"),
    ):
        answer = api.post("bulk-actions/", body)
        assert (answer.status_code, answer.json()["code"]) == (400, "bulk_refused"), body
        assert told in answer.json()["message"]
    assert api.get("bulk-actions/999/").json()["code"] == "unknown_bulk_action"
