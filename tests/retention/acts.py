"""What happens to a chain of recovery points in tests: workers that go, turns, rot."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import OperationalError

from replication.engine.digests import read_digests
from replication.retention import run
from tests.engine.chains import flip, own_data
from tests.retention.chain import Chain


def die_after(owner: object, name: str, action: Callable[[], object]) -> None:
    """The worker that does this is gone as soon as the step is done."""
    step = getattr(owner, name)

    def dying(*arguments: object, **more: object) -> None:
        step(*arguments, **more)
        raise OperationalError("the worker is gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, dying)
        action()


def runs(chain: Chain, count: int = 6) -> None:
    for _ in range(count):
        chain.time_passes()
        run.run_next()


def rot(chain: Chain, number: int) -> None:
    """Change a byte that was copied into the point's image of disk 1."""
    rotten = chain.file(number)
    copied = read_digests(rotten.with_name(f"{rotten.name}.digests"))
    places = ((entry, part) for entry in copied for part in own_data(rotten))
    flip(
        rotten,
        next(
            max(entry.offset, part.offset)
            for entry, part in places
            if max(entry.offset, part.offset) < min(entry.offset + entry.length, part.end)
        ),
    )
