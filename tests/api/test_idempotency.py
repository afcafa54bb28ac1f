"""A request that is sent again with its `Idempotency-Key` is done once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from replication.models import Pause, ReplicationJob
from tests import factories
from tests.api.conftest import Client
from vmrep.api.models import KeyedRequest

KEY = {"HTTP_IDEMPOTENCY_KEY": "build-4711"}


def test_a_start_that_is_sent_again_is_answered_with_its_job(api: Any, db: Any) -> None:
    vm = factories.context("web")
    path = f"vm-contexts/{vm.pk}/replications/"
    first = api.post(path, {"requested_sync": "checksum"}, **KEY)
    again = api.post(path, {"requested_sync": "checksum"}, **KEY)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again["Location"] == first["Location"]
    assert ("Idempotency-Replayed" in first, again["Idempotency-Replayed"]) == (False, "true")
    assert ReplicationJob.objects.count() == 1
    assert api.post(path, {"requested_sync": "checksum"}).json()["code"] == "already_running"


def test_a_key_belongs_to_one_request_of_one_user(api: Any, db: Any) -> None:
    assert api.post("pauses/", {"kind": "all"}, **KEY).status_code == 201
    other = api.post("pauses/", {"kind": "all", "reason": "update"}, **KEY)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    api.credentials(HTTP_AUTHORIZATION=f"Token {factories.token(factories.user('ann'))}")
    api.post("pauses/", {"kind": "all"}, **KEY)
    assert KeyedRequest.objects.count() == 2


@pytest.mark.any_database
def test_an_answer_is_repeated_only_to_who_may_still_have_it(db: Any) -> None:
    """Neither without the role, nor when the VM is outside of what the user sees, nor by a token
    that may less."""
    ann, vm = factories.user("ann", role="operator"), factories.context("web")
    path, program = f"vm-contexts/{vm.pk}/replications/", Client()

    def send(scope: str = "danger") -> Any:
        program.credentials(HTTP_AUTHORIZATION=f"Token {factories.token(ann, scope)}")
        answer = program.post(path, {}, **KEY)
        return answer.status_code, answer.headers.get("Idempotency-Replayed")

    assert [send(), send()] == [(202, None), (202, "true")]
    assert send("write") == (403, None)
    seen = factories.scope(ann, factories.vcenter())
    assert send() == (403, None)
    seen.delete()
    ann.groups.clear()
    assert send() == (403, None)
    ann.groups.add(Group.objects.get(name="operator"))
    assert send() == (202, "true")
    assert ReplicationJob.objects.count() == 1


def test_what_was_refused_can_be_sent_again(api: Any, db: Any) -> None:
    vm = factories.context("web")
    path = f"vm-contexts/{vm.pk}/replications/"
    running = factories.pending_job(vm)
    assert api.post(path, {}, **KEY).status_code == 409
    api.post(f"replications/{running.pk}/cancel/", {})
    assert api.post(path, {}, **KEY).status_code == 202


def test_a_key_is_forgotten_after_a_day(api: Any, db: Any) -> None:
    api.post("pauses/", {"kind": "all"}, **KEY)
    row = KeyedRequest.objects.get()
    KeyedRequest.objects.update(created_at=row.created_at - timedelta(hours=25))
    Pause.objects.update(ended_at=row.created_at, ended_by="ops")
    again = api.post("pauses/", {"kind": "all"}, **KEY)
    assert (again.status_code, "Idempotency-Replayed" in again) == (201, False)


@pytest.mark.parametrize("key", ["", "two words", "x" * 256])
def test_a_key_that_is_none_is_refused(api: Any, db: Any, key: str) -> None:
    answer = api.post("pauses/", {"kind": "all"}, HTTP_IDEMPOTENCY_KEY=key)
    assert answer.status_code == 400
    assert Pause.objects.count() == 0


def test_where_nothing_is_kept_the_key_is_refused(api: Any, db: Any) -> None:
    answer = api.post("vcenters/", {}, **KEY)
    assert "Idempotency-Key" in answer.json()["errors"]
