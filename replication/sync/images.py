"""The image that a disk is written to: its row is committed before its file is created."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from django.db import transaction
from django.db.models.functions import Now

from replication.engine.errors import EngineError, ImageDamaged
from replication.engine.processes import ProcessIdentity, is_alive, this_boot_id
from replication.engine.target import ChunkDigests, ChunksBelow, Digests
from replication.models import DiskImage
from replication.selectors.replica import layers_of, maps_below
from replication.services import leases
from replication.services.leases import Lease
from replication.states import ImageState
from replication.sync import removing
from replication.sync.job_run import DiskPlan, JobRun

log = logging.getLogger(__name__)

LET_GO_SECONDS = 5.0


class Kept(NamedTuple):
    """What is kept of a disk that is being copied. `chunks`: None where an image below has no map
    yet; `below`: the map of the image that it is based on, None for a root."""

    image: DiskImage
    digests: Digests
    chunks: ChunkDigests | None
    below: ChunksBelow | None

    def close(self) -> None:
        """After a copy has stopped, too: what stopped it is reported, not what follows."""
        for each in (self.digests, self.chunks, self.below):
            try:
                if each is not None:
                    each.close()
            except EngineError as problem:
                log.warning("could not close the digests of a copy: %s", problem)


def open_or_begin(run: JobRun, plan: DiskPlan) -> Kept:
    """Resume an earlier attempt's file if that is safe, else begin a new one."""
    earlier = DiskImage.objects.filter(job=run.job, disk=plan.disk, state=ImageState.WRITING)
    for image in earlier:
        if _can_resume(run, plan, image):
            try:
                return _kept(run, plan, image)
            except ImageDamaged:
                pass  # the attempt ended before its first checkpoint: begin a new file
        run.log(f"{plan.disk.disk_id}: the copy cannot resume the file of attempt {image.attempt}.")
        removing.discard_image(image, run)
    return _begin(run, plan)


def _can_resume(run: JobRun, plan: DiskPlan, image: DiskImage) -> bool:
    """The same plan, from the same snapshot, into a file that no process is still writing."""
    same_plan = (
        image.snapshot_moref == run.taken_snapshot.moref
        and image.change_id == plan.source.change_id
        and image.previous_change_id == plan.previous_change_id
        and image.sync_type == plan.sync_type
        and image.capacity_bytes == plan.source.capacity_bytes
        and image.planned_bytes == plan.planned_bytes
        and image.parent_id == (plan.parent.pk if plan.parent else None)
    )
    if not same_plan or not run.storage.exists(image.temporary_locator):
        return False
    if not image.writer_host and image.checkpoint_bytes:
        return True  # it was let go
    if image.writer_host != _this_host():
        # Another machine, or a container on this machine with its own process IDs: what the
        # checkpoint covers is on the disk, but whether that process still writes is not known here.
        return False
    if image.writer_boot_id != this_boot_id():
        # The machine was started anew since, so that process is gone; the checkpoint was durable.
        return bool(image.writer_boot_id and image.checkpoint_bytes)
    if image.writer_pid is None or image.writer_start_time is None:
        return False
    return not is_alive(image.writer_pid, image.writer_start_time, image.writer_boot_id)


def _kept(run: JobRun, plan: DiskPlan, image: DiskImage) -> Kept:
    """Raises ImageDamaged where there is nothing to resume, or a map below is not as recorded."""
    with ExitStack() as opened:
        at = image.temporary_locator, image.checkpoint_bytes
        digests = run.storage.open_digests(*at)
        opened.callback(digests.close)
        mapped = maps_below(image.disk_id, image.parent_id)
        if not all(digest for _, digest in mapped):
            opened.pop_all()
            return Kept(image, digests, None, None)
        below = None
        if mapped:
            layers, map_digests = zip(*mapped, strict=True)
            below = run.storage.chunk_map(layers, map_digests)
            opened.callback(below.close)
        chunks = run.storage.open_chunks(at[0], image.capacity_bytes, at[1])
        opened.pop_all()
        return Kept(image, digests, chunks, below)


def _begin(run: JobRun, plan: DiskPlan) -> Kept:
    run.check()
    with transaction.atomic():
        leases.require(run.lease)  # a worker that was paused must not begin anything
        image = DiskImage.objects.create(
            repository_id=run.job.repository_id,
            vm_context=run.context,
            disk=plan.disk,
            job=run.job,
            parent=plan.parent,
            attempt=run.job.attempt,
            locator=f"{run.context.pk}/{plan.disk.disk_id}/{run.job.pk}.{run.job.attempt}.qcow2",
            sync_type=plan.sync_type,
            capacity_bytes=plan.source.capacity_bytes,
            planned_bytes=plan.planned_bytes,
            plan_note=plan.note,
            change_id=plan.source.change_id,
            previous_change_id=plan.previous_change_id,
            snapshot_moref=run.taken_snapshot.moref,
            extent_count=len(plan.extents),
            extent_map=plan.extent_map,
        )
    run.storage.create(layers_of(image, unfinished=True), may_begin=partial(_require_lease, run))
    return _kept(run, plan, image)


def _require_lease(run: JobRun) -> None:
    """Asked of the database: the clock of a virtual machine that was paused stood still, too."""
    run.guard.check()
    with transaction.atomic():
        leases.require(run.lease)


def record_writer(image: DiskImage, process: ProcessIdentity) -> None:
    """Which process writes the file, so that a later attempt can see that it is gone."""
    DiskImage.objects.filter(pk=image.pk).update(
        writer_host=_this_host(),
        writer_pid=process.pid,
        writer_start_time=process.start_time,
        writer_boot_id=process.boot_id,
        updated_at=Now(),
    )


def let_go(image: DiskImage, process: ProcessIdentity, lease: Lease) -> None:
    """Nobody writes the file any more, and all that was written is permanent: any worker that
    reaches it can resume it. Not said where the writer's process does not end."""
    deadline = time.monotonic() + LET_GO_SECONDS
    while is_alive(process.pid, process.start_time, process.boot_id):
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)
    DiskImage.objects.filter(
        pk=image.pk, state=ImageState.WRITING, job__leases__token=lease.token
    ).update(
        writer_host="",
        writer_pid=None,
        writer_start_time=None,
        writer_boot_id="",
        updated_at=Now(),
    )


def _this_host() -> str:
    return leases.this_worker().partition(":")[0]
