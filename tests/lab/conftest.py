"""A lab of each test's own, and real pyVmomi connected to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.client import Client
from tests.labs import lab, lab_cache, lab_control  # noqa: F401
from vmrep.lab import Lab


@pytest.fixture
def client(lab: Lab) -> Iterator[Client]:  # noqa: F811 - the fixture
    """pyVmomi, logged in."""
    connected = Client(lab)
    yield connected
    connected.close()
