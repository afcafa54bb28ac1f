"""Work in a thread that is left behind when it takes too long."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from replication.storage import errands
from replication.storage.errands import DoesNotAnswer

SOON = 0.2
LONG = 30.0


@pytest.fixture
def door():
    """A door that stays shut, as storage that hangs, until the test's end or `door.set()`."""
    door = threading.Event()
    yield door
    door.set()
    for errand in list(errands._under_way.values()):
        assert errand.wait(LONG)  # the next test's errands find the place free


def hang(place: str, door: threading.Event, **more: object) -> None:
    with pytest.raises(DoesNotAnswer, match="no answer"):
        errands.run(place, door.wait, seconds=SOON, or_else="no answer", **more)


def test_what_the_work_returns_or_raises_comes_back():
    assert errands.run("here", lambda: 42, seconds=LONG, or_else="") == 42
    with pytest.raises(ZeroDivisionError):
        errands.run("here", lambda: 1 // 0, seconds=LONG, or_else="")


def test_no_thread_is_sent_to_storage_that_another_has_not_returned_from(door):
    hang("there", door)
    sent = []
    for _ in range(3):
        with pytest.raises(DoesNotAnswer):
            errands.run("there", lambda: sent.append(1), seconds=LONG, or_else="")
    assert sent == []
    assert errands.run("elsewhere", lambda: 42, seconds=LONG, or_else="") == 42


def test_a_caller_waits_for_its_turn_while_another_is_served(door):
    began, order = threading.Event(), []

    def work() -> None:
        began.set()
        door.wait()
        order.append("first")

    first = threading.Thread(
        target=errands.run, args=("there", work), kwargs={"seconds": LONG, "or_else": ""}
    )
    first.start()
    assert began.wait(LONG)
    threading.Timer(SOON, door.set).start()
    errands.run("there", lambda: order.append("second"), seconds=LONG, or_else="")
    first.join()
    assert order == ["first", "second"]


def test_a_late_result_is_handed_to_the_named_receiver(door):
    late, came = [], threading.Event()

    def on_late(answer: bool) -> None:
        late.append(answer)
        came.set()

    hang("there", door, on_late=on_late)
    assert late == []
    door.set()
    assert came.wait(LONG)
    assert late == [True]


def test_a_cancel_interrupts_the_wait(door, monkeypatch):
    monkeypatch.setattr(errands, "WAIT_SECONDS", 0.01)

    def cancelled() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        errands.run("there", door.wait, seconds=LONG, or_else="", on_wait=cancelled)
    hang("there", door)


def test_running_errands_are_counted_by_the_kind_of_their_place(door):
    hang(("folder", "/a"), door)
    hang(("folder", "/b"), door)
    hang(("other", "/a"), door)
    assert errands.count("folder") == 2


def test_a_forked_process_does_not_wait_for_its_parents_errands(door):
    hang("there", door)
    child = os.fork()
    if child == 0:
        os._exit(errands.run("there", lambda: 42, seconds=LONG, or_else=""))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42


def test_a_process_ends_although_an_errand_hangs():
    program = (
        "import os, django; django.setup()\n"
        "from replication.storage import errands\n"
        "reading, _ = os.pipe()\n"
        "try: errands.run('there', lambda: os.read(reading, 1), seconds=0.1, or_else='no answer')\n"
        "except errands.DoesNotAnswer as problem: print(problem)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "vmrep.settings"},
        capture_output=True,
        text=True,
        timeout=LONG,
        check=True,
    )
    assert done.stdout == "no answer\n"


def test_time_in_the_queue_does_not_count_as_the_errands_own(door):
    """The one ahead is not late: nobody may say that the place does not answer."""
    began = threading.Event()

    def work() -> None:
        began.set()
        door.wait()

    first = threading.Thread(
        target=errands.run, args=("there", work), kwargs={"seconds": LONG, "or_else": ""}
    )
    first.start()
    assert began.wait(LONG)
    threading.Timer(SOON * 3, door.set).start()
    assert errands.run("there", lambda: 42, seconds=SOON, or_else="no answer") == 42
    first.join()


def test_a_caller_behind_an_errand_that_hangs_is_told_so(door):
    """Its own waiter gives it up after its own time, and the line with it."""
    first = threading.Thread(target=hang, args=("there", door))
    first.start()
    while "there" not in errands._under_way:
        first.join(0.001)
    hang("there", door)
    first.join()
