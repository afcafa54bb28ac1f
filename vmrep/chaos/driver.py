"""One history after the other, until the time is over; and the report."""

from __future__ import annotations

import json
import random
import shutil
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from vmrep.chaos import databases
from vmrep.chaos.history import History, Tally
from vmrep.chaos.kinds import Kind
from vmrep.chaos.worker import tell_nobody
from vmrep.chaos.workers import Workers
from vmrep.chaos.world import World

STEPS = (4, 10)
"""How many steps a history has, at least and at most."""
TRANSPORTS = ("datastore", "nfc")


class Driver:
    """In a folder, which stays if something was wrong. `go_on`: also afterwards."""

    def __init__(self, folder: Path, kinds: Sequence[Kind], seed: int, *, go_on: bool) -> None:
        self._folder, self._kinds, self._seed, self._go_on = folder, kinds, seed, go_on
        self._database = databases.of_settings(folder)
        self._tally, self._wrong, self._histories, self._compared = Tally(), list[str](), 0, 0

    def run(self, seconds: float) -> int:
        """The exit code. Whoever stops it early keeps nothing of it."""
        try:
            self._play(seconds)
        except (KeyboardInterrupt, SystemExit):
            shutil.rmtree(self._folder)
            raise
        if not self._wrong and not any(self._tally.happened.values()):
            self._wrong.append(
                f"no fault happened within {seconds:.0f} seconds: nothing was tested"
            )
            say(f"WRONG  {self._wrong[-1]}")
        self._report()
        if not self._wrong:
            shutil.rmtree(self._folder)
        return 1 if self._wrong else 0

    def _play(self, seconds: float) -> None:
        tell_nobody()
        self._database.prepare()
        until = time.monotonic() + seconds
        with Workers(self._folder, self._database.url) as workers:
            if not workers.can_fail_files:
                say("No C compiler (cc): no file operation can be made to fail.")
            while time.monotonic() < until and (not self._wrong or self._go_on):
                self._history(workers, until)

    def _history(self, workers: Workers, until: float) -> None:
        seed = self._seed + self._histories
        self._histories += 1
        rng = random.Random(seed)  # noqa: S311  it hides nothing
        self._database.fresh()
        folder = self._folder / f"history-{seed}"
        folder.mkdir()
        say(f"History {seed}:")
        world = World(folder, workers, rng.choice(TRANSPORTS))
        try:
            history = History(
                *(world, seed, self._tally),
                kinds=self._kinds,
                say=_say_step,
                end_connections=self._database.ender(),
            )
            history.begin()
            for _ in range(rng.randint(*STEPS)):
                if time.monotonic() < until:
                    history.step()
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is the result
            traceback.print_exc()
            notes = " ".join(getattr(problem, "__notes__", ()))
            self._wrong.append(f"history {seed}: {problem} ({notes})")
            say(f"WRONG  {self._wrong[-1]}\n       See {folder}")
            self._database.keep(folder)
        else:
            shutil.rmtree(folder)
        finally:
            world.close()
            self._compared += world.compared

    def _report(self) -> None:
        drawn, happened = self._tally.drawn, self._tally.happened
        say(f"\n{'kind of fault':55} {'drawn':>6} {'happened':>9}")
        for kind in self._kinds:
            say(f"{kind.name:55} {drawn[kind.name]:6} {happened[kind.name]:9}")
        faults = {
            kind.name: {"drawn": drawn[kind.name], "happened": happened[kind.name]}
            for kind in self._kinds
        }
        report = {
            "seed": self._seed,
            "histories": self._histories,
            "steps": self._tally.steps,
            "replications": self._tally.jobs,
            "removals_asked_for": self._tally.removed,
            "images_compared": self._compared,
            "happened": happened.total(),
            "faults": faults,
            "wrong": self._wrong,
        }
        say(json.dumps(report))


def _say_step(words: str) -> None:
    say(f"  {words}")


def say(words: str) -> None:
    print(words, flush=True)  # noqa: T201
