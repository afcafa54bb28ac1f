"""Rows of every kind that metrics tell of, and clients with tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from tests import factories
from tests.queries import queries  # noqa: F401

Families = dict[str, Any]
Scrape = Callable[..., Families]


@pytest.fixture(autouse=True)
def nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    monkeypatch.setattr("replication.health.broker.problem", lambda **_: "")


@pytest.fixture
def scrape(db: None) -> Scrape:
    """The metrics that a new viewer gets, or the owner of a token, by their names."""

    def ask(token: str = "", query: str = "") -> Families:
        token = token or factories.token(factories.user("scraper", role="viewer"), "read")
        header = {"Authorization": f"Bearer {token}"}
        answer = Client().get(f"/metrics{query}", headers=header)
        assert answer.status_code == 200, answer.content
        assert answer["Cache-Control"] == "no-store"
        families = text_string_to_metric_families(answer.content.decode())
        return {family.name: family for family in families}

    return ask
