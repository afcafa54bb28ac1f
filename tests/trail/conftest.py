"""A browser and a program that are logged in, and no broker."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests import factories


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contexts.messages.send", lambda *message: None)
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    monkeypatch.setattr("replication.health.broker.problem", lambda **_: "")
    monkeypatch.setattr("vmrep.web.versions.FRESH_SECONDS", 0)


@pytest.fixture
def user(db: None) -> User:
    return factories.user("alice", password="sesame-for-alice")


@pytest.fixture
def web(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
