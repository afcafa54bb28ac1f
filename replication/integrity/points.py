"""Checks of recovery points, images and chains in the database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import DateTimeField, Exists, F, OuterRef, Q, Value
from django.db.models.functions import Coalesce, Now

from contexts.models import VMContext
from contexts.text import plural
from replication.integrity import figures
from replication.integrity.findings import Code, Finding, Scope, check
from replication.models import (
    DiskImage,
    ImageDamage,
    PointRemoval,
    RecoveryPoint,
    RecoveryPointHold,
    VMSnapshot,
)
from replication.selectors.damages import wrong_points
from replication.selectors.protection import CLOCKS_MAY_DIFFER
from replication.services import damages
from replication.states import (
    ACTIVE_JOB_STATUSES,
    ImageState,
    RecoveryPointState,
    RemovalState,
    Severity,
)

REMOVED_WITHIN = timedelta(hours=24)
# By the delays between its attempts, one that has failed so often has done so for a day.
KEEPS_FAILING = 26
NOT_FOR_FAILOVER = "Do not fail over to this recovery point. "
POINT_HALF_MADE = Code(
    "point_half_made",
    "It cannot be used; nothing else is affected. Find out who wrote to the database.",
    Severity.WARNING,
)
POINT_DIFFERS_FROM_SNAPSHOT = Code(
    "point_differs_from_snapshot",
    "The recovery point's age may be shown incorrectly. Its snapshot's row records when and how it "
    "was consistent.",
)
POINT_DATED_AHEAD = Code(
    "point_dated_ahead",
    "The clock of its worker was ahead, so the VM looks better protected than it is. --repair "
    "dates the recovery point at the start of its job, by the database's clock: it cannot be older "
    "than that. Set that worker's clock, and keep it right (NTP).",
    repairable=True,
)
EXPIRED_POINT_HAS_FILES = Code(
    "expired_point_has_files",
    "The images of an expired recovery point still take space. Check that the clean-up runs.",
    Severity.WARNING,
)
REMOVAL_STUCK = Code(
    "removal_stuck",
    "Its space is not freed, and if its removal has begun, points that are based on it may not be "
    "usable. The removal's problem says what is in its way; check that a worker of the queue "
    "“storage” is running.",
    Severity.WARNING,
)
POINT_EXPIRING_FOR_NOBODY = Code(
    "point_expiring_for_nobody",
    "Nothing removes it. Find out who wrote to the database.",
)
HOLD_OF_EXPIRED_POINT = Code(
    "hold_of_expired_point",
    "A hold relies on a recovery point that is gone. Tell the hold's owner.",
)
REPOSITORY_DIFFERS = Code(
    "repository_differs",
    NOT_FOR_FAILOVER + "Find out which repository has the files, and correct the rows.",
)
IMAGE_LEFT_OVER = Code(
    "image_left_over",
    "The clean-up does not remove it. Check its repository, and that beat, a worker of the queue "
    "“tick” and a worker of the queue “control” are running.",
    Severity.WARNING,
)
POINT_DAMAGE_DIFFERS = Code(
    "point_damage_differs",
    "Lists show the VM as better or worse protected than it is. --repair derives it from the known "
    "damages of the images.",
    repairable=True,
)
CHAIN_BROKEN = Code(
    "chain_broken",
    NOT_FOR_FAILOVER + "Its image is based on an image that is missing or belongs to another disk. "
    "Older recovery points, and those not based on it, are not affected. Stop replicating this VM "
    "until you know what happened.",
)


def _of_point(code: Code, point: RecoveryPoint, what: str) -> Finding:
    return code.finding(
        f"Recovery point {point.pk} of {point.consistent_at:%Y-%m-%d %H:%M:%S} UTC {what}",
        key=point.pk,
        context_id=point.vm_context_id,
        vm_name=point.vm_context.vm_name,
        job_id=point.job_id,
    )


def _of_image(code: Code, image: DiskImage, what: str) -> Finding:
    return code.finding(
        f"{image.locator} {what}",
        key=image.pk,
        context_id=image.vm_context_id,
        vm_name=image.vm_context.vm_name,
        job_id=image.job_id,
        image_id=image.pk,
    )


def _points(scope: Scope, **states: Any) -> Any:
    rows = RecoveryPoint.objects.filter(**states).select_related("vm_context").order_by("pk")
    return scope.within(rows)


def _images(scope: Scope, **states: Any) -> Any:
    rows = DiskImage.objects.filter(**states).select_related("vm_context").order_by("pk")
    return scope.within(rows)


@check(POINT_HALF_MADE)
def point_half_made(scope: Scope) -> Iterator[Finding]:
    half = _points(scope, state=RecoveryPointState.WRITING)
    for point in half.exclude(job__status__in=ACTIVE_JOB_STATUSES).iterator():
        yield _of_point(POINT_HALF_MADE, point, "is still being written, but its job is over.")


@check(POINT_DIFFERS_FROM_SNAPSHOT)
def point_differs_from_snapshot(scope: Scope) -> Iterator[Finding]:
    """Checks a point's time and quiescing against the row of the snapshot that was read."""
    read_from = DiskImage.objects.filter(
        recovery_point_id=OuterRef(OuterRef("pk")), snapshot_moref=OuterRef("moref")
    )
    snapshots = VMSnapshot.objects.filter(Exists(read_from), job_id=OuterRef("job_id")).annotate(
        at_rest=Coalesce("quiesced", Value(False))
    )
    other = snapshots.exclude(consistent_at=OuterRef("consistent_at"), at_rest=OuterRef("quiesced"))
    for point in (
        _points(scope, state=RecoveryPointState.AVAILABLE).filter(Exists(other)).iterator()
    ):
        yield _of_point(
            POINT_DIFFERS_FROM_SNAPSHOT,
            point,
            "differs from the row of its snapshot (when it was consistent, or whether the guest "
            "was quiesced).",
        )


