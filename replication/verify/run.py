"""Reading recovery points back: the worker's part.

Everything here can be killed at any point. Whoever takes the verification next goes on at its last
checkpoint, which is of the last seconds. A verification has its worker for a minute at a time, so
that whatever else waits for the worker comes first.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from contexts import log_lines
from contexts.database_errors import own_words
from replication.engine.chunk_maps import CHUNK_BYTES
from replication.engine.errors import EngineError, ImageDamaged, TargetError
from replication.engine.reading_back import Progress, Wrong, read_back
from replication.errors import HandedOver, VerificationLost
from replication.models import DiskImage, PointVerification, Repository
from replication.services.damages import CONTENT_DIFFERS, MAP_DIFFERS
from replication.states import VerificationState
from replication.storage import looks
from replication.storage.targets import target
from replication.sync import stopping
from replication.sync.guard import STALLED_AFTER_SECONDS, STALLED_AWAY_SECONDS
from replication.verify import clearing, mapping, placing, turns
from replication.verify.looking import damage, facts, layers, look, mapped
from replication.verify.turns import Turn

log = logging.getLogger(__name__)

TURN_SECONDS = 60.0
CHECKPOINT_SECONDS = 5.0
MOST_WRONG = 256
"""Chunks that are found wrong before that is written down."""
STALLED_EXIT_CODE = 75


class _TurnOver(Exception):
    """Something else may want the worker."""


def run_next() -> int | None:
    """Go on with the next verification for a turn; returns its ID, or None."""
    for verification_id in [] if stopping.is_asked() else turns.due():
        if (turn := turns.claim(verification_id)) is not None:
            _run(turn, TURN_SECONDS)
            return verification_id
    return None


def run_to_the_end(verification: PointVerification) -> None:
    """In this process, unless a worker has it: then wait for that."""
    while True:
        if (turn := turns.claim(verification.pk)) is not None:
            _run(turn, float("inf"))
        verification.refresh_from_db()
        if not verification.is_active:
            return
        time.sleep(1)


def _run(turn: Turn, seconds: float) -> None:
    row = PointVerification.objects.select_related("vm_context", "recovery_point__repository")
    verification = row.get(pk=turn.verification_id)
    with log_lines.of_vm(verification.vm_context):
        try:
            with _Watch(verification.recovery_point.repository) as watch:
                _Reading(turn, verification, watch, time.monotonic() + seconds).go_on()
        except _TurnOver:
            turns.hand_over(turn)
        except HandedOver as reason:
            log.info("%s: %s", verification, reason)
            turns.hand_over(turn)
        except VerificationLost as reason:
            log.warning("%s stopped at once: %s", verification, reason)
        except EngineError as problem:
            log.warning("%s: %s", verification, problem)
            turns.failed(turn, str(problem))
        except (OperationalError, InterfaceError):
            log.exception("%s stopped: the database is away", verification)
            connection.close()
        except Exception as problem:
            log.exception("%s failed", verification)
            turns.failed(turn, f"{own_words(problem)} The log of the worker says where.")


class _Watch:
    """Ends the process when nothing has moved for long: storage that hangs cannot be interrupted.
    The claim runs out then, and another worker goes on."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._moved_at = time.monotonic()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, name="verify watch", daemon=True)

    def moved(self) -> None:
        self._moved_at = time.monotonic()

    def _look(self) -> None:
        while not self._end.wait(10):
            silent = time.monotonic() - self._moved_at
            is_away = silent > STALLED_AWAY_SECONDS and bool(looks.look(self._repository).problem)
            if silent > STALLED_AFTER_SECONDS or is_away:
                log.critical("no progress for %.0f seconds: this process ends", silent)
                os._exit(STALLED_EXIT_CODE)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()


class _Done:
    """What was compared since the last checkpoint."""

    def __init__(self, offset: int) -> None:
        self.offset = self.noted_to = offset
        self.bytes_read = 0
        self.wrong: list[Wrong] = []

    def add(self, progress: Progress) -> None:
        self.offset = progress.offset
        self.bytes_read += progress.bytes_read
        self.wrong += progress.wrong

    def noted(self) -> None:
        self.noted_to, self.bytes_read, self.wrong = self.offset, 0, []


