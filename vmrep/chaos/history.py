"""A history: replications and removals of recovery points, with a fault at each; drawn from a seed.

The same seed draws the same. When exactly something happens depends on the machine, too: then a
seed that found something may have to be tried more than once.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from zoneinfo import ZoneInfo

from django.db import OperationalError

from contexts.models import VMContext
from replication.errors import PointGone, PointNeeded
from replication.models import RecoveryPoint, ReplicationJob
from replication.retention import services, wanted
from replication.retention.choose import Rules
from replication.services import start
from replication.states import JobStatus, SyncRequest
from vmrep.chaos.failing import Operation, What, Whose
from vmrep.chaos.kinds import KINDS, Kind
from vmrep.chaos.worker import Order, StatementFault
from vmrep.chaos.world import Broken, World

KIB = 1 << 10
LENGTHS = (1, 3, 6, 31)
"""How many points a VM has before anything happens to it; 32 images are the most of a chain."""
WEIGHTS = (3, 6, 3, 1)
STATEMENTS = {"job": 70, "removal": 25}
"""How many an errand has, about."""
OPERATIONS = 20
"""How many of each kind, about, before one was seen."""
HOST, VMS = "esx1.lab.example.com", ("one", "two")  # of scenario.toml
CALLS = ("CreateSnapshot_Task", "QueryChangedDiskAreas", "RemoveSnapshot_Task", "GET /folder")
WAKES_AFTER_SECONDS = (0, 60)
"""What has passed by the clock of a worker that stood still: that of a paused virtual machine does
not go on."""


class Tally:
    """What has happened so far, in all histories."""

    def __init__(self) -> None:
        self.drawn: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()
        self.steps = self.jobs = self.removed = 0


class History:
    """One of them, in a world of its own."""

    def __init__(
        self,
        world: World,
        seed: int,
        tally: Tally,
        *,
        kinds: Sequence[Kind] = KINDS,
        say: Callable[[str], None] = lambda words: None,
        end_connections: Callable[[], None] | None = None,
    ) -> None:
        self.world = world
        self._end_connections = end_connections
        self.rng = random.Random(seed)  # noqa: S311  it hides nothing
        self.tally = tally
        self.say = say
        self.kinds = [it for it in kinds if self._is_possible(it)]
        self._counted: dict[tuple[str, Operation], int] = {}
        self._seconds = {"job": 0.5, "removal": 0.5}
        self._fills = 0

    def _is_possible(self, kind: Kind) -> bool:
        if kind.database and self._end_connections is None:
            return False
        return kind.file is None or self.world.workers.can_fail_files

    def begin(self, length: int | None = None) -> None:
        """The VMs have so many recovery points each."""
        for context in self.world.contexts:
            count = length or self.rng.choices(LENGTHS, WEIGHTS)[0]
            self.say(f"{context.vm_name}: {count} recovery points to begin with")
            for _ in range(count):
                self._replicate(context)

    def step(self) -> None:
        """Something is done, and something happens to it; then all is as it must be."""
        self.tally.steps += 1
        context = self.rng.choice(self.world.contexts)
        context.refresh_from_db()
        acts = (self._job, self._delete, self._rules, self._both)
        act = self.rng.choices(acts, (4, 5, 2, 2))[0]
        errand = act(context)
        kind = self.rng.choice(self.kinds)
        try:
            self._errand(errand, kind)
            self.world.require_equal()
            self.world.settle()
            self._forget_removals()
            self.world.settle()
            self.world.require_equal()
            self.world.require_settled()
            self._replicate(context)
        except Broken as problem:
            problem.add_note(f"{errand} of {context.vm_name}: {kind.name}")
            raise

    # What is asked for.

    def _job(self, context: VMContext) -> str:
        self._change(context)
        asked = SyncRequest.AS_NEEDED
        if self.rng.random() < 0.15:
            asked = self.rng.choice([SyncRequest.INITIAL, SyncRequest.CHECKSUM])
        start.start(context, trigger="manual", requested_by="chaos", requested_sync=asked)
        self.tally.jobs += 1
        return "job"

    def _delete(self, context: VMContext) -> str:
        asked_for = 0
        for point in self._some(self.world.points(context)):
            with suppress(PointNeeded, PointGone):
                services.delete(point, actor="chaos")
                asked_for += 1
        self.tally.removed += asked_for
        return "removal" if asked_for else self._job(context)

    def _some(self, points: list[RecoveryPoint]) -> list[RecoveryPoint]:
        """The oldest, one in the middle, those before the newest, or any."""
        if len(points) < 2:
            return []
        middle = self.rng.randrange(len(points) - 1)
        some = (points[:1], points[middle : middle + 1], points[-3:-1])
        return self.rng.choice([*some, self.rng.sample(points[:-1], min(3, len(points) - 1))])

    def _rules(self, context: VMContext) -> str:
        """Fewer are to be kept; sometimes one of them is pinned, or unpinned."""
        for point in self.rng.sample(points := self.world.points(context), min(2, len(points))):
            act = self.rng.choice([services.pin, services.unpin])
            if act is services.pin:
                services.pin(point, comment="", actor="chaos")
            else:
                services.unpin(point, actor="chaos")
        rules = Rules(last=self.rng.randint(1, 4))
        asked_for = wanted.settle(context.pk, rules, ZoneInfo("UTC")).wanted
        self.tally.removed += asked_for
        return "removal" if asked_for else self._job(context)

    def _both(self, context: VMContext) -> str:
        """A removal is under way whose worker was killed; a replication goes on with it."""
        if self._delete(context) == "job":
            return "job"
        self._errand("removal", _KILLED)
        self.world.time_passes()
        return self._job(context)

    def _forget_removals(self) -> None:
        """No rule wants what waits for a newer point."""
        for context in self.world.contexts:
            wanted.settle(context.pk, None, ZoneInfo("UTC"))

    def _change(self, context: VMContext) -> None:
        """The guests write to some places of their disks."""
        name = context.vm_name or ""
        for disk in context.disks.filter(removed_at=None):
            for _ in range(self.rng.randint(0, 3)):
                self._fills += 1
                length = self.rng.choice([4, 64, 300]) * KIB
                last = (disk.capacity_bytes or 0) - length
                offset = self.rng.randrange(0, last, 512)
                self.world.control.fill(name, disk.device_key, offset, length, seed=self._fills)

    def _replicate(self, context: VMContext) -> None:
        """Without a fault: it must succeed, and copy what changed."""
        context.refresh_from_db()
        had_points = bool(self.world.points(context))
        self._change(context)
        job = start.start(context, trigger="manual", requested_by="chaos")
        self.world.settle()
        job.refresh_from_db()
        if job.status != JobStatus.COMPLETED:
            raise Broken(f"the next replication is {job.status}: {job.error_message}")
        if had_points and not self._is_as_expected(job):
            raise Broken(f"the next replication was not incremental, but {job.replication_type}")

    def _is_as_expected(self, job: ReplicationJob) -> bool:
        notes = " ".join(job.steps.values_list("message", flat=True))
        return job.replication_type == "incremental" or "images" in notes

    # What happens to it.

    def _errand(self, errand: str, kind: Kind) -> None:
        """Have a worker do it, with a fault of that kind."""
        self.tally.drawn[kind.name] += 1
        page = self.world.workers.page
        number = self._number(errand, kind)
        page.arm(kind.file, number)
        statement = StatementFault(kind.statement, number) if kind.statement else None
        with ExitStack() as during:
            on_start = self._at_any_time(errand, kind, during)
            began = time.monotonic()
            outcome = self.world.workers.run(
                Order(errand, statement), on_start=on_start, on_stop=self._while_it_stands_still
            )
        self._seconds[errand] = max(0.1, time.monotonic() - began)
        happened = self._has_happened(kind, outcome.code)
        self.tally.happened[kind.name] += happened
        where = page.happened_at or ("it did" if happened else "it did not come to that")
        self.say(f"{errand}: {kind.name}, at {number}: {where}")
        if not outcome.code:  # it came to its end
            for operation in Operation:
                self._counted[errand, operation] = page.counted(operation)
        page.arm(None)
        if kind.lab:
            self.world.control.clear_faults()
        self._require_end(kind, outcome.code, outcome.said)
        self._await_programs()

    def _number(self, errand: str, kind: Kind) -> int:
        """The operation or statement that it happens to: the early ones are as likely as the many
        late ones."""
        most = STATEMENTS[errand]
        if kind.file:
            known = [self._counted.get((errand, it), OPERATIONS) for it in kind.file.operations]
            most = sum(known) // (3 if kind.file.whose == Whose.PROGRAMS else 1)
        if self.rng.random() < 0.3:
            most = min(most, 12)
        return self.rng.randint(1, max(most, 1))

    def _at_any_time(self, errand: str, kind: Kind, during: ExitStack) -> Callable[[int], None]:
        """What is done to it while it works."""
        delay = self.rng.uniform(0, self._seconds[errand])
        if act := self._act(kind):
            timer = threading.Timer(delay, act)
            timer.start()
            during.callback(timer.join)
        elif kind.lab:
            method, nth = self.rng.choice(CALLS), self.rng.randint(1, 3)
            if kind.lab == "refuse a call":
                fault = "503" if method.startswith("GET") else "SystemError"
                self.world.control.fail(method, nth=nth, fault=fault)
            else:
                self.world.control.drop_connection(method, nth=nth)

        def on_start(pid: int) -> None:
            if kind.signal:
                time.sleep(delay)
                with suppress(ProcessLookupError):
                    os.kill(pid, kind.signal)

        return on_start

    def _act(self, kind: Kind) -> Callable[[], object] | None:
        """What others do at any time; None: nothing, or to the nth call."""
        if kind.database:
            return self._end_connections
        control = self.world.control
        acts: dict[str, Callable[[], object]] = {
            "kill": self.world.lab.kill,
            "end sessions": control.expire_sessions,
            "cut NFC": lambda: control.cut_nfc(HOST),
            "remove snapshots": self._remove_snapshots,
        }
        return acts.get(kind.lab)

    def _remove_snapshots(self) -> None:
        for name in VMS:
            self.world.control.remove_snapshots(name)

    def _while_it_stands_still(self, pid: int) -> None:
        """Its lease runs out, and others go on with what it did."""
        try:
            self.world.settle(other=True)
        except OperationalError:
            return  # it holds a row, or the database's lock: the others wait until it goes on
        self.world.require_equal()
        self.world.workers.page.pass_time(self.rng.choice(WAKES_AFTER_SECONDS))

    def _has_happened(self, kind: Kind, code: int) -> bool:
        """Of a call to the vCenter nobody tells whether it came."""
        if kind.file or kind.statement:
            return self.world.workers.page.happened > 0
        return bool(code) if kind.signal else bool(kind.lab or kind.database)

    def _require_end(self, kind: Kind, code: int, said: str) -> None:
        """It has ended as what happened to it lets it end."""
        by_file = kind.file is not None and kind.file.what in (What.KILL, What.KILL_AFTERWARDS)
        kills = by_file or kind.statement == "kill" or kind.signal == signal.SIGKILL
        is_database = bool(kind.statement) and "vmrep.chaos" in said
        is_database |= bool(kind.database) and "AdminShutdown" in said
        if code and not is_database and not (kills and code == -signal.SIGKILL):
            raise Broken(f"the worker ended with {code}:\n{said}")

    def _await_programs(self) -> None:
        """Those of a killed worker end a moment after it."""
        deadline = time.monotonic() + 10
        while self.world.programs():
            if time.monotonic() > deadline:
                raise Broken("programs of a killed worker are left")
            time.sleep(0.02)


_KILLED = next(kind for kind in KINDS if kind.name == "killed before a file operation")
