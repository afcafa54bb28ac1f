"""API tokens: what one may do, for how long, where it is kept, and what ends it."""

from __future__ import annotations

import json
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client, override_settings

from contexts.clock import about_now
from tests import factories
from tests.api.conftest import Client as Program
from vmrep.accounts import tokens
from vmrep.accounts.models import Token, TokenOrigin, TokenScope

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
PASSWORD = "a long enough password"


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


def program(key: str) -> Program:
    client = Program()
    client.credentials(HTTP_AUTHORIZATION=f"Token {key}")
    return client


def test_a_key_is_in_no_row_of_the_database():
    user = factories.user()
    key = factories.token(user)
    assert program(key).get("vm-contexts/").status_code == 200
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            assert key not in repr(cursor.fetchall()), table
    row = Token.objects.get()
    assert key.startswith(row.prefix)
    assert len(row.prefix) == 12
    assert row.digest == tokens.digest(key)


def test_whoever_writes_to_the_database_makes_no_token_without_the_secret_key():
    user = factories.user()
    key = factories.token(user)
    with override_settings(SECRET_KEY="another"):
        assert program(key).get("").status_code == 401
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=["yet another"]):
        assert program(key).get("").status_code == 401


def test_it_outlives_a_change_of_the_secret_key_while_that_is_known_as_an_earlier_one(settings):
    key = factories.token(factories.user())
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new one"
    assert program(key).get("").status_code == 200


def test_it_expires():
    user = factories.user()
    key = factories.token(user, days=1)
    assert program(key).get("").status_code == 200
    past = about_now() - timedelta(seconds=1)
    Token.objects.update(created_at=past - timedelta(days=1), expires_at=past)
    assert program(key).get("").status_code == 401
    assert program(factories.token(user)).get("tokens/").json()["count"] == 1
    assert Token.objects.count() == 1  # an expired one goes when the next is made


def test_one_that_may_read_changes_nothing():
    vm = factories.context()
    client = program(factories.token(factories.user(), TokenScope.READ))
    assert client.get("vm-contexts/").status_code == 200
    for method in ("post", "put", "patch", "delete"):
        answer = getattr(client, method)(f"vm-contexts/{vm.pk}/replications/")
        assert (answer.status_code, answer.json()["code"]) == (403, "token_scope")
    assert not vm.jobs.exists()


def test_one_that_may_write_starts_what_it_is_asked_to():
    vm = factories.context(keep_in=factories.repository())
    client = program(factories.token(factories.user(), TokenScope.WRITE))
    assert client.post(f"vm-contexts/{vm.pk}/replications/").status_code == 202


def test_its_user_shut_out_it_is_refused_and_gone_with_its_user():
    user = factories.user()
    key = factories.token(user)
    user.is_active = False
    user.save()
    assert program(key).get("").status_code == 401
    user.delete()
    assert not Token.objects.exists()


def test_its_use_is_noted_to_the_hour_with_the_address(django_assert_num_queries):
    client = program(factories.token(factories.user()))
    assert Token.objects.get().last_used_at is None
    client.get("", REMOTE_ADDR="192.0.2.7")
    used = Token.objects.get()
    assert used.last_used_from == "192.0.2.7"
    with django_assert_num_queries(1):  # the token itself: nothing is written again
        client.get("", REMOTE_ADDR="192.0.2.8")
    assert Token.objects.get().last_used_at == used.last_used_at
    Token.objects.update(last_used_at=about_now() - timedelta(hours=2))
    client.get("", REMOTE_ADDR="192.0.2.8")
    assert Token.objects.get().last_used_from == "192.0.2.8"


def test_a_user_has_a_bounded_number(monkeypatch):
    monkeypatch.setattr(tokens, "MOST", 2)
    user = factories.user()
    factories.token(user)
    factories.token(user)
    with pytest.raises(tokens.TokenRefused, match="You have 2 tokens"):
        factories.token(user)
    factories.token(factories.user("another"))


