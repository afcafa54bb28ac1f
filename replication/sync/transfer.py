"""Step 5: bytes move. Disks in parallel, several connections each; progress once a second."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass

from django.db import Error as DatabaseProblem
from django.db import transaction
from django.db.models.functions import Now

from replication.engine.copy import CopyResult, DiskCopy
from replication.engine.errors import EngineError
from replication.engine.sources.base import Source
from replication.engine.target import WritableImage
from replication.errors import HandedOver, JobCancelled, LeaseLost, TryAgain
from replication.models import DiskImage
from replication.selectors.replica import layers_of
from replication.services.samples import Sampler
from replication.states import ImageState, StepName, SyncType
from replication.sync import images, stopping
from replication.sync.images import Kept
from replication.sync.job_run import DiskPlan, JobRun
from replication.sync.seats import Seat
from replication.sync.source import WAYS, open_source

log = logging.getLogger(__name__)

PARALLEL_DISKS = 2
PROGRESS_EVERY_SECONDS = 1.0
CHECKPOINT_EVERY_SECONDS = 15.0
CHECKPOINT_EVERY_BYTES = 256 << 20
"""Whichever comes first: so much may have to be read twice after a kill."""
FIRST_CHECKPOINT_SECONDS = 1.0
SPEED_OVER_SECONDS = 10.0
# A copy ends after its current request; one that does not is stuck in its daemon.
STOP_SECONDS = 90.0


@dataclass
class FinishedDisk:
    """A disk whose planned bytes are all in its image, which is closed but not yet sealed."""

    plan: DiskPlan
    image: DiskImage
    digest: str
    map_digest: str  # empty: an image below has no map yet
    result: CopyResult


class _Active:
    """One disk that is being copied.

    What may wait for the repository's storage, `finish` and `checkpoint`, is called from other
    threads: the one that reports progress and hears a cancel never waits for it.
    """

    def __init__(
        self,
        plan: DiskPlan,
        seat: Seat,
        kept: Kept,
        source: Source,
        writer: WritableImage,
        copy: DiskCopy,
    ) -> None:
        self.plan, self.seat, self.kept, self.source = plan, seat, kept, source
        self.image, self.writer, self.copy = kept.image, writer, copy
        self.permanent_to = kept.image.checkpoint_bytes
        self.work: Future[FinishedDisk] | None = None
        self.flush: Future[None] | None = None
        self._started_at = time.monotonic()
        self._flushing = threading.Lock()
        self._over = False
        self.is_kept = False
        """What was copied is permanent, and the copy has stopped."""

    @property
    def seconds(self) -> float:
        return float(self.image.transfer_seconds) + time.monotonic() - self._started_at

    def finish(self) -> FinishedDisk:
        """Copy everything, flush it and close the image."""
        result = self.copy.run()
        with self._flushing:
            self.permanent_to = self.copy.checkpoint()
            digest = self.kept.digests.digest()
            map_digest = self.kept.chunks.digest() if self.kept.chunks else ""
            self.kept.close()
            self.writer.close()
            self._over = True
        return FinishedDisk(self.plan, self.image, digest, map_digest, result)

    def checkpoint(self) -> None:
        """Make the copied bytes permanent, and note how far they reach. After the first failure
        there is no further attempt: a later flush that succeeds proves nothing."""
        with self._flushing:
            if not self._over:
                self._over = True
                self.permanent_to = self.copy.checkpoint()
                self._over = False


def _begins(plan: DiskPlan, image: DiskImage, attempt: int) -> str:
    """What is read of one disk, and into which file."""
    begun = (
        f"{plan.disk.disk_id}: {plan.planned_bytes:,} bytes are read from {plan.source.vmdk_path}"
    )
    if image.attempt == attempt:
        return f"{begun} into a new file."
    return (
        f"{begun} into the file of attempt {image.attempt}, resuming at the checkpoint"
        f" {image.checkpoint_bytes:,}."
    )


def transfer(run: JobRun) -> list[FinishedDisk]:
    """Copy every disk's plan into its image. Raises what stopped it; checkpoints are kept."""
    with run.step(StepName.TRANSFER):
        return _Transfer(run, sum(plan.planned_bytes for plan in run.plans)).run_all()


