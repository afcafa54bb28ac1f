"""Logging in by a provider of identities: a real small one, and tokens that are not its own."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import User
from django.core.exceptions import SuspiciousOperation
from django.test import Client
from oidc_provider_mock import run_server_in_thread

from tests import factories
from tests.web.conftest import notices
from vmrep.accounts import oidc, provider
from vmrep.accounts.models import Identity, Session
from vmrep.accounts.sessions import PASSWORD_AT

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with run_server_in_thread() as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(autouse=True)
def in_use(issuer: str, settings: Any) -> Iterator[None]:
    settings.OIDC_ISSUER, settings.OIDC_RP_CLIENT_ID = issuer, "vmrep"
    settings.OIDC_RP_CLIENT_SECRET = "a secret"
    settings.OIDC_ROLES = {"vm-admins": "admin", "vm-ops": "operator", "vm-team": "viewer"}
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, oidc.BACKEND]
    provider.forget()
    yield
    provider.forget()


def knows(issuer: str, subject: str, **claims: Any) -> None:
    requests.put(f"{issuer}/users/{subject}", json=claims, timeout=10).raise_for_status()


def come_back(web: Client, subject: str, address: str = "/oidc/?next=/jobs/") -> Any:
    """To the provider, who lets this subject in, and back."""
    there = web.get(address)["Location"]
    back = requests.post(there, data={"sub": subject}, allow_redirects=False, timeout=10)
    return web.get(back.headers["Location"].removeprefix("http://testserver"))


def roles(user: User) -> set[str]:
    return set(user.groups.values_list("name", flat=True))


def test_the_groups_of_the_provider_give_the_role_at_each_login(issuer):
    assert "Log in by your organisation" in Client().get("/login/").content.decode()
    knows(issuer, "ann", preferred_username="ann", groups=["vm-team", "vm-ops", "else"])
    web = Client()
    assert come_back(web, "ann")["Location"] == "/jobs/"
    user = User.objects.get(username="ann")
    assert (roles(user), user.has_usable_password()) == ({"operator"}, False)
    assert web.get("/jobs/").status_code == 200
    assert web.session.get_expiry_age() <= 12 * 3600
    knows(issuer, "ann", preferred_username="another name", groups=["vm-team"])
    come_back(Client(), "ann")
    assert roles(User.objects.get(pk=user.pk)) == {"viewer"}
    knows(issuer, "ann", groups=[])
    come_back(Client(), "ann")
    assert roles(user) == set()
    assert User.objects.count() == Identity.objects.count() == 1


def test_what_is_dangerous_asks_the_provider_again(issuer):
    knows(issuer, "chief", preferred_username="chief", groups=["vm-admins"])
    web = Client()
    come_back(web, "chief")
    vcenter = factories.vcenter()
    page = f"/vcenters/{vcenter.pk}/remove/"
    assert web.get(page).status_code == 200  # the provider asked just now, and says so
    session = web.session
    session[PASSWORD_AT] = None  # as of one that does not say
    session.save()
    asked = web.get(page, follow=True)
    assert "Log in again" in asked.content.decode()
    assert come_back(web, "chief", f"/oidc/?again=1&next={page}")["Location"] == page
    assert web.get(page).status_code == 200
    there = web.get("/oidc/?again=1")["Location"]
    assert "prompt=login" in there
    assert "max_age=0" in there
    assert "code_challenge=" in there


def test_a_name_that_a_user_of_vmreps_own_has_is_not_taken_over(issuer):
    chief = factories.user("chief")
    knows(issuer, "stranger", preferred_username="Chief", groups=["vm-admins"])
    web = Client()
    answer = come_back(web, "stranger")
    assert answer["Location"] == "/login/"
    assert "could not be logged in" in notices(web.get("/login/"))[0]
    assert (User.objects.get(), Identity.objects.count()) == (chief, 0)


@pytest.mark.parametrize("name", ["ａdmin", "Ａｄｍｉｎ", "Ⓐdmin"])
def test_a_name_that_looks_like_another_users_is_that_one(issuer, name):
    """Django stores names in one form: they are compared in that form, too."""
    factories.user("admin")
    knows(issuer, "twin", preferred_username=name)
    assert come_back(Client(), "twin")["Location"] == "/login/"
    assert (User.objects.count(), Identity.objects.count()) == (1, 0)


def test_a_long_name_is_cut_in_the_form_in_which_it_is_stored(issuer):
    knows(issuer, "long", preferred_username="ﬃ" * 149)
    come_back(Client(), "long")
    assert User.objects.get().username == "ffi" * 50


def test_a_strangers_link_logs_nobody_out(issuer):
    knows(issuer, "ann", preferred_username="ann", groups=["vm-team"])
    web = Client()
    come_back(web, "ann")
    web.get("/oidc/callback/?error=access_denied&state=made-up")
    assert web.get("/account/").status_code == 200
    state = urlsplit(web.get("/oidc/")["Location"]).query.partition("state=")[2]
    web.get(f"/oidc/callback/?error=access_denied&state={state.partition('&')[0]}")
    assert web.get("/account/").status_code == 302


def test_who_is_shut_out_stays_out(issuer):
    knows(issuer, "bob", preferred_username="bob")
    web = Client()
    come_back(web, "bob")
    User.objects.update(is_active=False)
    assert web.get("/jobs/").status_code == 302
    count = Session.objects.count()
    assert come_back(Client(), "bob")["Location"] == "/login/"
    assert Session.objects.count() == count


def test_an_answer_counts_once_and_only_where_it_was_asked_for(issuer):
    knows(issuer, "ann", preferred_username="ann")
    web = Client()
    there = web.get("/oidc/")["Location"]
    back = requests.post(there, data={"sub": "ann"}, allow_redirects=False, timeout=10)
    address = back.headers["Location"].removeprefix("http://testserver")
    victim = Client()
    assert victim.get(address)["Location"] == "/login/"
    victim.get("/oidc/")
    assert victim.get(address).status_code == 400
    assert web.get(address)["Location"] == "/"
    assert web.get(address)["Location"] == "/login/"  # as after a reload


@pytest.mark.parametrize("next_page", ["https://evil.example.org/", "//evil.example.org"])
def test_it_leads_to_no_other_site(issuer, next_page):
    knows(issuer, "ann", preferred_username="ann")
    assert come_back(Client(), "ann", f"/oidc/?next={next_page}")["Location"] == "/"


def test_a_provider_that_is_away_is_told_and_passwords_still_do(settings):
    settings.OIDC_ISSUER = "http://127.0.0.1:9"
    factories.user("ops", "a long enough password")
    web = Client()
    assert web.get("/oidc/")["Location"] == "/login/"
    assert "does not answer" in notices(web.get("/login/"))[0]
    form = {"username": "ops", "password": "a long enough password"}
    assert web.post("/login/", form).status_code == 302


class Odd(BaseHTTPRequestHandler):
    """Not as a provider should be. `asked`: the paths, in order."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/away":
            return  # hangs up
        self.send_response(307 if self.path == "/elsewhere" else 200)
        self.send_header("Location", "/stolen")
        self.end_headers()
        part, pause = (b" " * 65536, 0.0) if self.path == "/large" else (b" ", 0.05)
        with contextlib.suppress(OSError):  # until the other side has had enough
            while self.path in ("/large", "/slow"):
                self.wfile.write(part)
                time.sleep(pause)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def odd() -> Iterator[str]:
    Odd.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_secret_follows_no_redirect_and_no_answer_is_without_end(issuer, odd, monkeypatch):
    """Of what is asked with vmrep's secret, or with a user's token."""
    monkeypatch.setattr(provider, "TIMEOUT_SECONDS", 1.0)
    at = provider.Provider(issuer, issuer, f"{odd}/elsewhere", f"{odd}/large", issuer)
    monkeypatch.setattr(provider, "_known", (time.monotonic(), at))
    backend = oidc.Backend()
    with pytest.raises(provider.ProviderAway, match="307"):
        backend.get_token({"client_secret": "a secret"})
    with pytest.raises(provider.ProviderAway, match="more than 1,048,576 bytes"):
        backend.get_userinfo("a token", "", {"sub": "ann"})
    with pytest.raises(provider.ProviderAway, match="more than"):
        provider.ask("GET", f"{odd}/slow")
    assert Odd.asked == ["/elsewhere", "/large", "/slow"]


