from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync.estate import MIB, PASSWORD, Estate
from vmrep.lab import Lab


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers here are called by the test: hints have nobody to go to."""
    monkeypatch.setattr("contexts.messages.send", lambda *message: None)
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


@pytest.fixture
def estate(transactional_db: None, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator:
    """The lab's scenario "small", or the one that the test's `scenario` mark names."""
    mark = request.node.get_closest_marker("scenario")
    lab = Lab(tmp_path / "lab", mark.args[0] if mark else "small", password=PASSWORD)
    lab.start()
    try:
        yield Estate(lab, tmp_path)
    finally:
        lab.stop()


@pytest.fixture
def no_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans read no sample: for tests that count or delay the requests of the transfer."""
    monkeypatch.setattr("replication.sync.sample.MOST_REQUESTS", 0)


@pytest.fixture
def ready(estate):
    """A VM with one recovery point and 24 MiB changed since."""
    context = estate.take("small1")
    estate.replicate(context)
    estate.control.fill("small1", 2000, 4 * MIB, 24 * MIB, seed=1)
    return context