def _dated_ahead(points: Any) -> Any:
    """A point was consistent before its job's end, which is dated by the database's clock."""
    return points.annotate(
        job_began_at=Coalesce("job__started_at", "job__created_at", output_field=DateTimeField()),
        latest_possible=Coalesce("job__completed_at", Now()) + CLOCKS_MAY_DIFFER,
    ).filter(consistent_at__gt=F("latest_possible"))


def _date_again(finding: Finding) -> str:
    """The snapshot's row says the same as its point."""
    told = []
    for point in _dated_ahead(RecoveryPoint.objects.filter(job_id=finding.job_id)):
        snapshots = VMSnapshot.objects.filter(job=point.job_id, consistent_at=point.consistent_at)
        snapshots.update(consistent_at=point.job_began_at)
        RecoveryPoint.objects.filter(pk=point.pk).update(consistent_at=point.job_began_at)
        told.append(f"{point.consistent_at:%Y-%m-%d %H:%M:%S} to {point.job_began_at:%H:%M:%S} UTC")
    # The triggers have done it, unless they are missing.
    figures.put_right(finding.context_id, finding.code)
    return f"Dated from {', '.join(told)}."


@check(POINT_DATED_AHEAD, mend=_date_again)
def point_dated_ahead(scope: Scope) -> Iterator[Finding]:
    kept = _points(scope).exclude(state=RecoveryPointState.EXPIRED)
    for point in _dated_ahead(kept).select_related("job").iterator():
        ended = point.job.completed_at
        yield _of_point(
            POINT_DATED_AHEAD,
            point,
            f"is dated after its job's end ({ended:%Y-%m-%d %H:%M:%S} UTC)."
            if ended
            else "is dated in the future.",
        )


@check(POINT_DAMAGE_DIFFERS, mend=lambda finding: _say_damage(finding))
def point_damage_differs(scope: Scope) -> Iterator[Finding]:
    """Only VMs of which something is damaged, or is said to be, are looked at."""
    contexts = VMContext.objects.filter(
        Exists(ImageDamage.objects.filter(image__vm_context=OuterRef("pk"), cleared_at=None))
        | Exists(RecoveryPoint.objects.filter(vm_context=OuterRef("pk")).exclude(damaged_at=None))
    )
    for context in scope.within(contexts.order_by("pk"), "pk").iterator():
        if wrong := wrong_points(context.pk):
            yield POINT_DAMAGE_DIFFERS.finding(
                f"Whether they are damaged is recorded wrongly of {len(wrong)} of its recovery"
                " points.",
                key=context.pk,
                context_id=context.pk,
                vm_name=context.vm_name,
            )


def _say_damage(finding: Finding) -> str:
    count = damages.settle(finding.context_id)
    figures.put_right(finding.context_id, finding.code)  # should the triggers be missing
    return f"Corrected of {plural(count, 'recovery point')}." if count else ""


@check(EXPIRED_POINT_HAS_FILES)
def expired_point_has_files(scope: Scope) -> Iterator[Finding]:
    kept = DiskImage.objects.filter(recovery_point_id=OuterRef("pk"), state=ImageState.COMMITTED)
    expired = _points(scope, state=RecoveryPointState.EXPIRED).filter(Exists(kept))
    for point in scope.at_rest(expired).iterator():
        yield _of_point(EXPIRED_POINT_HAS_FILES, point, "is expired, but still has images.")


