"""Sessions: seen, ended one by one and all at once, idle; and what asks for the password again."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from contexts.clock import about_now
from replication.models import RecoveryPoint
from replication.policies import services as policies
from tests import factories
from tests.api.conftest import Client as Program
from tests.web.conftest import HTMX, notices
from vmrep.accounts.models import Session, Token
from vmrep.accounts.session_store import SessionStore
from vmrep.accounts.sessions import PASSWORD_AT

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
PASSWORD, NEW = "a long enough password", "an even longer password"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    monkeypatch.setattr("replication.health.broker.problem", lambda **_: "")


@pytest.fixture
def ops() -> User:
    return factories.user("ops", PASSWORD)


def logged_in(agent: str = FIREFOX, **more: Any) -> Client:
    web = Client(headers={"User-Agent": agent}, **more)
    assert web.post("/login/", {"username": "ops", "password": PASSWORD}).status_code == 302
    return web


def is_in(web: Client) -> bool:
    return web.get("/account/").status_code == 200


def key_of(web: Client) -> str:
    return str(web.cookies["sessionid"].value)


def test_a_session_is_shown_with_browser_and_address_and_ended(ops):
    here, there = logged_in(), logged_in("<b>odd</b> client", REMOTE_ADDR="192.0.2.7")
    page = here.get("/account/")
    assert "Firefox on Linux" in page.content.decode()
    assert "&lt;b&gt;odd&lt;/b&gt; client" in page.content.decode()
    assert "192.0.2.7" in page.content.decode()
    other = Session.objects.exclude(pk=page.context["this"]).get()
    here.post(f"/account/sessions/{other.pk}/end/")
    assert (is_in(here), is_in(there)) == (True, False)


def test_those_of_others_are_neither_seen_nor_ended(ops):
    here = logged_in()
    stranger = Client()
    stranger.force_login(factories.user("other"))
    assert len(stranger.get("/account/").context["sessions"]) == 1
    mine = Session.objects.get(user=ops)
    assert stranger.post(f"/account/sessions/{mine.pk}/end/").status_code == 404
    stranger.post("/account/sessions/end-others/")
    assert is_in(here)


def test_one_logs_out_everywhere_else(ops):
    here, *others = (logged_in() for _ in range(3))
    answer = here.post("/account/sessions/end-others/", follow=True)
    assert notices(answer) == ["You are logged out everywhere else: 2 other sessions ended."]
    assert [is_in(each) for each in (here, *others)] == [True, False, False]


def test_no_row_has_the_key_of_a_session(ops):
    key = key_of(logged_in())
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            assert key not in repr(cursor.fetchall()), table
    stolen = Client()
    stolen.cookies["sessionid"] = Session.objects.get().session_key
    assert not is_in(stolen)


def test_an_idle_session_ends_and_polls_do_not_keep_it(ops, settings):
    web = logged_in()
    poll = {**HTMX, "X-Vmrep-Version": "x.1"}
    long_ago = about_now() - timedelta(seconds=settings.SESSION_IDLE_SECONDS - 60)
    Session.objects.update(last_seen_at=long_ago)
    assert web.get("/jobs/", headers=poll).status_code == 200
    assert Session.objects.get().last_seen_at == long_ago
    assert is_in(web)
    assert Session.objects.get().last_seen_at > long_ago + timedelta(minutes=30)
    Session.objects.update(last_seen_at=long_ago - timedelta(minutes=2))
    answer = web.get("/jobs/", headers=poll)
    assert answer["HX-Redirect"].startswith("/login/")
    assert not is_in(web)


def test_its_use_is_not_written_at_each_request(ops, django_assert_num_queries):
    web = logged_in()
    seen = Session.objects.get().last_seen_at
    web.get("/account/")
    assert Session.objects.get().last_seen_at == seen


def test_another_password_ends_the_others_and_the_tokens_if_wanted(ops):
    here, there = logged_in(), logged_in()
    key = factories.token(ops)
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    before = key_of(here)
    here.post("/account/password/", form)
    assert key_of(here) != before
    assert (is_in(here), is_in(there)) == (True, False)
    assert Session.objects.filter(user=ops).count() == 1
    assert Token.objects.exists()
    assert Program(HTTP_AUTHORIZATION=f"Token {key}").get("").status_code == 200
    form = {"old_password": NEW, "new_password1": PASSWORD, "new_password2": PASSWORD}
    here.post("/account/password/", form | {"revoke_tokens": "on"})
    assert not Token.objects.exists()
    assert Program(HTTP_AUTHORIZATION=f"Token {key}").get("").status_code == 401


def test_a_wrong_old_password_changes_nothing_and_is_counted(ops, settings):
    settings.AXES_ENABLED = True
    web = logged_in()
    form = {"old_password": "no", "new_password1": NEW, "new_password2": NEW}
    answers = [web.post("/account/password/", form) for _ in range(5)]
    assert answers[0].context["form"].errors["old_password"] == ["That is not your password."]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429]
    assert web.post("/account/confirm/", {"password": PASSWORD}).status_code == 429
    kept = repr(list(AccessAttempt.objects.values()))
    assert NEW not in kept
    assert NEW.replace(" ", "+") not in kept
    assert "no" not in kept.split("old_password=")[1][:5]
    ops.refresh_from_db()
    assert ops.check_password(PASSWORD)


def test_a_user_who_is_shut_out_has_no_session_and_gets_none_back(ops):
    web = logged_in()
    ops.is_active = False
    ops.save()
    assert not Session.objects.filter(user=ops).exists()
    ops.is_active = True
    ops.save()
    assert not is_in(web)


def test_a_user_who_is_shut_out_in_the_database_is_out_with_the_next_request(ops):
    web = logged_in()
    User.objects.filter(pk=ops.pk).update(is_active=False)
    assert not is_in(web)


def test_a_command_ends_what_a_user_has(ops, capsys):
    web = logged_in()
    factories.token(ops)
    call_command("sign_out", "ops")
    assert "1 tokens still hold" in capsys.readouterr().out
    assert not is_in(web)
    call_command("sign_out", "ops", tokens=True)
    assert not Token.objects.exists()


def test_a_request_that_is_under_way_does_not_bring_an_ended_session_back(ops, rf):
    """Two at once: one logs out, the other one then wants to store something."""
    web = logged_in()
    store = SessionStore(key_of(web))
    store["x"] = 1  # read, and changed
    web.post("/logout/")
    with pytest.raises(UpdateError):  # which Django answers with 400
        store.save()
    assert not Session.objects.exists()
    assert not is_in(web)


@pytest.fixture
def old(ops: User) -> Client:
    """A session whose password was given long ago."""
    web = logged_in()
    age(web, 3600)
    return web


def age(web: Client, seconds: float) -> None:
    store = SessionStore(key_of(web))
    store[PASSWORD_AT] = time.time() - seconds
    store.save()


def test_deleting_asks_for_the_password_first(old):
    vm = factories.context("web-01")
    point = factories.recovery_point(vm)
    ask = f"/virtual-machines/{vm.pk}/delete-replica-data/"
    answer = old.get(ask)
    assert answer["Location"] == f"/account/confirm/?next={ask.replace('/', '%2F')}"
    assert old.post(ask, {"confirm_vm_name": "web-01"}).status_code == 302
    assert RecoveryPoint.objects.get(pk=point.pk).state == "available"
    wrong = old.post("/account/confirm/", {"password": "no", "next": ask})
    assert wrong.context["form"].errors["password"] == ["That is not your password."]
    assert old.get(ask).status_code == 302
    right = old.post("/account/confirm/", {"password": PASSWORD, "next": ask})
    assert right["Location"] == ask
    assert old.get(ask).status_code == 200
    age(old, 20 * 60)  # asked in time, done a little later
    assert old.get(ask).status_code == 302
    assert old.post(ask, {"confirm_vm_name": "x"}).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Referer": "http://testserver/jobs/?status=failed"}])
def test_a_form_that_comes_too_late_leads_back_to_its_page(old, headers):
    vcenter = factories.vcenter()
    answer = old.post(f"/vcenters/{vcenter.pk}/remove/", headers=headers)
    page = "%2Fjobs%2F%3Fstatus%3Dfailed" if headers else "%2F"
    assert answer["Location"] == f"/account/confirm/?next={page}"
    answer = old.post(f"/vcenters/{vcenter.pk}/", headers={**HTMX, "Referer": "http://evil.org/x"})
    assert answer["HX-Redirect"].startswith("/account/confirm/")


def test_the_api_by_a_session_asks_too_and_a_token_needs_the_scope(old, ops):
    vm = factories.context("web-01")
    address = f"/api/v1/vm-contexts/{vm.pk}/delete-replica-data/"
    answer = old.post(address, {"confirm_vm_name": "web-01"}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "password_needed")
    for scope, code in (("write", "token_scope"), ("danger", "name_not_confirmed")):
        client = Program(HTTP_AUTHORIZATION=f"Token {factories.token(ops, scope)}")
        answer = client.post(address, {"confirm_vm_name": "x"})
        assert answer.json()["code"] == code


def test_what_deletes_through_retention_asks_too(old, ops):
    """Fewer points that are kept are points that are deleted; an RPO target alone deletes none."""
    vm = factories.context("web-01")
    point, policy = factories.recovery_point(vm), policies.add("Gold", {}, actor="ops")
    pages = [
        ("POST", reverse("policy", args=[policy.pk]), {}),
        ("GET", reverse("policy-scope-add", args=[policy.pk]), {}),
        ("GET", reverse("vm-own-values", args=[vm.pk]), {}),
        ("POST", reverse("vm-policy", args=[vm.pk]), {"policy": policy.pk}),
        ("POST", reverse("point", args=[vm.pk, point.pk]), {"act": "unpin"}),
        ("GET", reverse("bulk-ask"), {"kind": "policy", "vm": vm.pk}),
    ]
    for method, address, data in pages:
        answer = getattr(old, method.lower())(address, data)
        assert answer.status_code == 302, address
        assert answer["Location"].startswith("/account/confirm/"), address
    target = old.post(reverse("vm-rpo-target", args=[vm.pk]), {"target": "1h"})
    assert not target["Location"].startswith("/account/confirm/")


def test_a_token_needs_the_scope_for_what_deletes_through_retention(ops):
    vm = factories.context("web-01")
    point, policy = factories.recovery_point(vm), policies.add("Gold", {}, actor="ops")
    client = Program(HTTP_AUTHORIZATION=f"Token {factories.token(ops, 'write')}")
    own, here = f"vm-contexts/{vm.pk}/", f"policies/{policy.pk}/"
    kept = {"retention_kind": "rules", "keep_last": 1}
    databases = {"kind": "name", "pattern": "db-*"}
    for method, address, body in (
        ("patch", here, kept),
        ("post", f"{here}scopes/", databases),
        ("patch", own, {"policy": kept}),
        ("delete", f"recovery-points/{point.pk}/pin/", {}),
        ("post", "bulk-actions/", {"kind": "policy", "filter": {}, "policy_id": policy.pk}),
    ):
        answer = getattr(client, method)(f"/api/v1/{address}", body)
        assert (answer.status_code, answer.json()["code"]) == (403, "token_scope"), address
    for method, address, body in (
        ("post", f"{here}preview/", {"policy": kept}),
        ("post", f"{here}preview/", {"scope": databases}),
        ("patch", own, {"policy": {"rpo_kind": "target", "rpo_target_seconds": 900}}),
    ):
        answer = getattr(client, method)(f"/api/v1/{address}", body)
        assert answer.status_code == 200, answer.json()


def test_a_session_that_was_left_open_makes_no_token(old):
    form = {"name": "x", "scope": "danger", "lifetime": "never"}
    assert old.post("/account/tokens/", form)["Location"].startswith("/account/confirm/")
    assert not Token.objects.exists()


def test_the_admin_asks_too(old, ops):
    vcenter = factories.vcenter()
    User.objects.update(is_staff=True, is_superuser=True)
    answer = old.post(f"/admin/contexts/vcenter/{vcenter.pk}/delete/", {"post": "yes"})
    assert answer["Location"].startswith("/account/confirm/")
    assert not type(vcenter).objects.exclude(pk=vcenter.pk).exists()
    assert type(vcenter).objects.exists()
