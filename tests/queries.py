"""How many queries a page costs. Imported by the conftest of the room that wants it:

from tests.queries import queries  # noqa: F401
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext


@pytest.fixture
def queries() -> Callable[[Callable[[], Any]], int]:
    """How many queries a call makes that answers with a page."""

    def count(call: Callable[[], Any]) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert call().status_code == 200
        return len(captured)

    return count
