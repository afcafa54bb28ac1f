"""recovery-points/{id}/ and …/pin/."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from contexts.models import VMContext
from replication.models import PointRemoval, RecoveryPointHold
from tests import factories


@pytest.fixture
def context(db: None) -> VMContext:
    """With two recovery points."""
    vm = factories.context()
    for days in (2, 1):
        factories.completed_job(vm, consistent_at=timezone.now() - timedelta(days=days))
    return vm


def older(context: VMContext) -> int:
    return context.recovery_points.order_by("pk")[0].pk


def test_a_point_is_pinned_commented_and_unpinned(api, context):
    address = f"recovery-points/{older(context)}/"
    shown = api.get(address).json()
    assert (shown["comment"], shown["pinned_by"], shown["removal"]) == ("", None, None)
    assert shown["vm_context_id"] == context.pk
    pinned = api.post(f"{address}pin/", {"comment": "before the update"}, format="json")
    assert pinned.status_code == 200
    assert (pinned.json()["pinned_by"], pinned.json()["pin_comment"]) == (
        "ops",
        "before the update",
    )
    said = api.patch(address, {"comment": "good"}, format="json").json()
    assert (said["comment"], said["pinned_by"]) == ("good", "ops")
    refused = api.delete(address)
    assert (refused.status_code, refused.json()["code"]) == (409, "point_needed")
    assert api.delete(f"{address}pin/").json()["pinned_by"] is None
    assert not RecoveryPointHold.objects.exists()
    told = list(context.events.order_by("id").values_list("why", flat=True))[-3:]
    assert [words.split()[0] for words in told] == ["pinned", "commented", "unpinned"]


def test_a_point_that_is_deleted_is_wanted_gone_and_the_newest_stays(api, context):
    answer = api.delete(f"recovery-points/{older(context)}/")
    assert answer.status_code == 202
    assert answer.json()["removal"]["state"] == "wanted"
    assert answer.json()["removal"]["requested_by"] == "ops"
    assert PointRemoval.objects.count() == 1
    newest = context.recovery_points.order_by("-pk")[0].pk
    refused = api.delete(f"recovery-points/{newest}/")
    assert (refused.status_code, refused.json()["code"]) == (409, "point_needed")
    (of_context,) = [
        point
        for point in api.get(f"vm-contexts/{context.pk}/").json()["recovery_points"]
        if point["removal"]
    ]
    assert of_context["id"] == older(context)


def test_what_is_not_there_is_not_found(api):
    answer = api.get("recovery-points/999/")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_point")


def test_a_point_is_verified_and_the_verification_cancelled(api, context):
    address = f"recovery-points/{older(context)}/verification/"
    assert (api.get(address).status_code, api.get(address).json()["code"]) == (
        404,
        "never_verified",
    )
    refused = api.delete(address)
    assert (refused.status_code, refused.json()["code"]) == (409, "verification_ended")
    asked = api.post(address, headers={"Idempotency-Key": "once"})
    assert asked.status_code == 202, asked.content
    again = api.post(address)
    assert again.json()["id"] == asked.json()["id"]
    shown = api.get(f"recovery-points/{older(context)}/").json()
    assert (shown["verification"]["state"], shown["verified_at"]) == ("waiting", None)
    newest = api.post(f"vm-contexts/{context.pk}/verification/")
    assert (newest.status_code, newest.json()["code"]) == (409, "already_verifying")
    assert api.delete(address).status_code == 202
    assert api.get(address).json()["damages"] == []


def test_a_vm_without_a_point_has_nothing_to_verify(api, db):
    vm = factories.context()
    refused = api.post(f"vm-contexts/{vm.pk}/verification/")
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_verify")
