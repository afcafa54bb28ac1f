"""Nobody reads or changes anything without a login: generated over every address."""

from __future__ import annotations

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from replication.models import ReplicationJob
from tests import factories
from vmrep.accounts.models import Token
from vmrep.api.urls import urlpatterns

pytestmark = pytest.mark.any_database

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
ARGUMENTS = {
    "context_id": "ctx-x",
    "job_id": "job-x",
    "vcenter_id": 1,
    "channel_id": 1,
    "rule_id": 1,
    "point_id": 1,
    "policy_id": 1,
    "pause_id": 1,
    "action_id": 1,
    "repository_id": 1,
    "group_id": 1,
    "scope_id": 1,
    "token_id": 1,
    "view_id": 1,
    "user_id": 1,
    "place_id": 1,
}
NEEDS_NO_LOGIN = {"token"}  # it is one


def addresses() -> list[str]:
    """Every address of the API, with made-up arguments."""
    return [
        reverse(
            f"api:{pattern.name}",
            kwargs={name: ARGUMENTS[name] for name in pattern.pattern.converters},
        )
        for pattern in urlpatterns
        if pattern.name not in NEEDS_NO_LOGIN
    ]


def test_every_address_is_covered():
    assert len(addresses()) == len(urlpatterns) - 1


@pytest.mark.parametrize("address", addresses())
def test_it_answers_401_without_a_login(anonymous, address):
    for method in METHODS:
        answer = getattr(anonymous, method)(address)
        assert answer.status_code == 401, method
        assert answer["WWW-Authenticate"] == "Token", method
        if method != "head":
            assert answer.json()["code"] == "not_authenticated", method


@pytest.mark.parametrize("address", addresses())
def test_it_answers_401_to_a_token_that_is_not_one(anonymous, address):
    anonymous.credentials(HTTP_AUTHORIZATION="Token 0123456789012345678901234567890123456789")
    assert anonymous.get(address).status_code == 401


def test_a_user_who_was_deactivated_is_out(api, user):
    user.is_active = False
    user.save()
    assert api.get("vm-contexts/").status_code == 401


def test_what_is_not_there_is_not_told_to_strangers(anonymous):
    assert anonymous.get("nothing/here/").status_code == 401


def test_with_a_session_a_change_needs_the_csrf_token(user):
    context = factories.context()
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)
    answer = client.post(f"/api/v1/vm-contexts/{context.pk}/replications/")
    assert answer.status_code == 403
    assert answer.json()["code"] == "permission_denied"
    assert not ReplicationJob.objects.exists()


def test_with_a_session_reading_works(client, user):
    client.force_login(user)
    assert client.get("/api/v1/vm-contexts/").status_code == 200


PASSWORD = "a long enough password"


def test_a_token_is_given_for_name_and_password(anonymous):
    user = factories.user("ops", PASSWORD)
    answer = anonymous.post("token/", {"username": "ops", "password": PASSWORD})
    assert answer.status_code == 200
    assert Token.objects.get().user == user
    anonymous.credentials(HTTP_AUTHORIZATION=f"Token {answer.json()['token']}")
    assert anonymous.get("vm-contexts/").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"username": "ops", "password": "wrong"},
        {"username": "nobody", "password": PASSWORD},
        {"username": "gone", "password": PASSWORD},
    ],
)
def test_a_wrong_login_gets_no_token(anonymous, body):
    factories.user("ops", PASSWORD)
    factories.user("gone", PASSWORD, is_active=False)
    answer = anonymous.post("token/", body)
    assert answer.status_code == 401
    assert answer.json()["code"] == "authentication_failed"
    assert not Token.objects.exists()