class _Transfer:
    def __init__(self, run: JobRun, total_bytes: int) -> None:
        self._run = run
        self._total_bytes = total_bytes
        self._stop = threading.Event()
        self._waiting = deque(run.plans)
        self._active: list[_Active] = []
        self._closed: list[_Active] = []
        self._finished: list[FinishedDisk] = []
        self._resumed_bytes = 0  # read by earlier attempts: progress, but no rate of this one
        self._speed: deque[tuple[float, int]] = deque()
        # What is lost without any checkpoint is everything, so that the first one comes early.
        wait = CHECKPOINT_EVERY_SECONDS - FIRST_CHECKPOINT_SECONDS
        self._checkpointed_at, self._checkpointed_bytes = time.monotonic() - wait, 0
        self._read, self._read_at = 0, time.monotonic()  # when the last byte came
        self._sampler = Sampler(run.job.pk, run.job.attempt, begin_at=time.monotonic())

    def run_all(self) -> list[FinishedDisk]:
        with (
            ThreadPoolExecutor(PARALLEL_DISKS, thread_name_prefix="disk") as disks,
            ThreadPoolExecutor(PARALLEL_DISKS, thread_name_prefix="flush") as flushes,
        ):
            try:
                self._run.keep_to_bandwidth()
                while self._waiting or self._active:
                    self._begin_more(disks)
                    self._wait()
                    self._report()
                    self._checkpoint_when_due(flushes)
            except BaseException as reason:
                self._stop.set()
                # A cancelled job keeps nothing; a worker without the lease must touch nothing.
                self._abort(flushes, keep=not isinstance(reason, LeaseLost | JobCancelled))
                if isinstance(reason, HandedOver):
                    self._let_go()
                raise
        return self._finished

    def _begin_more(self, disks: ThreadPoolExecutor) -> None:
        while self._waiting and len(self._active) < PARALLEL_DISKS:
            self._run.check()
            seat = self._run.seats.next()
            if seat is None:  # asked again at the next report
                return
            active = self._open(self._waiting.popleft(), seat)
            self._active.append(active)
            active.work = disks.submit(copy_context().run, active.finish)

    def _open(self, plan: DiskPlan, seat: Seat) -> _Active:
        """Source, image (a new one, or an earlier attempt's) and the copy between them."""
        run = self._run
        source = open_source(run, plan, seat)
        kept = images.open_or_begin(run, plan)
        image = kept.image
        writer: WritableImage | None = None
        try:
            run.log(_begins(plan, image, run.job.attempt))
            writer = run.storage.open(layers_of(image, unfinished=True))
            images.record_writer(image, writer.process)
            way = WAYS[run.transport]
            copy = DiskCopy(
                source,
                writer,
                plan.extents,
                start_offset=image.checkpoint_bytes,
                compare=plan.sync_type == SyncType.CHECKSUM,
                connections=way.threads,
                requests_together=way.requests_together,
                digests=kept.digests,
                chunks=kept.chunks,
                below=kept.below,
                stop=self._stop,
                throttle=run.throttle,
            )
        except BaseException:
            if writer is not None:
                writer.kill()
            kept.close()
            raise
        self._resumed_bytes += copy.bytes_done
        return _Active(plan, seat, kept, source, writer, copy)

    def _wait(self) -> None:
        works = [active.work for active in self._active if active.work]
        wait(works, timeout=PROGRESS_EVERY_SECONDS, return_when=FIRST_COMPLETED)
        for active in [it for it in self._active if it.work and it.work.done()]:
            self._finish(active)

    def _finish(self, active: _Active) -> None:
        """A disk's thread ended: raise its failure, or note that the disk is done."""
        assert active.work is not None  # noqa: S101  it was submitted
        finished = active.work.result()
        self._save_checkpoint(active)
        self._active.remove(active)
        self._closed.append(active)
        self._run.seats.give_back(active.seat, wanted=bool(self._waiting))
        self._finished.append(finished)
        result = finished.result
        self._run.log(
            f"{active.plan.disk.disk_id}: {result.bytes_read:,} bytes read in {active.seconds:.1f}"
            f" seconds: {result.bytes_written:,} written, {result.bytes_zero:,} zero,"
            f" {result.bytes_same:,} unchanged."
        )

    def _report(self) -> None:
        """Report progress; also notices a cancel, a lost lease, or another limit of bandwidth."""
        self._run.check()
        stopping.require_not_asked("Another one goes on from the checkpoint.")
        self._run.keep_to_bandwidth()
        now = time.monotonic()
        of_disks = [(active, active.copy.bytes_done) for active in self._active]
        done = sum(disk.plan.planned_bytes for disk in self._finished)
        done += sum(read for _, read in of_disks)
        self._record(now, of_disks, min(done, self._total_bytes), done - self._resumed_bytes)

    def _record(
        self, now: float, of_disks: Sequence[tuple[_Active, int]], done: int, read: int
    ) -> None:
        """Write the progress of the disks and the job, and now and then a sample, in one
        transaction under one check of the lease."""
        self._require_progress(now, read)
        self._speed.append((now, read))
        while now - self._speed[0][0] > SPEED_OVER_SECONDS:
            self._speed.popleft()
        seconds = now - self._speed[0][0]
        speed = (read - self._speed[0][1]) / seconds if seconds else None
        over = not self._waiting and not self._active
        with transaction.atomic():
            self._run.update(
                bytes_transferred=done,
                transfer_speed_bps=None if speed is None else round(speed),
            )
            for active, bytes_read in of_disks:
                DiskImage.objects.filter(pk=active.image.pk, state=ImageState.WRITING).update(
                    transferred_bytes=bytes_read, transfer_seconds=active.seconds
                )
            if over or self._sampler.is_due(now):
                self._sampler.sample(now, bytes_transferred=done, bytes_read=read)

    def _require_progress(self, now: float, read: int) -> None:
        """Raise if no bytes arrived for too long: this thread loops whether bytes arrive or not."""
        if read > self._read:
            self._read, self._read_at = read, now
        elif self._run.guard.is_too_long(now - self._read_at):
            raise TryAgain(
                f"{self._run.vm.name}: no bytes were copied for {now - self._read_at:.0f} seconds."
                " Check the source's datastore and the repository's storage."
            )

    def _checkpoint_when_due(self, flushes: ThreadPoolExecutor) -> None:
        """Start new checkpoints, and save the offsets of finished ones."""
        for active in self._active:
            if active.flush is not None and active.flush.done():
                active.flush.result()  # raises what went wrong
                active.flush = None
                self._save_checkpoint(active)
        now = time.monotonic()
        read = self._read - self._checkpointed_bytes
        is_many = read >= CHECKPOINT_EVERY_BYTES
        if now - self._checkpointed_at < CHECKPOINT_EVERY_SECONDS and not is_many:
            return
        self._checkpointed_at, self._checkpointed_bytes = now, self._read
        for active in self._active:
            if active.flush is None:
                active.flush = flushes.submit(copy_context().run, active.checkpoint)

    def _save_checkpoint(self, active: _Active) -> None:
        """Record that everything below the offset is permanent."""
        self._run.guard.check()
        saved = DiskImage.objects.filter(
            pk=active.image.pk,
            state=ImageState.WRITING,
            job__leases__token=self._run.lease.token,
        ).update(
            checkpoint_bytes=active.permanent_to,
            transferred_bytes=active.copy.bytes_done,
            transfer_seconds=active.seconds,
            updated_at=Now(),
        )
        if not saved:
            raise LeaseLost(f"image {active.image.pk} belongs to another worker")

    def _abort(self, flushes: ThreadPoolExecutor, *, keep: bool) -> None:
        """Stop all copies. With `keep`, what is there is made permanent for the next attempt, if
        that does not take too long. A copy that hangs is ended with its source and its daemon."""
        works = [it.work for it in self._active if it.work]
        try:
            if keep:
                wait(works, timeout=STOP_SECONDS)
                self._keep(flushes)
        finally:
            for active in self._active:
                active.source.abort()
                active.writer.kill()
            wait(works, timeout=STOP_SECONDS)
            for active in self._active:
                active.kept.close()

    def _let_go(self) -> None:
        """Whoever goes on may be on another machine, and cannot see that nobody writes any more."""
        for active in (*self._closed, *(it for it in self._active if it.is_kept)):
            images.let_go(active.image, active.writer.process, self._run.lease)

    def _keep(self, flushes: ThreadPoolExecutor) -> None:
        """A last checkpoint of every disk whose copy has stopped."""
        stopped = [it for it in self._active if it.work and it.work.done()]
        last = {flushes.submit(copy_context().run, active.checkpoint): active for active in stopped}
        wait(last, timeout=STOP_SECONDS)
        for flush, active in last.items():
            try:
                if flush.done():
                    flush.result()
                    self._save_checkpoint(active)
                    active.is_kept = True
            except (EngineError, LeaseLost, DatabaseProblem) as problem:
                log.warning("could not write a last checkpoint of %s: %s", active.image, problem)
