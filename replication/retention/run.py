"""Removing recovery points: what happens to the files, and in which order (decision 0016).

Everything here can be killed at any point. Whoever takes the context's lease next goes on: the next
run, or the next job's Prepare.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from functools import partial

from django.db import InterfaceError, OperationalError, connection

from contexts import log_lines
from contexts.database_errors import own_words
from contexts.models import VMContext
from contexts.text import binary
from replication import messages
from replication.engine.errors import (
    EngineError,
    ImageDamaged,
    ImageMissing,
    RepositoryFull,
    TargetError,
)
from replication.engine.processes import is_alive
from replication.engine.target import Target
from replication.errors import HandedOver, LeaseLost, RemovalWaits
from replication.manifests import writing as manifests
from replication.models import DiskImage, ImageMerge, PointRemoval, Repository
from replication.retention import steps, stuck, turns
from replication.retention.standing import MOST_IMAGES, Standing
from replication.selectors.damages import damage_of_chain
from replication.selectors.replica import layers_of, watched_layers
from replication.services import commits, damages, leases
from replication.services.leases import Lease
from replication.states import (
    DamageFinder,
    ImageState,
    LeaseHolder,
    MergeStage,
    RemovalState,
)
from replication.storage import looks
from replication.storage.targets import target
from replication.sync import removing, stopping, watch
from replication.sync.guard import Guard
from replication.sync.removing import Holder

log = logging.getLogger(__name__)

STALLED_EXIT_CODE = 75
PROGRESS_EVERY_SECONDS = 5.0


class _Run:
    """The run of the storage worker."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    def check(self) -> None:
        self.guard.check()
        stopping.require_not_asked("Another one goes on with the removal.")


def run_next() -> str | None:
    """Remove points of the next context of which any can go; returns its ID, or None."""
    for context_id in [] if stopping.is_asked() else turns.due():
        lease = leases.acquire(context_id, LeaseHolder.RETENTION)
        if lease is not None and _run(context_id, lease):
            return context_id
    return None


def _run(context_id: str, lease: Lease) -> bool:
    """Whether there was anything to do."""
    context = VMContext.objects.select_related("vcenter").get(pk=context_id)
    with log_lines.of_vm(context):
        return _run_under(lease, context)


def _run_under(lease: Lease, context: VMContext) -> bool:
    used = list(Repository.objects.filter(images__vm_context=context).distinct())
    try:
        with Guard(lease, on_stall=_end_process, is_away=partial(_is_away, used)) as guard:
            has_tried = _remove_all(context, _Run(guard))
        leases.release(lease)
    except HandedOver as reason:
        log.info("removing recovery points of %s: %s", context.pk, reason)
        leases.release(lease)
        messages.hint_retention()
    except LeaseLost as reason:
        log.error("removing recovery points of %s stopped at once: %s", context.pk, reason)
    except (OperationalError, InterfaceError):
        log.exception("removing recovery points of %s stopped: the database is away", context.pk)
        connection.close()
    else:
        messages.hint_job()
        return has_tried
    return True


def _end_process() -> None:
    os._exit(STALLED_EXIT_CODE)


def _is_away(repositories: list[Repository]) -> bool:
    return any(looks.look(repository).problem for repository in repositories)


def _remove_all(context: VMContext, holder: Holder) -> bool:
    """One point after the other, as long as no job wants the VM. Whether there was any."""
    has_tried = False
    for one in turns.stuck(context.pk):
        stuck.look_again(one, holder)
    while (removal := turns.next_removal(context.pk)) is not None:
        has_tried = True
        if (problem := _attempt_noting_all(removal, holder)) or _is_wanted(context):
            level = logging.WARNING if problem else logging.INFO
            why = problem or "a job"
            log.log(level, "removing recovery points of %s ends for now: %s", context.pk, why)
            break
    return has_tried


def _is_wanted(context: VMContext) -> bool:
    """Whether a job wants the VM: it may wait for the lease."""
    context.refresh_from_db(fields=["current_job"])
    return context.current_job_id is not None


