"""What was sent to workers, where there are none."""

from __future__ import annotations

import pytest


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """The messages that would have gone out, in order."""
    sent: list[tuple[object, ...]] = []
    for module in ("contexts.messages", "replication.messages"):
        monkeypatch.setattr(f"{module}.send", lambda *message: sent.append(message))
    return sent
