"""The steps of a removal in the database. Each is one transaction under the context's lease, and
compares before it sets: whoever comes late changes nothing (LeaseLost).

The rows and the files agree after each step, or the rows say that they may not: between the
renaming of a merged file and `switched`, its row still names the removed image as its parent.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F, Q, Sum
from django.db.models.functions import Coalesce, Now

from contexts import trail
from contexts.models import VMContext
from contexts.services import statuses
from contexts.services.transactions import one_transaction
from contexts.text import storable
from contexts.trail import Kind, Verb
from replication.engine.processes import ProcessIdentity
from replication.engine.target import SealedImage
from replication.errors import LeaseLost, RemovalWaits
from replication.models import DiskImage, ImageMerge, PointRemoval, RecoveryPoint
from replication.retention.standing import Standing
from replication.services import commits, damages, leases
from replication.services.leases import Lease
from replication.states import (
    ImageState,
    MergeStage,
    RecoveryPointState,
    RemovalState,
    RemovalWhy,
)

BACK_OFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=1))
LOOK_AGAIN_AFTER = timedelta(minutes=10)
"""When a removal that waits for something is considered again."""


@one_transaction
def begin(removal: PointRemoval, lease: Lease) -> None:
    """The point is expiring from now on. Raises RemovalWaits when it may not go now."""
    leases.require(lease)
    standing = Standing(removal.vm_context_id)
    if why := standing.why_it_waits(removal.recovery_point_id):
        raise RemovalWaits(why)
    points = RecoveryPoint.objects.filter(pk=removal.recovery_point_id)
    _one(
        points.filter(state=RecoveryPointState.AVAILABLE).update(state=RecoveryPointState.EXPIRING)
    )
    _one(
        PointRemoval.objects.filter(pk=removal.pk, state=RemovalState.WANTED).update(
            state=RemovalState.UNDER_WAY, started_at=Now(), problem="", updated_at=Now()
        )
    )
    images = DiskImage.objects.filter(recovery_point=removal.recovery_point_id)
    for key in images.order_by("position").values_list("pk", flat=True):
        child = next((it.key for it in standing.chains.children(key)), None)
        stage = MergeStage.DONE if child is None else MergeStage.PLANNED
        ImageMerge.objects.create(removal=removal, image_id=key, child_id=child, stage=stage)
    touch(removal.vm_context_id)


@one_transaction
def take_back(removal: PointRemoval, lease: Lease) -> None:
    """The removal is only wanted again, and its point as good as before. Does nothing where a file
    may have been changed, or has nothing to be merged with."""
    leases.require(lease)
    if removal.merges.exclude(stage=MergeStage.PLANNED).exists():
        return
    removal.merges.all().delete()
    points = RecoveryPoint.objects.filter(pk=removal.recovery_point_id)
    _one(
        points.filter(state=RecoveryPointState.EXPIRING).update(state=RecoveryPointState.AVAILABLE)
    )
    _one(
        PointRemoval.objects.filter(pk=removal.pk, state=RemovalState.UNDER_WAY).update(
            state=RemovalState.WANTED, started_at=None, updated_at=Now()
        )
    )
    damages.settle(removal.vm_context_id)
    touch(removal.vm_context_id)


@one_transaction
def merging(merge: ImageMerge, lease: Lease) -> None:
    """The image's file is about to be changed."""
    leases.require(lease)
    mine = ImageMerge.objects.filter(
        pk=merge.pk, stage__in=[MergeStage.PLANNED, MergeStage.MERGING]
    )
    _one(mine.update(stage=MergeStage.MERGING, done_percent=0, updated_at=Now()))
    merge.stage = MergeStage.MERGING


@one_transaction
def writing(merge: ImageMerge, lease: Lease, process: ProcessIdentity) -> None:
    """Which process writes the file, so that whoever comes later can see that it is gone."""
    leases.require(lease)
    mine = ImageMerge.objects.filter(pk=merge.pk, stage=MergeStage.MERGING)
    _one(
        mine.update(
            writer_host=leases.this_host(),
            writer_pid=process.pid,
            writer_start_time=process.start_time,
            writer_boot_id=process.boot_id,
            updated_at=Now(),
        )
    )