def test_a_provider_that_is_away_is_not_asked_by_everybody(settings, odd):
    settings.OIDC_ISSUER = odd
    for _ in range(3):
        with pytest.raises(provider.ProviderAway):
            provider.ask("GET", f"{odd}/away")
        assert Client().get("/oidc/")["Location"] == "/login/"
    assert Odd.asked == ["/away"]
    provider.forget()
    Client().get("/oidc/")
    assert len(Odd.asked) == 2


def test_a_strangers_visit_leaves_nothing_in_the_database(issuer):
    """However often, there and back, with whatever answer: nobody fills it without a login."""
    knows(issuer, "ann", preferred_username="ann")
    factories.user("bob")
    knows(issuer, "bob", preferred_username="bob")  # whose name is taken
    for come in (
        lambda web, state: f"/oidc/callback/?code=made-up&state={state}",
        lambda web, state: f"/oidc/callback/?error=access_denied&state={state}",
        lambda web, state: "/oidc/callback/?code=made-up&state=made-up",
        lambda web, state: "/oidc/callback/",
    ):
        web = Client(raise_request_exception=False)
        for _ in range(2):
            there = urlsplit(web.get("/oidc/")["Location"]).query
            state = parse_qs(there)["state"][0]
            assert web.get(come(web, state)).status_code in (302, 400)
    assert come_back(Client(), "bob")["Location"] == "/login/"
    assert Session.objects.count() == 0
    assert come_back(Client(), "ann")["Location"] == "/jobs/"
    assert Session.objects.count() == 1


