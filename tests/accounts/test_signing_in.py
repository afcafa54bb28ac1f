"""The way in: what counts against whom, and what ends it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, RequestFactory

from contexts.clock import about_now
from contexts.trail import Verb
from tests import factories
from tests.api.conftest import Client as Program
from vmrep.accounts import lockout
from vmrep.accounts.models import Session, Token
from vmrep.trail.models import Event

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
PASSWORD, WRONG = "a long enough password", "some other password"
HOME, ELSEWHERE = "192.0.2.7", "203.0.113.9"


@pytest.fixture(autouse=True)
def logins_are_counted(settings: Any) -> None:
    settings.AXES_ENABLED = True


@pytest.fixture
def ops() -> User:
    return factories.user("ops", PASSWORD)


def log_in(name: str, password: str, address: str = HOME, **more: Any) -> Any:
    form = {"username": name, "password": password}
    return Client().post("/login/", form, REMOTE_ADDR=address, **more)


def fail(name: str, times: int, address: str = HOME) -> None:
    for _ in range(times):
        log_in(name, WRONG, address)


def is_let_in(name: str, address: str) -> bool:
    return bool(log_in(name, PASSWORD, address).status_code == 302)


def test_a_password_is_stored_as_argon2_and_one_of_before_becomes_that(ops):
    assert ops.password.startswith("argon2$argon2id$v=19$m=64,t=1,p=1$")
    from django.contrib.auth.hashers import make_password

    User.objects.update(password=make_password(PASSWORD, hasher="pbkdf2_sha256"))
    assert is_let_in("ops", HOME)
    ops.refresh_from_db()
    assert ops.password.startswith("argon2$")
    assert is_let_in("ops", HOME)


def test_wrong_passwords_lock_a_name_at_their_address_for_a_while(ops):
    fail("ops", 4)
    locked = log_in("ops", WRONG)
    assert locked.status_code == 429
    assert locked["Retry-After"] == "900"
    assert "no-store" in locked["Cache-Control"]
    assert log_in("ops", PASSWORD).status_code == 429  # right or wrong
    assert is_let_in("ops", ELSEWHERE)
    AccessAttempt.objects.update(attempt_time=about_now() - timedelta(minutes=16))
    assert is_let_in("ops", HOME)


def test_attempts_while_it_is_locked_do_not_make_it_last(ops):
    fail("ops", 5)
    began = AccessAttempt.objects.get().attempt_time
    fail("ops", 5)
    assert AccessAttempt.objects.get().attempt_time == began


def test_a_login_forgets_the_failures_before(ops):
    for _ in range(3):
        fail("ops", 4)
        assert is_let_in("ops", HOME)


def test_a_name_that_nobody_has_gets_the_same_answers(ops):
    User.objects.create_user("gone", password=PASSWORD, is_active=False)
    told = set()
    for name in ("ops", "nobody", "gone"):
        answers = [log_in(name, WRONG) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
        (said,) = {str(answer.context["form"].non_field_errors()) for answer in answers[:4]}
        told.add((said, answers[-1].content.split(b"<main")[1]))
    assert len(told) == 1
    assert log_in("gone", PASSWORD, ELSEWHERE).status_code == 200
    assert b"Please enter a correct username" in log_in("gone", PASSWORD, ELSEWHERE).content


def test_many_names_from_one_address_lock_the_address_but_for_who_is_known_there(ops, monkeypatch):
    monkeypatch.setattr(lockout, "OF_ADDRESS", 6)
    bob = factories.user("bob", PASSWORD)
    assert is_let_in("ops", HOME)
    for number in range(6):
        fail(f"guess{number}", 1)
    assert not is_let_in(bob.username, HOME)
    assert is_let_in("ops", HOME)
    assert is_let_in(bob.username, ELSEWHERE)


def test_many_addresses_do_not_shut_out_who_has_logged_in_from_his_own(ops, monkeypatch):
    """A stranger can fail for ever: the only admin still gets in, from where he always does."""
    monkeypatch.setattr(lockout, "OF_NAME", 6)
    assert is_let_in("ops", HOME)
    for number in range(6):
        fail("ops", 1, f"198.51.100.{number}")
    assert not is_let_in("ops", ELSEWHERE)
    assert is_let_in("ops", HOME)
    AccessLog.objects.update(attempt_time=about_now() - timedelta(days=31))
    assert not is_let_in("ops", HOME)
    call_command("unlock", "ops")
    assert is_let_in("ops", ELSEWHERE)


def test_an_address_is_unlocked_by_hand(ops, monkeypatch, capsys):
    monkeypatch.setattr(lockout, "OF_ADDRESS", 5)
    fail("nobody", 5)
    assert not is_let_in("ops", HOME)
    call_command("unlock", address=HOME)
    assert "5 failed logins" in capsys.readouterr().out
    assert is_let_in("ops", HOME)


def test_a_header_does_not_make_another_address(ops, settings):
    for number in range(5):
        log_in("ops", WRONG, headers={"X-Forwarded-For": f"198.51.100.{number}"})
    assert not is_let_in("ops", HOME)
    settings.TRUSTED_PROXIES = [HOME]
    assert log_in("ops", PASSWORD, headers={"X-Forwarded-For": ELSEWHERE}).status_code == 302


def test_the_tokens_of_the_api_are_no_way_around(ops):
    login = {"username": "ops", "password": WRONG}
    answers = [Program().post("token/", login, REMOTE_ADDR=HOME) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 4 + [429]
    assert answers[-1].json()["code"] == "too_many_failures"
    assert not is_let_in("ops", HOME)
    right = login | {"password": PASSWORD}
    assert Program().post("token/", right, REMOTE_ADDR=HOME).status_code == 429
    assert Program().post("token/", right, REMOTE_ADDR=ELSEWHERE).status_code == 200
    assert Token.objects.count() == 1


def test_who_is_locked_out_cannot_fill_the_audit_trail(ops):
    """Its rows stay for ever, and each holds up whoever does something: what is refused unseen says
    nothing that the failures before did not."""
    told = Event.objects.filter(verb=Verb.LOG_IN)
    fail("ops", 5)
    assert told.count() == 5
    fail("ops", 3)
    Program().post("token/", {"username": "ops", "password": WRONG}, REMOTE_ADDR=HOME)
    assert told.count() == 5
    fail("ops", 1, ELSEWHERE)
    assert told.count() == 6


def test_logins_by_a_provider_are_not_counted_as_guesses(ops):
    """Whoever comes from it has no name yet: counted by address, one whom the provider refuses
    would lock out all behind the same address."""
    for _ in range(lockout.OF_NAME_AND_ADDRESS):
        request = RequestFactory().get("/oidc/callback/", REMOTE_ADDR=HOME)
        assert authenticate(request, nonce="of nobody", code_verifier="none") is None
    assert AccessAttempt.objects.count() == 0
    assert not request.axes_locked_out
    fail("ops", lockout.OF_NAME_AND_ADDRESS)
    assert not is_let_in("ops", HOME)


def test_the_admin_has_no_way_in_of_its_own(ops):
    answer = Client().post("/admin/login/", {"username": "ops", "password": PASSWORD})
    assert answer.status_code == 405
    answer = Client().get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0] == "/login/?next=%2Fadmin%2F"
    web = Client()
    web.force_login(factories.user("ann"))
    User.objects.filter(username="ann").update(is_staff=False, is_superuser=False)
    assert web.get("/admin/", follow=True).status_code == 403
    assert web.get("/admin/password_change/")["Location"] == "/account/password/"


def test_no_password_is_in_what_is_counted(ops):
    fail("ops", 2)
    Program().post("token/", {"username": "ops", "password": WRONG}, REMOTE_ADDR=HOME)
    for model in (AccessAttempt, AccessLog, AccessFailureLog):
        assert WRONG not in repr(list(model.objects.values()))
        assert WRONG.replace(" ", "+") not in repr(list(model.objects.values()))


def test_the_session_of_before_is_not_the_session_of_after(ops):
    """Whoever planted a cookie does not have the session."""
    web = Client()
    web.get("/login/")
    planted = "plantedplantedplantedplantedplan"
    web.cookies["sessionid"] = planted
    web.post("/login/", {"username": "ops", "password": PASSWORD})
    assert web.cookies["sessionid"].value != planted
    other = Client()
    other.cookies["sessionid"] = planted
    assert other.get("/jobs/").status_code == 302
    assert web.cookies["sessionid"]["httponly"]
    assert web.cookies["sessionid"]["samesite"] == "Lax"


@pytest.mark.parametrize(
    "address",
    [
        *("https://evil.example.org/", "//evil.example.org", "/\\evil.example.org", "javascript:x"),
        *("https:evil.example.org", "\\\\evil.example.org", "http:///evil.example.org", "jobs"),
    ],
)
def test_no_next_leads_to_another_site(ops, address):
    form = {"username": "ops", "password": PASSWORD, "next": address}
    web = Client()
    assert web.post("/login/", form)["Location"] in ("/virtual-machines/", "jobs")
    form = {"password": PASSWORD, "next": address}
    assert web.post("/account/confirm/", form)["Location"] == "/"
    page = web.get("/account/confirm/", {"next": address})
    assert page.context["next"] == "/"


def test_what_is_over_is_forgotten(ops):
    from vmrep.accounts.tasks import forget_sign_ins

    assert is_let_in("ops", HOME)
    fail("ops", 1)
    forget_sign_ins()
    counts = (Session.objects.count(), AccessAttempt.objects.count(), AccessLog.objects.count())
    assert counts == (1, 1, 1)
    long_ago = about_now() - timedelta(days=100)
    Session.objects.update(last_seen_at=long_ago)
    AccessAttempt.objects.update(attempt_time=long_ago)
    AccessLog.objects.update(attempt_time=long_ago)
    forget_sign_ins()
    counts = (Session.objects.count(), AccessAttempt.objects.count(), AccessLog.objects.count())
    assert counts == (0, 0, 0)
