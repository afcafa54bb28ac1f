"""Removing recovery points: what happens to the files, and in which order (decision 0016).

Everything here can be killed at any point. Whoever takes the context's lease next goes on: the next
run, or the next job's Prepare.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from functools import partial

from django.db import InterfaceError, OperationalError, connection
from django.db.models import Exists, Q
from django.db.models.functions import Now

from contexts.models import VMContext
from replication import messages
from replication.engine.errors import (
    EngineError,
    ImageAltered,
    ImageDamaged,
    ImageMissing,
    RepositoryFull,
    TargetError,
)
from replication.engine.processes import is_alive
from replication.engine.target import Layer, Target
from replication.errors import LeaseLost, RemovalWaits
from replication.models import DiskImage, ImageMerge, PointRemoval, Repository
from replication.retention import steps
from replication.retention.standing import MOST_IMAGES, Standing
from replication.selectors.replica import layers_of
from replication.services import damages, leases
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
from replication.sync import removing
from replication.sync.guard import Guard
from replication.sync.removing import Holder

log = logging.getLogger(__name__)

LOOK_AT = 100  # the number of VMs that one run looks at
STALLED_EXIT_CODE = 75


class _Run:
    """The run of the storage worker."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    def check(self) -> None:
        self.guard.check()


def due() -> list[str]:
    """The contexts with a removal that may go on now, the longest waiting first."""
    wanted = (
        PointRemoval.objects.exclude(state=RemovalState.DONE)
        .filter(Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=Now()))
        .filter(~Exists(leases.live_lease()))
    )
    # Of a point that is on its way out the rows may be behind the files: that comes first.
    ordered = wanted.order_by("state", "id").values_list("vm_context", flat=True)
    return list(dict.fromkeys(ordered))[:LOOK_AT]


def run_next() -> str | None:
    """Remove points of the next context that has any to remove; returns its ID, or None."""
    for context_id in due():
        lease = leases.acquire(context_id, LeaseHolder.RETENTION)
        if lease is not None:
            _run(context_id, lease)
            return context_id
    return None


def _run(context_id: str, lease: Lease) -> None:
    context = VMContext.objects.get(pk=context_id)
    used = list(Repository.objects.filter(images__vm_context=context).distinct())
    try:
        with Guard(lease, on_stall=_end_process, is_away=partial(_is_away, used)) as guard:
            _remove_all(context, _Run(guard))
        leases.release(lease)
    except LeaseLost as reason:
        log.error("removing recovery points of %s stopped at once: %s", context_id, reason)
    except (OperationalError, InterfaceError):
        log.exception("removing recovery points of %s stopped: the database is away", context_id)
        connection.close()
    else:
        messages.hint_job()


def _end_process() -> None:
    os._exit(STALLED_EXIT_CODE)


def _is_away(repositories: list[Repository]) -> bool:
    return any(looks.look(repository).problem for repository in repositories)


def _remove_all(context: VMContext, holder: Holder) -> None:
    """One point after the other, as long as no job wants the VM."""
    while (removal := _next(context.pk)) is not None:
        if (problem := _attempt(removal, holder)) or _is_wanted(context):
            log.log(
                logging.WARNING if problem else logging.INFO,
                *(
                    "removing recovery points of %s ends for now: %s",
                    context.pk,
                    problem or "a job",
                ),
            )
            return


def _is_wanted(context: VMContext) -> bool:
    """Whether a job wants the VM: it may wait for the lease."""
    context.refresh_from_db(fields=["current_job"])
    return context.current_job_id is not None


def _next(context_id: str) -> PointRemoval | None:
    """What is to be done next. What has to wait says so."""
    left = PointRemoval.objects.filter(vm_context=context_id).exclude(state=RemovalState.DONE)
    by_point = {
        removal.recovery_point_id: removal
        # Of two that are under way the upper one ends first.
        for removal in left.select_related("recovery_point", "vm_context").order_by(
            "-recovery_point"
        )
    }
    if not by_point:
        return None
    standing, going = Standing(context_id), set[int]()
    for point, removal in by_point.items():
        if removal.state == RemovalState.UNDER_WAY:
            if why := _why_it_stands_still(removal, standing):
                steps.waits(removal, why)
            else:
                return removal if _is_due(removal) else None
        elif why := standing.why_it_waits(point):
            steps.waits(removal, why)
        elif _is_due(removal):
            going.add(point)
    ordered = standing.chains.in_order(going)
    return by_point[ordered[0].point] if ordered else None


