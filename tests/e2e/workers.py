"""One set of workers and beat for all tests of a session, as script/demo starts them.

Starting them takes seven seconds of processor time, more than most tests that want them. They
stand by without consuming: a message of a test that has no workers would reach nobody, and the
tests' jobs stay as they put them. While a test has workers they consume, and hints of its process
go to their broker. Beat, which cannot stand by, is started each time: in tests that have no workers
nothing gives signs of life.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from celery import Celery

from vmrep.celery import app
from vmrep.local import programs
from vmrep.local.supervisor import Supervisor

TICK = "tick"
BEAT = "beat"
MAKE = {
    **{"copies": programs.copies, "storage": programs.storage},
    **{"control": programs.control, TICK: programs.ticking},
}
SETTLED_SECONDS = 30.0
ANSWER_SECONDS = 10.0


@contextmanager
def hints_go_to(broker: str) -> Iterator[None]:
    """This process sends its hints to that broker."""
    before = app.conf.broker_url
    app.conf.broker_url = broker
    app._after_fork()  # forget connections to another broker
    try:
        yield
    finally:
        app.conf.broker_url = before
        app._after_fork()


class StandingWorkers:
    """Workers that are there for the next test, too; other ones if this one spoilt them.

    Each is started when a test first wants it."""

    def __init__(self, environment: Mapping[str, str], broker: str, folder: Path) -> None:
        self._broker = broker
        self._asking = Celery(broker=broker, set_as_current=False)
        # Not as a context manager: Ctrl-C is pytest's, which ends the fixtures and these.
        self._supervisor = Supervisor(environment, folder / "logs")

    @contextmanager
    def working(self, queues: Sequence[str]) -> Iterator[Supervisor]:
        """They do what is in these queues, until the block ends. TICK includes beat."""
        self._purge()
        self._start(queues)
        with hints_go_to(self._broker):
            try:
                yield self._supervisor
            finally:
                if not self._come_to_rest(queues):
                    self.stop()

    def stop(self) -> None:
        """At once: nothing that they have is needed any more."""
        while self._supervisor.children:
            self._supervisor.children.pop().kill()

    def _start(self, queues: Sequence[str]) -> None:
        """Those that are there consume again, the others are started."""
        self._forget_dead()
        running = {child.program.name for child in self._supervisor.children}
        for queue in running.intersection(queues):
            self._tell("add_consumer", queue)
        missing = [MAKE[queue](self._broker) for queue in queues if queue not in running]
        if TICK in queues:
            missing.append(programs.beat())
        self._supervisor.start(missing)

    def _come_to_rest(self, queues: Sequence[str]) -> bool:
        """Consume nothing more, and end what was begun. False: that does not end."""
        for child in self._supervisor.children:
            if child.program.name == BEAT:
                child.kill()
        self._forget_dead()
        running = {child.program.name for child in self._supervisor.children}
        alive = [queue for queue in queues if queue in running]
        for queue in alive:
            self._tell("cancel_consumer", queue)
        deadline = time.monotonic() + SETTLED_SECONDS
        while alive and self._busy(alive):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _forget_dead(self) -> None:
        """A test may have killed some."""
        children = self._supervisor.children
        children[:] = [child for child in children if child.running]

    def _busy(self, queues: Sequence[str]) -> bool:
        asking = self._asking.control.inspect(
            destination=[f"{queue}@vmrep" for queue in queues], timeout=ANSWER_SECONDS
        )
        answers = [asking.active() or {}, asking.reserved() or {}]
        return any(tasks for answer in answers for tasks in answer.values())

    def _tell(self, what: str, queue: str) -> None:
        """The worker of a queue (it has the queue's name): what to do about that queue."""
        answers = self._asking.control.broadcast(
            what,
            arguments={"queue": queue},
            destination=[f"{queue}@vmrep"],
            reply=True,
            timeout=ANSWER_SECONDS,
        )
        assert answers, f"the worker {queue} does not answer"

    def _purge(self) -> None:
        """What was sent while nobody consumed (beat's ticks) is out of date."""
        with self._asking.connection_for_write() as connection:
            for queue in MAKE:
                connection.default_channel.queue_purge(queue)
