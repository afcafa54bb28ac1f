"""A browser's view of the admin: a client with a session, and what is in the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from tests import factories
from tests.labs import lab, lab_cache  # noqa: F401
from tests.queries import queries  # noqa: F401


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
