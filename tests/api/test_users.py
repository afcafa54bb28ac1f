"""Admins manage users over the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from tests import factories
from vmrep.accounts.models import TokenScope
from vmrep.accounts.standing import Place, standing_of
from vmrep.trail.models import Event

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
PASSWORD = "correct-horse-9-battery"
DORA = {"username": "dora", "password": PASSWORD, "role": "operator"}


def again(user_id: int) -> User:
    return User.objects.get(pk=user_id)


def test_a_user_is_added_changed_and_disabled(api: Any) -> None:
    answer = api.post("users/", DORA)
    assert answer.status_code == 201, answer.json()
    made = answer.json()
    assert PASSWORD not in answer.text
    here = f"users/{made['id']}/"
    assert answer.headers["Location"].endswith(f"/{here}")
    assert (made["role"], made["is_active"], made["scopes"]) == ("operator", True, [])
    changed = api.patch(here, {"role": None, "is_active": False, "password": f"{PASSWORD}!"})
    assert changed.status_code == 200, changed.json()
    assert api.get(here).json() == changed.json()
    assert (changed.json()["role"], changed.json()["is_active"]) == (None, False)
    assert again(made["id"]).check_password(f"{PASSWORD}!")
    listed = api.get("users/?search=DOR&is_active=false").json()["results"]
    assert [each["username"] for each in listed] == ["dora"]
    assert api.get("users/?search=dora&is_active=true").json()["count"] == 0
    told = Event.objects.filter(kind="user", object_name="dora").order_by("number")
    assert {"add", "change"} == set(told.values_list("verb", flat=True))
    values = [(each.old_values, each.new_values) for each in told]
    assert ({"is_active": True}, {"is_active": False}) in values, values
    assert ({"roles": ["operator"]}, {"roles": []}) in values, values
    assert {each.actor for each in told} == {"ops"}


def test_a_user_sees_the_places_that_are_given(api: Any) -> None:
    user, vcenter = factories.user("dora", role="viewer"), factories.vcenter()
    here = f"users/{user.pk}/scopes/"
    answer = api.post(here, {"vcenter_id": vcenter.pk, "folder": "/Lab/vm/Shop"})
    assert answer.status_code == 201, answer.json()
    (place,) = answer.json()["scopes"]
    assert (place["vcenter_id"], place["folder"]) == (vcenter.pk, "/Lab/vm/Shop")
    assert standing_of(again(user.pk)).places == {Place(vcenter.pk, "/Lab/vm/Shop")}
    assert api.delete(f"{here}{place['id']}/").json()["code"] == "user_refused"  # the last one
    api.post(here, {"vcenter_id": vcenter.pk})
    assert api.delete(f"{here}{place['id']}/").status_code == 204
    assert standing_of(again(user.pk)).places == {Place(vcenter.pk, "")}
    assert api.delete(here).status_code == 204
    assert standing_of(again(user.pk)).places is None
    assert api.post(here, {"vcenter_id": 10**6}).json()["code"] == "unknown_vcenter"
    assert api.delete(f"{here}{10**6}/").json()["code"] == "unknown_place"


@pytest.mark.parametrize("change", [{"role": "operator"}, {"role": None}, {"is_active": False}])
def test_the_last_admin_stays_one_and_nothing_of_a_change_is_done(
    api: Any, user: User, change: dict[str, Any]
) -> None:
    User.objects.exclude(pk=user.pk).delete()
    before = api.get(f"users/{user.pk}/").json()
    answer = api.patch(f"users/{user.pk}/", {"password": f"{PASSWORD}?", **change})
    assert (answer.status_code, answer.json()["code"]) == (409, "user_refused")
    assert api.get(f"users/{user.pk}/").json() == before
    assert not again(user.pk).check_password(f"{PASSWORD}?")


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"username": "ops"}, "username"),
        ({"username": "a b\u0000"}, "username"),
        ({"password": "1234"}, "password"),
        ({"role": "chief"}, "role"),
    ],
)
def test_what_cannot_be_is_refused(api: Any, wanted: dict[str, str], field: str) -> None:
    answer = api.post("users/", DORA | wanted)
    assert answer.status_code == 400
    assert field in str(answer.json()["errors"])
    assert not User.objects.filter(username="dora").exists()


def test_a_change_needs_a_token_for_what_is_dangerous(api: Any, client: Any, user: User) -> None:
    key = factories.token(user, TokenScope.WRITE)
    dora = factories.user("dora")
    headers = {"Authorization": f"Token {key}"}
    for method, path in (
        ("post", "users/"),
        ("patch", f"users/{dora.pk}/"),
        ("post", f"users/{dora.pk}/scopes/"),
        ("delete", f"users/{dora.pk}/scopes/"),
    ):
        answer = getattr(client, method)(
            f"/api/v1/{path}", {}, content_type="application/json", headers=headers
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "token_scope"), path
    assert client.get("/api/v1/users/", headers=headers).status_code == 200
