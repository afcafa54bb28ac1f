"""What a web request may wait for: not long, and not many at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contexts.errors import ServersBusy
from contexts.services import connections, vcenters, waiting
from contexts.vsphere.errors import ConnectionLost, LoginRefused
from tests import factories, hostile
from tests.hostile import serving


@pytest.fixture
def held() -> Iterator[Callable[[], None]]:
    """A call that no deadline of its own ends, until the test does."""
    over = threading.Event()
    yield lambda: over.wait(60) and None
    over.set()


@pytest.fixture
def in_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SECONDS", 0.2)
    monkeypatch.setattr(waiting, "_GRACE_SECONDS", 0.2)
    # As a new process has them: what other tests left counts there.
    monkeypatch.setattr(waiting, "_places", threading.BoundedSemaphore(waiting.AT_ONCE))


def test_it_returns_or_raises_what_the_call_does(in_a_moment: None) -> None:
    assert waiting.wait_for("vc", lambda: 7) == 7
    with pytest.raises(LoginRefused, match="no"):
        waiting.wait_for("vc", lambda: (_ for _ in ()).throw(LoginRefused("no")))


def test_a_call_that_never_ends_is_abandoned_with_an_explanation(
    in_a_moment: None, held: Callable[[], None]
) -> None:
    with pytest.raises(ConnectionLost, match="vc did not answer within"):
        waiting.wait_for("vc", held)


def test_abandoned_calls_still_count_so_that_threads_do_not_pile_up(
    in_a_moment: None, held: Callable[[], None]
) -> None:
    for _ in range(waiting.AT_ONCE):
        with pytest.raises(ConnectionLost):
            waiting.wait_for("vc", held)
    for _ in range(3):
        with pytest.raises(ServersBusy, match="Try again"):
            waiting.wait_for("vc", held)


def test_ended_calls_free_their_places(in_a_moment: None) -> None:
    for _ in range(waiting.AT_ONCE * 3):
        assert waiting.wait_for("vc", lambda: 7) == 7


@pytest.mark.django_db
def test_a_report_says_that_the_server_was_not_asked(
    in_a_moment: None, held: Callable[[], None]
) -> None:
    vcenter = factories.vcenter()
    for _ in range(waiting.AT_ONCE):
        with pytest.raises(ConnectionLost):
            waiting.wait_for("another", held)
    step = connections.test(vcenter).steps[0]
    assert (step.name, step.outcome) == ("Connection", connections.FAILED)
    assert "did not contact" in step.text


@pytest.mark.parametrize("way", [hostile.silent, hostile.drips, hostile.drips_headers])
def test_a_connection_test_at_a_slow_server_ends(
    way: hostile.Way, tmp_path: Path, in_a_moment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vcenters, "SECONDS", 0.2)
    with serving(tmp_path, way) as server, pytest.raises(ConnectionLost):
        vcenters.test_connection(server.endpoint(), {"nfc"})