class _Reading:
    """One turn of a verification."""

    def __init__(
        self, turn: Turn, verification: PointVerification, watch: _Watch, until: float
    ) -> None:
        self._turn, self._row = turn, verification
        self._watch, self._until = watch, until
        self._written_at = time.monotonic()
        self._storage = target(verification.recovery_point.repository)

    def go_on(self) -> None:
        if turns.is_cancelled(self._turn):
            turns.end(self._turn, VerificationState.CANCELLED)
            return
        if not turns.is_there(self._turn):
            gone = "The recovery point has been removed meanwhile."
            turns.end(self._turn, VerificationState.FAILED, gone)
            return
        self._storage.check()
        rows = DiskImage.objects.filter(recovery_point=self._row.recovery_point_id)
        images = list(rows.select_related("disk").defer("extent_map").order_by("position"))
        chains = [turns.chain_of(image) for image in images]
        before = 0
        for image, chain in zip(images, chains, strict=True):
            if (image.position or 0) >= self._row.position:
                self._read_disk(image, chain, before)
            before += image.capacity_bytes
        is_damaged = PointVerification.objects.filter(pk=self._row.pk, damage_count__gt=0).exists()
        if is_damaged:
            turns.end(self._turn, VerificationState.DAMAGED)
        else:
            turns.end(self._turn, VerificationState.VERIFIED, clearing.left_below(chains))

    def _read_disk(self, image: DiskImage, chain: Sequence[DiskImage], before: int) -> None:
        row, position = self._row, image.position or 1
        try:
            mapping.make(self._turn, chain, self._storage, self._wait_for_map)
        except ImageDamaged as problem:
            broken = next((it for it in chain if it.locator == problem.locator), image)
            turns.note(self._turn, [damage(broken, CONTENT_DIFFERS, str(problem))])
            return
        of_files = facts(chain, self._storage)
        found = turns.fingerprint(chain, of_files)
        if (row.position, row.chain_digest) != (position, found) or not row.offset_bytes:
            turns.begin_disk(self._turn, position, before, found)
            row.position, row.offset_bytes, row.chain_digest = position, 0, found
            if seen := list(look(chain, self._storage, self._wait)):
                turns.note(self._turn, seen)
                return  # what it reads as now depends on tables that are wrong
        try:
            self._compare(image, chain)
        except ImageDamaged as problem:  # a map; or somebody changes a file right now
            broken = next((it for it in chain if it.locator == problem.locator), image)
            turns.note(self._turn, [damage(broken, MAP_DIFFERS, str(problem))])
            return
        if facts(chain, self._storage) != of_files:
            raise TargetError(
                f"A file of {image.locator} or below was changed while it was read. Find out who"
                " writes to this repository: only vmrep may."
            )
        clearing.clear(self._turn, chain, self._storage, of_files[0])

    def _compare(self, image: DiskImage, chain: Sequence[DiskImage]) -> None:
        start, size_bytes = self._row.offset_bytes, image.capacity_bytes
        with (
            closing(mapped(chain, self._storage)) as known,
            self._storage.open_readonly(layers(chain), past_the_cache=True) as opened,
        ):
            done = _Done(start)
            compared = read_back(
                opened,
                known.records(start // CHUNK_BYTES),
                size_bytes,
                start_offset=start,
                bytes_per_second=settings.VERIFY_BYTES_PER_SECOND,
            )
            with closing(compared):
                for progress in compared:
                    self._watch.moved()
                    done.add(progress)
                    is_time = time.monotonic() - self._written_at >= CHECKPOINT_SECONDS
                    if is_time or len(done.wrong) >= MOST_WRONG:
                        self._checkpoint(done, chain)
                        self._require_time()
            if done.offset > done.noted_to:
                self._checkpoint(done, chain)

    def _checkpoint(self, done: _Done, chain: Sequence[DiskImage]) -> None:
        found = placing.placed(done.wrong, chain, self._storage, self._wait) if done.wrong else []
        turns.checkpoint(
            self._turn, done.offset, done.offset - done.noted_to, done.bytes_read, found
        )
        done.noted()
        self._written_at = time.monotonic()

    def _require_time(self) -> None:
        """Raises _TurnOver, or HandedOver."""
        stopping.require_not_asked("Another one goes on with the verification.")
        if time.monotonic() > self._until or turns.is_cancelled(self._turn):
            raise _TurnOver

    def _wait_for_map(self) -> None:
        """A map is made in one piece, however long that takes."""
        self._wait()
        stopping.require_not_asked("Another one goes on with the verification.")

    def _wait(self) -> None:
        """While something takes long that gets no further."""
        self._watch.moved()
        if time.monotonic() - self._written_at >= CHECKPOINT_SECONDS:
            turns.renew(self._turn)
            self._written_at = time.monotonic()