@check(REMOVAL_STUCK)
def removal_stuck(scope: Scope) -> Iterator[Finding]:
    """Begun long ago, and not ended; or never begun, since each attempt fails."""
    since = scope.now if scope.quiet else scope.now - REMOVED_WITHIN
    going = _points(scope, state=RecoveryPointState.EXPIRING)
    stuck = going.filter(removal__state=RemovalState.UNDER_WAY, removal__started_at__lte=since)
    for point in scope.at_rest(stuck.select_related("vm_context", "removal")).iterator():
        why = point.removal.problem or "nobody continues it."
        yield _of_point(REMOVAL_STUCK, point, f"is being removed, but that does not end: {why}")
    failing = _points(scope, state=RecoveryPointState.AVAILABLE).filter(
        removal__state=RemovalState.WANTED, removal__attempts__gte=KEEPS_FAILING
    )
    for point in scope.at_rest(failing.select_related("vm_context", "removal")).iterator():
        words = f"is to be removed, but each of {point.removal.attempts} attempts failed:"
        yield _of_point(REMOVAL_STUCK, point, f"{words} {point.removal.problem}")


@check(POINT_EXPIRING_FOR_NOBODY)
def point_expiring_for_nobody(scope: Scope) -> Iterator[Finding]:
    under_way = PointRemoval.objects.filter(
        recovery_point=OuterRef("pk"), state=RemovalState.UNDER_WAY
    )
    going = _points(scope, state=RecoveryPointState.EXPIRING).filter(~Exists(under_way))
    for point in scope.at_rest(going).iterator():
        yield _of_point(
            POINT_EXPIRING_FOR_NOBODY, point, "is expiring, but no removal is under way."
        )


@check(HOLD_OF_EXPIRED_POINT)
def hold_of_expired_point(scope: Scope) -> Iterator[Finding]:
    holds = RecoveryPointHold.objects.filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=scope.now),
        recovery_point__state=RecoveryPointState.EXPIRED,
    ).select_related("recovery_point__vm_context")
    for hold in scope.within(holds, "recovery_point__vm_context_id").order_by("pk").iterator():
        yield _of_point(
            HOLD_OF_EXPIRED_POINT,
            hold.recovery_point,
            f"is expired, but {hold.owner} holds it ({hold.get_kind_display().lower()}).",
        )


@check(REPOSITORY_DIFFERS)
def repository_differs(scope: Scope) -> Iterator[Finding]:
    """The job, its point and each image must name the same repository."""
    points = _points(scope).exclude(repository_id=F("job__repository_id"))
    for point in points.iterator():
        yield _of_point(REPOSITORY_DIFFERS, point, "is in another repository than its job.")
    images = _images(scope).exclude(repository_id=F("job__repository_id"))
    for image in images.iterator():
        yield _of_image(REPOSITORY_DIFFERS, image, "is in another repository than its job.")


@check(IMAGE_LEFT_OVER)
def image_left_over(scope: Scope) -> Iterator[Finding]:
    """Still being written although its job has ended, or marked for deletion for a long time."""
    late = Q(state=ImageState.DELETING, updated_at__lt=scope.left_over_since)
    never = Q(state=ImageState.WRITING) & ~Q(job__status__in=ACTIVE_JOB_STATUSES)
    left = _images(scope).filter(late | never, vm_context__current_job__isnull=True)
    for image in scope.at_rest(left).iterator():
        yield _of_image(
            IMAGE_LEFT_OVER, image, f"is left over in the state “{image.get_state_display()}”."
        )


@check(CHAIN_BROKEN)
def chain_broken(scope: Scope) -> Iterator[Finding]:
    """A parent must be committed, older, of the same disk, in the same repository, not larger."""
    good = DiskImage.objects.filter(
        pk=OuterRef("parent_id"),
        pk__lt=OuterRef("pk"),
        disk_id=OuterRef("disk_id"),
        repository_id=OuterRef("repository_id"),
        capacity_bytes__lte=OuterRef("capacity_bytes"),
        state=ImageState.COMMITTED,
    )
    images = _images(scope, parent__isnull=False).exclude(state=ImageState.DELETING)
    wrong = images.filter(~Exists(good))
    for image in wrong.iterator():
        yield _of_image(CHAIN_BROKEN, image, f"is based on image {image.parent_id}, {_why(image)}.")


def _why(image: DiskImage) -> str:
    parent = DiskImage.objects.filter(pk__in=[image.parent_id]).first()
    if parent is None:
        return "which does not exist"
    if parent.state != ImageState.COMMITTED:
        return f"which is not committed ({parent.get_state_display().lower()})"
    if parent.disk_id != image.disk_id:
        return "which belongs to another disk"
    if parent.repository_id != image.repository_id:
        return "which is in another repository"
    if parent.pk >= image.pk:
        return "which is newer"
    return "which is larger"
