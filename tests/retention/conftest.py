from collections.abc import Iterator
from pathlib import Path

import pytest

from replication.storage import errands
from tests.retention.chain import Chain, Made
from tests.sync.conftest import beginnings, estate, no_broker, small1

__all__ = ["beginnings", "estate", "no_broker", "small1"]


@pytest.fixture(scope="session")
def made_chain(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("chain"))


@pytest.fixture
def chain(made_chain: Made, transactional_db: None, tmp_path: Path) -> Iterator[Chain]:
    """A VM with seven recovery points, of the test's own."""
    errands._under_way.clear()  # at a repository that had this one's number
    with made_chain.copied(tmp_path) as chain:
        yield chain
