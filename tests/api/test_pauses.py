"""Pauses over the API, and when a VM is replicated next."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from contexts.clock import database_now
from replication.models import Pause
from replication.policies import services
from replication.scheduler import dates
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_vm_says_when_it_is_replicated_next(api):
    context = factories.context("web")
    services.set_own(context, services.target(3600), actor="ops")
    dates.work_out([context.pk], database_now())
    for answer in (
        api.get(f"vm-contexts/{context.pk}/").json()["context"],
        api.get("vm-contexts/").json()["results"][0],
    ):
        assert answer["next_run_at"] is not None
        assert answer["next_run_why"] == "first"
    factories.pending_job(context)
    answer = api.get(f"vm-contexts/{context.pk}/").json()["context"]
    assert (answer["next_run_at"], answer["next_run_why"]) == (None, "")


def test_each_kind_is_paused_listed_and_ended(api):
    context = factories.context("web")
    policy = services.add("Gold", {}, actor="ops")
    until = (timezone.now() + timedelta(hours=3)).isoformat()
    for body, subject in (
        ({"kind": "all"}, "all VMs"),
        ({"kind": "vcenter", "vcenter_id": context.vcenter_id}, f"vCenter {context.vcenter}"),
        ({"kind": "policy", "policy_id": policy.pk, "until": until}, "policy Gold"),
        ({"kind": "vm", "context_id": context.pk, "until": None, "reason": "moves"}, "web"),
    ):
        answer = api.post("pauses/", body)
        assert answer.status_code == 201, answer.json()
        assert answer.json()["subject"] == subject
    answer = api.post("pauses/", {"kind": "all", "reason": "another"})
    found = api.get("pauses/").json()["results"]
    assert [row["kind"] for row in found] == ["all", "vm", "policy", "vcenter"]
    assert (found[0]["reason"], found[0]["paused_by"], found[0]["until"]) == (
        "another",
        "ops",
        None,
    )
    assert found[1]["context_id"] == context.pk
    assert api.delete(f"pauses/{found[0]['id']}/").status_code == 204
    assert api.delete("pauses/99999/").json()["code"] == "unknown_pause"
    assert [row["kind"] for row in api.get("pauses/").json()["results"]] == [
        *("vm", "policy", "vcenter")
    ]
    assert Pause.objects.get(pk=found[0]["id"]).ended_by == "ops"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"kind": "site"}, 400, "kind"),
        ({"kind": "vm"}, 400, "kind"),
        ({"kind": "all", "policy_id": 1}, 400, "kind"),
        ({"kind": "vm", "context_id": "nobody"}, 400, "context_id"),
        ({"kind": "vcenter", "vcenter_id": 999}, 400, "vcenter_id"),
        ({"kind": "all", "until": "tomorrow"}, 400, "until"),
        ({"kind": "all", "until": "2026-13-01T00:00:00Z"}, 400, "until"),
        ({"kind": "all", "until": "2026-12-24T18:00:00"}, 400, "until"),
        ({"kind": "all", "until": "0001-01-01T00:00:00+14:00"}, 400, "until"),
        ({"kind": "all", "until": "2020-12-24T18:00:00Z"}, 409, "pause_refused"),
    ],
)
def test_what_means_nothing_is_refused(api, body, status, field):
    answer = api.post("pauses/", body)
    assert answer.status_code == status
    assert field in str(answer.json())
    assert not Pause.objects.exists()