def resume(context: VMContext, repository_id: int, holder: Holder) -> str:
    """Finish the removals that are under way in a repository, the upper one first; returns why one
    could not be. One that is stuck is left alone: the next job's chain begins anew. What is in
    another repository, from where the VM was moved, is nothing that the next job is based on."""
    under_way = PointRemoval.objects.filter(
        vm_context=context,
        state=RemovalState.UNDER_WAY,
        recovery_point__repository=repository_id,
    )
    newest_first = under_way.select_related("recovery_point", "vm_context")
    for removal in newest_first.order_by("-recovery_point_id"):
        if turns.why_it_waits(removal, Standing(context.pk)):
            continue
        if problem := _attempt(removal, holder):
            return problem
    return ""


def must_end_first(context: VMContext, repository_id: int) -> bool:
    """Whether the files of a removal that is under way in a repository may not be what the rows of
    other images say. Nothing will be based on a damaged one, whose rows may say what they want."""
    merges = ImageMerge.objects.filter(
        removal__vm_context=context, image__repository=repository_id
    ).select_related("image", "child")
    standing = Standing(context.pk)
    for merge in merges.filter(stage__in=[MergeStage.MERGING, MergeStage.MERGED]):
        child = merge.child
        if child is None or standing.is_damaged(child.pk):
            continue
        grows = merge.image.capacity_bytes < child.capacity_bytes
        if merge.stage == MergeStage.MERGED or grows:
            return True
    return False


def will_be_shortened(context: VMContext, repository_id: int) -> bool:
    """Whether the chain that the next replication into that repository would be based on is full,
    and a point of it can be removed."""
    wanted = PointRemoval.objects.filter(vm_context=context, state=RemovalState.WANTED)
    points = list(wanted.values_list("recovery_point", flat=True))
    if not points:
        return False
    standing = Standing(context.pk)
    return standing.longest_chain(repository_id) >= MOST_IMAGES and any(
        standing.is_below_the_newest(point, repository_id) and not standing.why_it_waits(point)
        for point in points
    )


def _attempt_noting_all(removal: PointRemoval, holder: Holder) -> str:
    """As `_attempt`. Whatever else goes wrong is noted, too: else nobody would know why it is tried
    again and again."""
    try:
        return _attempt(removal, holder)
    except (LeaseLost, HandedOver, OperationalError, InterfaceError):
        raise
    except Exception as problem:
        log.exception("%s failed", removal)
        why = f"Unexpected error: {own_words(problem)} The log of the worker says where."
        steps.failed(removal, why)
        return why


def _attempt(removal: PointRemoval, holder: Holder) -> str:
    """Remove the point, or go on with it; returns why that failed."""
    try:
        _remove(removal, holder)
    except RemovalWaits as problem:
        steps.waits(removal, str(problem))
        return str(problem)
    except EngineError as problem:
        holder.guard.check()
        _note_damage(removal, problem)
        steps.failed(removal, str(problem))
        return str(problem)
    return ""


def _remove(removal: PointRemoval, holder: Holder) -> None:
    lease = holder.guard.lease
    begins = removal.state == RemovalState.WANTED
    if begins:
        _look(removal, holder)
        steps.begin(removal, lease)
    merges = ImageMerge.objects.filter(removal=removal).order_by("image__position")
    left = list(merges.select_related("image__repository", "child"))
    if not begins:  # time has passed since the look
        for merge in left:
            if merge.child is not None and merge.stage == MergeStage.PLANNED:
                storage = target(merge.image.repository)
                _require_as_recorded(storage, merge.child)
                _read_child(storage, merge.child, holder)
    # The repository says that the point is going before the files of its images change.
    manifests.write(removal.vm_context_id, removal.recovery_point.repository_id)
    # Whatever keeps the others: what is certain takes its name.
    for merge in sorted(left, key=lambda merge: merge.stage != MergeStage.MERGED):
        _merge(merge, holder)
    steps.finish(removal, lease)
    # Before anything else is removed; should it fail, the clean-up goes on with it.
    going = DiskImage.objects.filter(recovery_point=removal.recovery_point_id)
    for image in going.select_related("repository").order_by("-id"):
        if not DiskImage.objects.filter(parent=image).exists():
            removing.discard_image(image, holder)