def test_what_the_browser_takes_along_is_signed_and_holds_for_a_while(issuer):
    knows(issuer, "ann", preferred_username="ann")
    web = Client()
    there = web.get("/oidc/")["Location"]
    cookie = web.cookies["vmrep_provider"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/oidc/")
    assert int(cookie["max-age"]) <= 600
    back = requests.post(there, data={"sub": "ann"}, allow_redirects=False, timeout=10)
    address = back.headers["Location"].removeprefix("http://testserver")
    good = cookie.value
    web.cookies["vmrep_provider"] = good.replace("nonce", "nonse")
    assert web.get(address)["Location"] == "/login/"
    web.cookies["vmrep_provider"] = good
    assert web.get(address)["Location"] == "/"
    for _ in range(8):  # tabs that nobody came back from
        web.get("/oidc/")
    assert len(web.cookies["vmrep_provider"].value) < 3000


def test_without_one_there_is_no_such_address(settings):
    settings.OIDC_ISSUER = ""
    for address in ("/oidc/", "/oidc/callback/?code=x&state=y"):
        assert Client().get(address).status_code == 404
    assert "Log in by" not in Client().get("/login/").content.decode()


def test_when_the_provider_asked_is_believed_within_reason():
    now = time.time()
    assert oidc._auth_time({}) is oidc._auth_time({"auth_time": "x"}) is None
    assert oidc._auth_time({"auth_time": now + 3600}) is None
    assert oidc._auth_time({"auth_time": now - 7}) == now - 7
    assert oidc._auth_time({"auth_time": now + 30}) <= time.time()


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"aud": "another"}, {"iss": "https://evil.example.org"}, {"exp": 1}, {"azp": "another"}),
        *({"aud": None}, {"sub": None}, {"exp": None}, {"iat": 2**40}),
    ],
)
def test_a_token_that_is_not_for_vmrep_or_not_now_is_refused(issuer, wrong):
    now = int(time.time())
    claims = {"aud": "vmrep", "iss": issuer, "sub": "ann", "iat": now, "exp": now + 60}
    backend, public = oidc.Backend(), KEY.public_key()
    good = jwt.encode(claims, KEY, algorithm="RS256")
    assert backend._verify_jws(good, public)["sub"] == "ann"
    claims = {name: value for name, value in (claims | wrong).items() if value is not None}
    with pytest.raises(SuspiciousOperation):
        backend._verify_jws(jwt.encode(claims, KEY, algorithm="RS256"), public)


def test_a_token_that_another_key_or_none_has_signed_is_refused(issuer):
    now = int(time.time())
    claims = {"aud": "vmrep", "iss": issuer, "sub": "ann", "iat": now, "exp": now + 60}
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for key, algorithm in ((other, "RS256"), (None, "none"), ("a secret", "HS256")):
        token = jwt.encode(claims, key, algorithm=algorithm)
        with pytest.raises(SuspiciousOperation):
            oidc.Backend()._verify_jws(token, KEY.public_key())
