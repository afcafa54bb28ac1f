"""A client that is logged in with a token, one that is not logged in, and a counter of queries."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from tests import factories
from tests.api import conformance
from tests.labs import lab, lab_cache  # noqa: F401
from tests.queries import queries  # noqa: F401
from vmrep.accounts.models import Token
from vmrep.accounts.tokens import about_now

API = "/api/v1/"


class Client(APIClient):
    """Addresses are those under /api/v1/; bodies are JSON. Answers must be as the schema says."""

    default_format = "json"

    def generic(self, method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        full = path if path.startswith(("/", "http")) else API + path
        answer: Any = super().generic(method, full, *args, **kwargs)
        path, _, query = full.partition("?")
        conformance.check(method, path, query or kwargs.get("QUERY_STRING", ""), answer)
        return answer


@pytest.fixture
def user(db: None) -> User:
    return factories.user()


@pytest.fixture
def api(user: User) -> Client:
    client = Client()
    client.credentials(HTTP_AUTHORIZATION=f"Token {factories.token(user)}")
    # The first use of a token is noted, which a count of queries would see.
    Token.objects.update(last_used_at=about_now(), last_used_from="127.0.0.1")
    return client


@pytest.fixture
def anonymous(db: None) -> Client:
    return Client()