@one_transaction
def progress(merge: ImageMerge, lease: Lease, percent: int) -> None:
    """How much of the image's merge is done, for people."""
    leases.require(lease)
    mine = ImageMerge.objects.filter(pk=merge.pk, stage=MergeStage.MERGING)
    _one(mine.update(done_percent=percent, updated_at=Now()))
    touch(merge.image.vm_context_id)


@one_transaction
def merged(merge: ImageMerge, digest: str, map_digest: str, lease: Lease) -> None:
    """The file was merged, and read again: it may take the child's name from now on."""
    leases.require(lease)
    mine = ImageMerge.objects.filter(pk=merge.pk, stage=MergeStage.MERGING)
    _one(
        mine.update(
            stage=MergeStage.MERGED,
            digest=digest,
            map_digest=map_digest,
            done_percent=100,
            updated_at=Now(),
        )
    )
    merge.stage, merge.digest, merge.map_digest = MergeStage.MERGED, digest, map_digest


@one_transaction
def may_take_name(merge: ImageMerge, lease: Lease) -> None:
    """Asked just before: nobody else has taken it over."""
    leases.require(lease)
    if not ImageMerge.objects.filter(pk=merge.pk, stage=MergeStage.MERGED).exists():
        raise LeaseLost(f"{merge.image} was removed by another worker")


@one_transaction
def switched(merge: ImageMerge, sealed: SealedImage, lease: Lease) -> None:
    """The child's name is the merged file's: the child is based on what the image was based on."""
    leases.require(lease)
    image, child = merge.image, merge.child
    if child is None:
        raise RuntimeError("only an image with a child is merged")
    mine = ImageMerge.objects.filter(pk=merge.pk, stage=MergeStage.MERGED)
    _one(mine.update(stage=MergeStage.DONE, child=None, updated_at=Now()))
    _one(
        DiskImage.objects.filter(pk=child.pk, parent=image.pk).update(
            parent=image.parent_id,
            allocated_bytes=sealed.allocated_bytes,
            merged_digest=merge.digest,
            map_digest=merge.map_digest,
            as_committed=commits.merged(child, image, sealed.as_committed),
            updated_at=Now(),
        )
    )
    DiskImage.objects.filter(pk=image.pk).update(allocated_bytes=0, updated_at=Now())
    damages.file_taken_over(image.pk, child.pk)
    before = (image.allocated_bytes or 0) + (child.allocated_bytes or 0)
    _freed(merge.removal_id, before - sealed.allocated_bytes)


@one_transaction
def finish(removal: PointRemoval, lease: Lease) -> None:
    """The point is expired; nothing needs its files any more, which the clean-up removes."""
    leases.require(lease)
    if removal.merges.exclude(stage=MergeStage.DONE).exists():
        raise LeaseLost(f"{removal} is not as this worker left it")
    _one(
        RecoveryPoint.objects.filter(
            pk=removal.recovery_point_id, state=RecoveryPointState.EXPIRING
        ).update(state=RecoveryPointState.EXPIRED, expired_at=Now(), expired_why=removal.why)
    )
    images = DiskImage.objects.filter(recovery_point=removal.recovery_point_id)
    freed = images.aggregate(total=Sum("allocated_bytes"))["total"] or 0
    removal.merges.all().delete()
    for merge in ImageMerge.objects.filter(child__in=images).select_related("child"):
        _merges_another(merge)
    _require_needed_by_nobody(removal.recovery_point_id)
    images.update(state=ImageState.DELETING, updated_at=Now())
    _freed(removal.pk, freed)
    _one(
        PointRemoval.objects.filter(pk=removal.pk, state=RemovalState.UNDER_WAY).update(
            state=RemovalState.DONE,
            ended_at=Now(),
            problem="",
            next_attempt_at=None,
            updated_at=Now(),
        )
    )
    damages.settle(removal.vm_context_id)
    if removal.why == RemovalWhy.USER:
        tell(removal.vm_context, f"removed {named(removal.recovery_point)}", removal.requested_by)
    trail.tell(
        Verb.REMOVE,
        about(removal.recovery_point),
        actor=removal.requested_by,
        old={"consistent_at": removal.recovery_point.consistent_at, "why": removal.why},
        job_id=removal.recovery_point.job_id,
    )
    touch(removal.vm_context_id)


