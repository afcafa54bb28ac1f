"""A browser's view of the admin: a client with a session, and what is in the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests import factories
from tests.labs import lab, lab_cache  # noqa: F401


@pytest.fixture
def admin(db: None) -> Client:
    client = Client()
    client.force_login(factories.user("chief", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def said() -> Callable[[Any], list[str]]:
    """What an answer said to its user, as "level: text"."""

    def messages_of(answer: Any) -> list[str]:
        return [f"{it.level_tag}: {it.message}" for it in get_messages(answer.wsgi_request)]

    return messages_of


@pytest.fixture
def queries() -> Callable[[Callable[[], Any]], int]:
    """How many queries a call makes."""

    def count(call: Callable[[], Any]) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert call().status_code == 200
        return len(captured)

    return count