@pytest.mark.parametrize("name", ["", " ", "\u200b", "back\u202eup", "a\x1bb", "x" * 81])
def test_an_impossible_name_is_blamed_on_the_name(client, name):
    """On page and API alike, as any other wrong value."""
    user = factories.user("alice", password="sesame-for-alice")
    body = {"username": "alice", "password": "sesame-for-alice", "name": name}
    answer = Client().post("/api/v1/token/", json.dumps(body), content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert [*answer.json()["errors"]] == ["name"]
    client.force_login(user)
    form = {"name": name, "scope": "read", "lifetime": "30"}
    page = client.post("/account/tokens/", form)
    assert page.status_code == 200
    assert "name" in page.context["form"].errors
    assert not Token.objects.exists()


@pytest.mark.parametrize("key", ["", "x", "\u00ff", "vmrep_", "9" * 5000, "a b"])
def test_what_is_no_key_is_refused(key):
    factories.token(factories.user())
    assert program(key).get("").status_code == 401


def test_the_api_makes_one_for_a_password_with_what_it_is_to_be():
    user = factories.user("ops", PASSWORD)
    login = {"username": "ops", "password": PASSWORD}
    answer = Program().post("token/", login)
    assert "no-store" in answer["Cache-Control"]
    made = answer.json()
    assert (made["name"], made["scope"], made["origin"]) == ("API", "write", "api")
    assert made["expires_at"] is not None
    assert program(made["token"]).get("").status_code == 200
    more = {"name": "nightly", "scope": "read", "expires_in_days": None}
    made = Program().post("token/", login | more).json()
    assert (made["name"], made["scope"], made["expires_at"]) == ("nightly", "read", None)
    for wrong in (
        {"scope": "all"},
        {"expires_in_days": 0},
        {"expires_in_days": 3651},
        {"name": ""},
    ):
        answer = Program().post("token/", login | wrong)
        assert answer.status_code == 400
        assert set(answer.json()["errors"]) == set(wrong)
    assert user.tokens.count() == 2


def test_one_sees_and_revokes_ones_own():
    ann, bob = factories.user("ann"), factories.user("bob")
    client = program(factories.token(ann))
    key = factories.token(bob)
    (shown,) = client.get("tokens/").json()["results"]
    assert shown["prefix"] == Token.objects.get(user=ann).prefix
    assert "digest" not in shown
    its = Token.objects.get(user=bob)
    assert client.delete(f"tokens/{its.pk}/").status_code == 404
    assert program(key).delete(f"tokens/{its.pk}/").status_code == 204
    assert program(key).get("").status_code == 401
    assert not Token.objects.filter(user=bob).exists()


def test_the_page_shows_a_key_in_the_answer_that_makes_it_and_nowhere_else():
    user = factories.user("ops")
    web = Client()
    web.force_login(user)
    assert "You have no token" in web.get("/account/tokens/").content.decode()
    wanted = {"name": "<b>nightly</b>", "scope": "read", "lifetime": "30"}
    made = web.post("/account/tokens/", wanted)
    key = made.context["made"].key
    assert f'<code id="token">{key}</code>' in made.content.decode()
    assert "no-store" in made["Cache-Control"]
    assert program(key).get("").status_code == 200
    page = web.get("/account/tokens/")
    assert key not in page.content.decode()
    assert "&lt;b&gt;nightly&lt;/b&gt;" in page.content.decode()
    token = Token.objects.get()
    assert (token.scope, token.origin) == ("read", TokenOrigin.PAGE)
    assert token.expires_at - token.created_at > timedelta(days=29)
    for wrong in ({"scope": "all"}, {"lifetime": "31"}, {"name": " "}, {"name": "x" * 81}):
        assert web.post("/account/tokens/", wanted | wrong).context["form"].errors
    assert Token.objects.count() == 1
    other = factories.token(factories.user("other"))
    its = Token.objects.get(user__username="other")
    assert web.post(f"/account/tokens/{its.pk}/revoke/").status_code == 404
    assert web.post(f"/account/tokens/{token.pk}/revoke/").status_code == 302
    assert (program(key).get("").status_code, program(other).get("").status_code) == (401, 200)


def test_the_tokens_of_earlier_versions_stay_valid_and_are_no_longer_in_clear(tmp_path):
    """They were a table of DRF's, which had them as they are."""
    user, key = factories.user("ops"), "0123456789abcdef0123456789abcdef01234567"
    with connection.cursor() as cursor:
        cursor.execute(
            'CREATE TABLE authtoken_token ("key" varchar(40) PRIMARY KEY, created timestamp,'
            " user_id integer UNIQUE REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED)"
        )
        cursor.execute(
            "INSERT INTO authtoken_token VALUES (%s, '2026-01-02 03:04:05', %s)", [key, user.pk]
        )
    connection.check_constraints()  # as if that had been committed
    migration = import_module("vmrep.accounts.migrations.0003_tokens_of_earlier_versions")
    for _ in range(2):  # and again does nothing
        migration.keep_as_digests(apps, SimpleNamespace(connection=connection))
        migration.forget_the_keys(apps, SimpleNamespace(connection=connection))
    token = Token.objects.get()
    assert (token.scope, token.origin, token.expires_at) == ("danger", "earlier", None)
    assert token.created_at.isoformat() == "2026-01-02T03:04:05+00:00"
    assert "authtoken_token" not in connection.introspection.table_names()
    assert program(key).get("").status_code == 200
    assert program(key).get("tokens/").json()["results"][0]["prefix"] == "012345"
