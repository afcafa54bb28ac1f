"""A worker of script/chaos: a process that has vmrep loaded, and forks another one for each errand.

It reads orders as lines of JSON and answers each with lines of JSON: the child's process ID, that
it stands still (SIGSTOP), how it ended.

    python -m vmrep.chaos.worker
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from vmrep.chaos.failing import PAGE, Page


class StatementFault(NamedTuple):
    """What happens at the statement of that number, from 1 on, that changes something: it is one of
    `STATEMENT_FAULTS`."""

    what: str
    number: int


STATEMENT_FAULTS = ("kill", "fail", "lose the answer", "stop")


class Order(NamedTuple):
    """What a worker is to do: one of `ERRANDS`."""

    errand: str
    fault: StatementFault | None = None


def run_job() -> None:
    from replication.sync import runner

    runner.run_next()


def remove_points() -> None:
    from replication.retention import run

    run.run_next()


def clean_up() -> None:
    from replication.services import left_overs
    from replication.sync import cleanup

    for context_id in left_overs.contexts_to_clean():
        cleanup.clean_context(context_id)


def write_manifests() -> None:
    from replication.manifests import writing

    writing.write_due()


ERRANDS: dict[str, Callable[[], None]] = {
    "job": run_job,
    "removal": remove_points,
    "clean-up": clean_up,
    "manifests": write_manifests,
}


@contextmanager
def statements(fault: StatementFault, page: Page) -> Iterator[None]:
    """Let the fault happen in this thread's connection to the database."""
    from django.db import connection as django_connection

    connection: Any = django_connection  # django-stubs do not know its `_commit`
    left = fault.number

    def is_it(sql: str) -> bool:
        nonlocal left
        left -= not sql.startswith(("SELECT", "SAVEPOINT", "RELEASE"))
        return left == 0

    def execute(run: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if fault.what == "lose the answer" or not is_it(sql):
            return run(sql, parameters, many, context)
        if fault.what == "stop" and connection.in_atomic_block:
            return run(sql, parameters, many, context)  # the others would wait for its end
        page.note()
        if fault.what == "fail":
            _cut()
        os.kill(os.getpid(), signal.SIGKILL if fault.what == "kill" else signal.SIGSTOP)
        return run(sql, parameters, many, context)

    commit = connection._commit

    def losing_the_answer() -> None:
        commit()
        if fault.what == "lose the answer" and is_it("COMMIT"):
            page.note()
            _cut()

    connection._commit = losing_the_answer
    try:
        with connection.execute_wrapper(execute):
            yield
    finally:
        connection._commit = commit


def _cut() -> None:
    """The connection breaks, as when the server goes away. SQLite has no server: there it is an
    error of the disk, after which the same connection goes on."""
    from django.db import OperationalError, connection

    if connection.vendor == "sqlite":
        raise OperationalError("disk I/O error (vmrep.chaos)")
    if connection.connection is not None:
        connection.connection.close()
    raise OperationalError("server closed the connection unexpectedly (vmrep.chaos)")


def carry_out(order: Order, page: Page) -> None:
    """In a process of its own."""
    from replication.sync import guard

    tell_nobody()
    clock = guard._clock
    guard._clock = lambda: clock() + page.passed_seconds
    with nullcontext() if order.fault is None else statements(order.fault, page):
        page.be_worker()
        ERRANDS[order.errand]()


def tell_nobody() -> None:
    """Workers are asked for each errand; no hint is needed, and nobody would take it."""
    from contexts import messages as of_contexts
    from replication import messages as of_replication

    modules: tuple[Any, ...] = (of_contexts, of_replication)
    for module in modules:
        module.send = lambda *message: None


def serve() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")
    django.setup()
    from replication.manifests import writing as writing
    from replication.retention import run as run
    from replication.sync import cleanup as cleanup
    from replication.sync import runner as runner

    page = Page(Path(os.environ[PAGE]))
    for line in sys.stdin:
        errand, fault = json.loads(line)
        order = Order(errand, StatementFault(*fault) if fault else None)
        with tempfile.TemporaryFile() as said:
            pid = os.fork()
            if pid == 0:
                _child(order, page, said.fileno())
            _tell(pid=pid)
            _tell(ended=_await(pid), said=_words(said))


def _await(pid: int) -> int:
    """The exit code; negative: the signal that killed it."""
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        _tell(stopped=True)


def _child(order: Order, page: Page, said: int) -> None:
    os.dup2(said, 1)
    os.dup2(said, 2)
    code = 1
    try:
        carry_out(order, page)
        code = 0
    except BaseException:  # noqa: BLE001 - it goes no further than this process
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code)


def _words(said: Any) -> str:
    said.seek(0)
    return str(said.read().decode(errors="replace"))


def _tell(**what: object) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201


if __name__ == "__main__":
    serve()
