"""A client that is logged in with a token, and one that is not logged in."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from tests import factories


@pytest.fixture
def user(db: None) -> User:
    return factories.user()


@pytest.fixture
def api(user: User) -> APIClient:
    client = APIClient()
    client.default_format = "json"
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=user).key}")
    return client


@pytest.fixture
def anonymous(db: None) -> APIClient:
    client = APIClient()
    client.default_format = "json"
    return client