def _merges_another(merge: ImageMerge) -> None:
    """Of a point whose removal is stuck, while the one that is based on it goes: with the image is
    merged what is based on it now, and it just goes where nothing is."""
    based = DiskImage.objects.filter(parent=merge.image_id, state=ImageState.COMMITTED)
    child = based.exclude(merge_as_child=merge.pk).values_list("pk", flat=True).first()
    if child is None:
        stage = MergeStage.DONE
    else:  # of a file that may be changed already, the row goes on saying so
        begun = merge.stage != MergeStage.PLANNED
        stage = MergeStage.MERGING if begun else MergeStage.PLANNED
    ImageMerge.objects.filter(pk=merge.pk).update(
        stage=stage, child=child, digest="", updated_at=Now()
    )


def _require_needed_by_nobody(point_id: int) -> None:
    """Raises RemovalWaits while any other image is based on one of the point. What is being deleted
    needs nothing."""
    based = DiskImage.objects.filter(parent__recovery_point=point_id)
    others = based.exclude(recovery_point=point_id).exclude(state=ImageState.DELETING)
    if locators := list(others.values_list("locator", flat=True)[:3]):
        raise RemovalWaits(f"{', '.join(locators)} is still based on it. Run the integrity check.")


def failed(removal: PointRemoval, why: str) -> None:
    """The attempt did not get further; another one comes later."""
    delay = BACK_OFF[min(removal.attempts, len(BACK_OFF) - 1)]
    _note(removal, why, delay, attempts=F("attempts") + 1)


def waits(removal: PointRemoval, why: str) -> None:
    """Nothing is wrong with it, but it has to wait."""
    _note(removal, why, LOOK_AGAIN_AFTER)


def others_wait(removal: PointRemoval) -> None:
    """That one is under way, and is tried again later: the VM's others wait for it."""
    others = PointRemoval.objects.filter(vm_context=removal.vm_context_id).exclude(pk=removal.pk)
    waiting = others.exclude(state=RemovalState.DONE).filter(
        Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=Now())
    )
    if waiting.update(next_attempt_at=Now() + LOOK_AGAIN_AFTER, updated_at=Now()):
        others.filter(state=RemovalState.WANTED, problem="").update(
            problem="Another recovery point of the VM is being removed, which comes first."
        )
        touch(removal.vm_context_id)


def _note(removal: PointRemoval, why: str, delay: timedelta, **columns: object) -> None:
    mine = PointRemoval.objects.filter(pk=removal.pk).exclude(state=RemovalState.DONE)
    is_news = mine.exclude(problem=storable(why)).exists()
    mine.update(problem=storable(why), next_attempt_at=Now() + delay, updated_at=Now(), **columns)
    if is_news:
        touch(removal.vm_context_id)


def _freed(removal_id: int, count: int) -> None:
    """A merged file may have grown by more than what went."""
    PointRemoval.objects.filter(pk=removal_id).update(
        freed_bytes=Coalesce(F("freed_bytes"), 0) + max(0, count)
    )


def _one(changed: int) -> None:
    if changed != 1:
        raise LeaseLost("another worker has taken over this removal")


def touch(context_id: str) -> None:
    """Pages that show the VM notice the change."""
    VMContext.objects.filter(pk=context_id).update(updated_at=Now())


def tell(context: VMContext, why: str, actor: str) -> None:
    """Record an event of the (locked) context."""
    status = context.current_status
    statuses.record_event(context.pk, old=status, new=status, why=why, actor=actor, job_id=None)


def about(point: RecoveryPoint) -> trail.Subject:
    return trail.subject(Kind.POINT, point.pk, named(point), vm=point.vm_context)


def named(point: RecoveryPoint) -> str:
    return f"the recovery point of {point.consistent_at:%Y-%m-%d %H:%M:%S} UTC"