def _is_due(removal: PointRemoval) -> bool:
    left = PointRemoval.objects.filter(pk=removal.pk)
    return left.filter(Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=Now())).exists()


def _why_it_stands_still(removal: PointRemoval, standing: Standing) -> str:
    """Why the removal that is under way cannot go on; empty if it can."""
    if standing.is_below_one_that_goes(removal.recovery_point_id):
        return standing.one_above_words
    # What was merged and read again only has to take its name.
    is_certain = removal.merges.filter(stage=MergeStage.MERGED).exists()
    if not is_certain and standing.is_stuck(removal.recovery_point_id):
        return standing.damaged_words
    return ""


def resume(context: VMContext, holder: Holder) -> str:
    """Finish the removals that are under way, the upper one first; returns why one could not be.
    One that is stuck is left alone: the next job's chain begins anew."""
    under_way = PointRemoval.objects.filter(vm_context=context, state=RemovalState.UNDER_WAY)
    newest_first = under_way.select_related("recovery_point", "vm_context")
    for removal in newest_first.order_by("-recovery_point"):
        if _why_it_stands_still(removal, Standing(context.pk)):
            continue
        if problem := _attempt(removal, holder):
            return problem
    return ""


def must_end_first(context: VMContext) -> bool:
    """Whether the files of a removal that is under way may not be what the rows of other images
    say."""
    merges = ImageMerge.objects.filter(removal__vm_context=context).select_related("image", "child")
    standing = Standing(context.pk)
    for merge in merges.exclude(stage__in=[MergeStage.PLANNED, MergeStage.DONE]):
        grows = merge.child is not None and merge.image.capacity_bytes < merge.child.capacity_bytes
        if merge.stage == MergeStage.MERGED or (
            grows and not standing.is_stuck(merge.image.recovery_point_id or 0)
        ):
            return True
    return False


def will_be_shortened(context: VMContext) -> bool:
    """Whether the chain that the next replication would be based on is full, and a point of it can
    be removed."""
    wanted = PointRemoval.objects.filter(vm_context=context, state=RemovalState.WANTED)
    points = list(wanted.values_list("recovery_point", flat=True))
    if not points:
        return False
    standing = Standing(context.pk)
    return standing.longest_chain() >= MOST_IMAGES and any(
        standing.is_below_the_newest(point) and not standing.why_it_waits(point) for point in points
    )


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
    if removal.state == RemovalState.WANTED:
        _look(removal, holder)
        steps.begin(removal, lease)
    merges = ImageMerge.objects.filter(removal=removal).order_by("image__position")
    for merge in merges.select_related("image__repository", "child"):
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
            _require_as_recorded(storage, layers_of(child))
            free, needed = storage.room().free_bytes, child.allocated_bytes or 0
            if free < needed:
                raise RepositoryFull(
                    f"{image.repository.name} has {free:,} bytes left. Merging {child.locator} may"
                    f" take {needed:,} until it is done: make room."
                )


def _require_as_recorded(storage: Target, chain: list[Layer]) -> None:
    """Raises ImageAltered, and what `Target.differences` raises."""
    for number, layer in enumerate(chain):
        if found := storage.differences(chain[number:]):
            words = ", and ".join(difference.words for difference in found)
            raise ImageAltered(
                f"{layer.locator} is not what vmrep wrote: it {words}. Nothing was merged.",
                locator=layer.locator,
            )


def _merge(merge: ImageMerge, holder: Holder) -> None:
    """What is left to do with one image. Each step can be repeated."""
    child, lease = merge.child, holder.guard.lease
    if child is None:
        return  # the file just goes, or has gone
    storage, chain = target(merge.image.repository), layers_of(child)
    if merge.stage != MergeStage.MERGED:
        _require_no_writer(merge)
        steps.merging(merge, lease)
        storage.expect(chain, (_known(child), _known(merge.image)))
        holder.check()
        storage.merge(chain, on_start=partial(steps.writing, merge), on_wait=_checking(holder))
        read_again = storage.check_merged(chain, on_wait=_checking(holder))
        steps.merged(merge, read_again.digest, lease)
    holder.check()
    steps.may_take_name(merge, lease)
    sealed = storage.take_name(chain)
    steps.switched(merge, sealed, lease)


def _checking(holder: Holder) -> partial[None]:
    return partial(_check, holder)


def _check(holder: Holder, share_done: float) -> None:
    holder.check()


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