def _look(removal: PointRemoval, holder: Holder) -> None:
    """Before anything is changed: the files are what the rows say, and there is room."""
    images = DiskImage.objects.filter(recovery_point=removal.recovery_point_id)
    for image in images.select_related("repository"):
        storage = target(image.repository)
        storage.check()
        for child in DiskImage.objects.filter(parent=image, state=ImageState.COMMITTED):
            holder.check()
            _require_as_recorded(storage, child)
            free, needed = storage.room().free_bytes, child.allocated_bytes or 0
            if free < needed:
                raise RepositoryFull(
                    f"{image.repository.name} has {binary(free)} left. Merging {child.locator} may"
                    f" take {binary(needed)} until it is done: make room."
                )
            _read_child(storage, child, holder)


def _read_child(storage: Target, child: DiskImage, holder: Holder) -> None:
    """What has rotted in it must not get into the image below, which may be the newest that can be
    used. Raises ImageDamaged."""
    storage.check_child(layers_of(child), _known(child), on_wait=lambda _: holder.check())


def _require_as_recorded(storage: Target, child: DiskImage) -> None:
    """The child and all that it is based on. Raises the first damage. What is only in doubt may be
    merged: what is merged is read again, and what comes of it is in doubt, too."""
    problems = watch.problems(storage, watched_layers(child))
    doubted = [problem.locator for problem in problems if watch.is_doubt(problem)]
    if len(doubted) < len(problems):
        raise problems[0]
    if doubted:
        commits.keep_doubt(child.vm_context_id, doubted)


def _merge(merge: ImageMerge, holder: Holder) -> None:
    """What is left to do with one image. Each step can be repeated."""
    child, lease = merge.child, holder.guard.lease
    if child is None:
        return  # the file just goes, or has gone
    storage, chain = target(merge.image.repository), layers_of(child)
    if merge.stage != MergeStage.MERGED:
        if damage_of_chain(child):
            raise RemovalWaits(Standing.damaged_words)
        _require_no_writer(merge)
        steps.merging(merge, lease)
        storage.expect(chain, (_known(child), _known(merge.image)))
        map_digest = storage.expect_map(chain, (child.map_digest, merge.image.map_digest))
        holder.check()
        on_start, progress = partial(steps.writing, merge, lease), _Progress(merge, holder)
        storage.merge(chain, on_start=on_start, on_wait=progress.of_writing)
        read_again = storage.check_merged(chain, on_wait=progress.of_reading)
        steps.merged(merge, read_again.digest, map_digest, lease)
    holder.check()
    steps.may_take_name(merge, lease)
    sealed = storage.take_name(chain)
    steps.switched(merge, sealed, lease)


class _Progress:
    """Tells now and then how far a merge has come, and asks each time whether it may go on."""

    def __init__(self, merge: ImageMerge, holder: Holder) -> None:
        self._merge, self._holder = merge, holder
        self._told, self._told_at = 0, time.monotonic()

    def of_writing(self, share: float) -> None:
        self._tell(share * 50)

    def of_reading(self, share: float) -> None:
        self._tell(50 + share * 50)

    def _tell(self, percent: float) -> None:
        self._holder.check()
        now = time.monotonic()
        if int(percent) > self._told and now - self._told_at >= PROGRESS_EVERY_SECONDS:
            self._told, self._told_at = min(int(percent), 100), now
            steps.progress(self._merge, self._holder.guard.lease, self._told)


def _known(image: DiskImage) -> str:
    """The digest over what is known of the image's file."""
    return image.merged_digest or image.digest


def _require_no_writer(merge: ImageMerge) -> None:
    """A paused worker's own qemu-img may still write: qemu's lock keeps a second one out, where the
    storage has locks."""
    if merge.writer_host != leases.this_host() or merge.writer_pid is None:
        return
    if is_alive(merge.writer_pid, merge.writer_start_time or 0, merge.writer_boot_id):
        raise TargetError(
            f"The qemu-img of an earlier attempt (process {merge.writer_pid}) still writes to"
            f" {merge.image.locator}."
        )


def _note_damage(removal: PointRemoval, problem: EngineError) -> None:
    if isinstance(problem, ImageMissing | ImageDamaged):
        for repository_id in _repositories(removal):
            damages.mark_file(removal.vm_context_id, repository_id, problem, DamageFinder.RETENTION)


def _repositories(removal: PointRemoval) -> Iterator[int]:
    images = DiskImage.objects.filter(recovery_point=removal.recovery_point_id)
    yield from images.order_by().values_list("repository", flat=True).distinct()
