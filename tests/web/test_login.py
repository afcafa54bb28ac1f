"""Nothing is shown, and nothing done, without a login: generated over every address."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests import factories
from tests.web.conftest import HTMX, text
from vmrep.web.urls import urlpatterns

ARGUMENTS = {
    "context_id": "ctx-x",
    "job_id": "job-x",
    "kind": "email",
    "session_key": "x",
} | dict.fromkeys(
    (
        *("channel_id", "disk_id", "point_id", "policy_id", "repository_id", "rule_id"),
        *(
            "pause_id",
            "action_id",
            "scope_id",
            "group_id",
            "member_id",
            "vcenter_id",
            "vm_id",
            "window_id",
            "token_id",
            "user_id",
        ),
        *("view_id", "name", "page", "entry"),
    ),
    1,
)
PASSWORD = "a long enough password"
# Where everybody else is sent to; what browsers ask for by themselves; what machines ask.
OPEN = {"login", "set-up", "oidc", "oidc_authentication_callback", "favicon", "healthz", "readyz"}


def addresses() -> list[str]:
    return [
        reverse(pattern.name, kwargs={name: ARGUMENTS[name] for name in pattern.pattern.converters})
        for pattern in urlpatterns
        if pattern.name not in OPEN
    ]


def test_every_address_is_covered():
    assert len(addresses()) == len(urlpatterns) - len(OPEN)


@pytest.mark.parametrize("address", addresses())
def test_it_leads_a_stranger_to_the_login(client, db, address):
    for method in ("get", "post", "head", "put", "delete"):
        answer = getattr(client, method)(address)
        if address == "/logout/":
            assert answer.status_code in (302, 405), method
            continue
        assert answer.status_code == 302, method
        assert answer["Location"].startswith("/login/?next="), method


def test_a_poll_of_an_expired_session_sends_the_whole_page_to_the_login(client, db):
    page = "http://testserver/virtual-machines/?status=failed"
    answer = client.get("/virtual-machines/", headers={**HTMX, "HX-Current-URL": page})
    assert answer["HX-Redirect"] == "/login/?next=/virtual-machines/%3Fstatus%3Dfailed"
    assert text(answer) == ""


@pytest.fixture
def person(db):
    return factories.user("ops", PASSWORD)


def test_the_login_leads_back_to_where_one_was(client, person):
    answer = client.post(
        "/login/?next=/jobs/",
        {"username": "ops", "password": PASSWORD, "next": "/jobs/"},
    )
    assert (answer.status_code, answer["Location"]) == (302, "/jobs/")


def test_the_login_leads_to_no_other_site(client, person):
    answer = client.post(
        "/login/",
        {
            "username": "ops",
            "password": PASSWORD,
            "next": "https://evil.example.org/",
        },
    )
    assert answer["Location"] == "/virtual-machines/"


def test_a_wrong_password_is_reported_and_not_echoed(client, person):
    answer = client.post("/login/", {"username": "ops", "password": "a wrong password"})
    assert answer.status_code == 200
    assert "Please enter a correct username and password" in text(answer)
    assert "a wrong password" not in text(answer)


def test_logging_out_takes_a_post(web):
    assert web.get("/logout/").status_code == 405
    assert web.post("/logout/")["Location"] == "/login/"
    assert web.get("/jobs/").status_code == 302


def test_the_root_leads_to_the_virtual_machines(web):
    assert web.get("/")["Location"] == "/virtual-machines/"


def test_a_name_with_markup_is_written_as_text(client, db):
    client.force_login(factories.user("<b>ops</b>"))
    page = text(client.get("/jobs/"))
    assert "&lt;b&gt;ops&lt;/b&gt;" in page
    assert "<b>ops" not in page
