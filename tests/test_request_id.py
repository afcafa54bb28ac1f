"""Every answer says which request it answers, and the lines of the log say the same."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import request_finished
from django.test import Client

from vmrep.logs import LINE, LineFormatter
from vmrep.request_id import request_id

pytestmark = pytest.mark.any_database


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the log's handler writes."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(LineFormatter(LINE))
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("path", ["/login/", "/healthz/", "/nowhere", "/api/v1/", "/admin/"])
def test_every_answer_has_an_id_of_its_own(client: Client, db: Any, path: str) -> None:
    first, second = client.get(path), client.get(path)
    assert len(first["X-Request-ID"]) == 36
    assert first["X-Request-ID"] != second["X-Request-ID"]


def test_a_well_formed_id_is_kept(client: Client, db: Any) -> None:
    answer = client.get("/login/", headers={"X-Request-ID": "build-4711.retry_2"})
    assert answer["X-Request-ID"] == "build-4711.retry_2"


@pytest.mark.parametrize(
    "given", ["short", "x" * 65, "two words", "a\u202ebcdefgh", "-abcdefgh", ""]
)
def test_any_other_id_is_replaced(client: Client, db: Any, given: str) -> None:
    answer = client.get("/login/", headers={"X-Request-ID": given})
    assert len(answer["X-Request-ID"]) == 36


def test_the_lines_of_a_request_have_its_id(client: Client, db: Any, lines: io.StringIO) -> None:
    """Also those that Django writes after the last middleware."""
    client.get("/api/v1/vcenters/", headers={"X-Request-ID": "build-4711"})
    (line,) = [each for each in lines.getvalue().splitlines() if "Unauthorized" in each]
    assert " build-4711 " in line


def test_lines_outside_of_requests_have_none(client: Client, db: Any, lines: io.StringIO) -> None:
    client.get("/login/", headers={"X-Request-ID": "build-4711"})
    request_finished.send(type(client))  # a web server's closing of the answer
    logging.getLogger("vmrep").warning("the tick ran")
    assert " - the tick ran" in lines.getvalue()
    assert request_id.get() == ""


def test_a_page_that_fails_says_which_request_it_was(
    client: Client, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: Any, **named: Any) -> None:
        raise ZeroDivisionError

    client.raise_request_exception = False
    monkeypatch.setattr("django.contrib.auth.views.LoginView.get", fails)
    answer = client.get("/login/", headers={"X-Request-ID": "build-4711"})
    assert answer.status_code == 500
    assert "build-4711" in answer.content.decode()
