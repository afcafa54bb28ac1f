"""A browser that is logged in, one that is not, and what the pages' tests ask of an answer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from contexts.models import VCenter
from contexts.services import vcenters
from tests import factories
from tests.labs import lab, lab_cache, lab_control, login_at  # noqa: F401
from tests.queries import queries  # noqa: F401
from vmrep.lab import Lab

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no worker here: hints have nobody to go to, and nobody is told so."""
    monkeypatch.setattr("replication.health.broker.problem", lambda **_: "")
    monkeypatch.setattr("replication.selectors.health.what_is_missing", lambda *_: "")
    monkeypatch.setattr("contexts.messages.send", lambda *message: None)
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


@pytest.fixture(autouse=True)
def facts_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process remembers for half a second what polls are compared with, and for some what is
    counted over all VMs; tests do not wait, nor see what an earlier one made it remember."""
    monkeypatch.setattr("vmrep.web.versions.FRESH_SECONDS", 0)
    monkeypatch.setattr("vmrep.web.totals.KEPT_SECONDS", 0)
    monkeypatch.setattr("vmrep.web.totals._kept", {})


@pytest.fixture
def facts_are_remembered(facts_are_read_at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever counts a page's queries does not count those, which are made twice a second."""
    monkeypatch.setattr("vmrep.web.versions.FRESH_SECONDS", 3600)


@pytest.fixture
def user(db: None) -> User:
    return factories.user("ops")


@pytest.fixture
def web(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def filled_in(lab: Lab) -> dict[str, Any]:  # noqa: F811
    """What somebody enters to add the lab."""
    return login_at(lab, transport="datastore")


@pytest.fixture
def fingerprint(lab: Lab) -> str:  # noqa: F811
    return vcenters.presented_certificate(lab.host, lab.port).fingerprint_sha256


@pytest.fixture
def vcenter(db: None, filled_in: dict[str, Any], fingerprint: str) -> VCenter:
    return vcenters.add(**filled_in, trust_mode="pin", fingerprint_sha256=fingerprint)


def text(answer: Any) -> str:
    """The page without the lines that its template is laid out in."""
    page = re.sub(r"<[a-z][^<>]*>", _tag, answer.content.decode())
    page = re.sub(r"(?<=>)\s*\n\s*|\s*\n\s*(?=</|<(?:div|dl|form|li|ol|p|ul)\b)", "", page)
    return re.sub(r"\s*\n\s*", " ", page)


def _tag(found: re.Match[str]) -> str:
    return re.sub(r"\s+", " ", found[0]).replace(" >", ">")


def notices(answer: Any) -> list[str]:
    """What the page after an action tells; `answer` was requested with follow=True."""
    return [str(message) for message in answer.context["messages"]]
