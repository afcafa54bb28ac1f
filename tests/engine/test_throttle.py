"""A throttle: how much is read in which second, by its own clock, and who goes first."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from replication.engine import throttle as room
from replication.engine.errors import CopyStopped
from replication.engine.sources.base import Read, Reader
from replication.engine.throttle import Throttle
from tests.engine.support import MIB


class Clock:
    """Time passes only while somebody waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(room.time, "monotonic", lambda: self.now)

        def wait(condition: threading.Condition, timeout: float) -> bool:
            self.now += timeout
            return False

        monkeypatch.setattr(threading.Condition, "wait", wait)


class Noting(Reader):
    """Notes what is read, and when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seconds: Counter[int] = Counter()
        self.pieces: list[tuple[int, int]] = []
        self.after = lambda: None

    def read_into(self, offset: int, view: memoryview) -> None:
        self.seconds[int(self._clock.now)] += len(view)
        self.pieces.append((offset, len(view)))
        self.after()

    def close(self) -> None:
        pass


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def reader(clock):
    return Noting(clock)


def buffer(size: int) -> memoryview:
    return memoryview(bytearray(size))


@pytest.mark.parametrize("rate", [65_536, 700_000, MIB, 3 * MIB + 17])
def test_each_second_has_its_share(reader, rate):
    throttle = Throttle()
    throttle.set_rate(rate)
    for number in range(5):
        throttle.read(reader, [Read(number * MIB, buffer(MIB))])
    seconds = [reader.seconds[each] for each in range(max(reader.seconds))]
    slice_bytes = max(65_536, rate // 8)
    assert all(rate - slice_bytes <= each <= rate + 2 * slice_bytes for each in seconds)
    assert abs(sum(seconds) - rate * len(seconds)) <= 2 * slice_bytes
    ends = [offset + size for offset, size in reader.pieces]
    assert [0, *ends] == [*(offset for offset, _ in reader.pieces), 5 * MIB]


def test_another_rate_counts_at_once_and_what_was_read_before_is_no_debt(clock, reader):
    throttle = Throttle()
    throttle.read(reader, [Read(0, buffer(4 * MIB))])
    assert reader.pieces == [(0, 4 * MIB)], "without a limit in one piece"
    throttle.set_rate(64 * MIB)
    throttle.read(reader, [Read(0, buffer(8 * MIB))])
    throttle.set_rate(MIB)
    began = clock.now
    throttle.read(reader, [Read(0, buffer(MIB))])
    assert 0.7 < clock.now - began < 1.2
    reader.after = lambda: throttle.set_rate(None)
    throttle.read(reader, [Read(0, buffer(64 * MIB))])
    assert clock.now - began < 1.4
    assert reader.pieces[-1][1] > 60 * MIB


def test_small_reads_go_together_up_to_a_turn(reader):
    throttle, size = Throttle(), 8192
    throttle.set_rate(MIB)
    many = []
    reader.read_many = lambda reads: many.append([len(read.view) for read in reads])
    buffers = [buffer(size) for _ in range(24)]
    throttle.read(reader, [Read(10 * size * at, each) for at, each in enumerate(buffers)])
    assert many == [[size] * 16, [size] * 8]


def test_what_nobody_reads_is_not_saved_up(clock, reader):
    throttle = Throttle()
    throttle.set_rate(MIB)
    clock.now += 3600
    began = clock.now
    throttle.read(reader, [Read(0, buffer(4 * MIB))])
    assert clock.now - began > 3.5


def test_a_copy_that_is_over_does_not_wait_for_its_turn(reader):
    throttle = Throttle()
    throttle.set_rate(1)
    over = threading.Event()
    reader.after = over.set
    with pytest.raises(CopyStopped):
        throttle.read(reader, [Read(0, buffer(MIB))], over.is_set)
    assert len(reader.pieces) <= 1


def test_the_oldest_read_ends_first():
    """Else many reads under a low rate would all end at the same late time."""
    throttle, order = Throttle(), []
    throttle.set_rate(4 * MIB)
    begun = threading.Event()

    class Named(Reader):
        def __init__(self, name: str) -> None:
            self.name = name

        def read_into(self, offset: int, view: memoryview) -> None:
            order.append(self.name)
            begun.set()

        def close(self) -> None:
            pass

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(throttle.read, Named("first"), [Read(0, buffer(2 * MIB))])
        begun.wait(10)
        second = pool.submit(throttle.read, Named("second"), [Read(0, buffer(MIB))])
        first.result(30)
        second.result(30)
    assert order == ["first"] * 4 + ["second"] * 2
