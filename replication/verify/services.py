"""Asking for a recovery point to be verified, and no longer wanting it."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.db.models.functions import Now

from contexts import trail
from contexts.database_errors import is_race
from contexts.models import VMContext
from contexts.services import statuses
from contexts.services.transactions import one_transaction
from contexts.trail import Verb
from replication import messages
from replication.errors import AlreadyVerifying, NothingToVerify, PointGone, VerificationEnded
from replication.models import DiskImage, PointVerification, RecoveryPoint
from replication.retention import steps
from replication.states import RecoveryPointState, Trigger, VerificationState
from replication.verify import turns

REMEDY = (
    "Do not fail over to it. If there is a backup of the file, restore it and verify again; a copy"
    " of the VM in full begins a chain that does not need the file."
)


@one_transaction
def request(point: RecoveryPoint, *, trigger: str, actor: str) -> PointVerification:
    """A worker will read the point back. One that is active already for this point is returned.

    Raises PointGone once its removal has begun, and AlreadyVerifying while another point of its VM
    is verified.
    """
    statuses.hold(point.vm_context_id)
    point = RecoveryPoint.objects.select_related("vm_context").get(pk=point.pk)
    if point.state != RecoveryPointState.AVAILABLE:
        raise PointGone(f"{steps.named(point).capitalize()} is not available any more.")
    if active := _active(point.vm_context_id):
        return _the_same(active, point)
    images = DiskImage.objects.filter(recovery_point=point)
    try:
        with transaction.atomic():
            wanted = PointVerification.objects.create(
                recovery_point=point,
                vm_context_id=point.vm_context_id,
                trigger=trigger,
                requested_by=actor,
                total_bytes=images.aggregate(all=Sum("capacity_bytes"))["all"] or 0,
            )
    except IntegrityError as problem:
        active = _active(point.vm_context_id)
        if not is_race(problem) or active is None:
            raise
        return _the_same(active, point)
    if trigger != Trigger.SCHEDULE:  # what comes again and again is told of by its results
        trail.tell(
            Verb.VERIFY,
            steps.about(point),
            actor=actor,
            new={"consistent_at": point.consistent_at},
            job_id=point.job_id,
        )
    steps.touch(point.vm_context_id)
    transaction.on_commit(messages.hint_verify)
    return wanted


def request_of_vm(context: VMContext, *, trigger: str, actor: str) -> PointVerification:
    """As `request`, for the VM's newest recovery point. Raises NothingToVerify without any."""
    points = RecoveryPoint.objects.filter(vm_context=context, state=RecoveryPointState.AVAILABLE)
    newest = points.order_by("-consistent_at", "-id").first()
    if newest is None:
        raise NothingToVerify(f"{context} has no recovery point yet. Replicate it first.")
    return request(newest, trigger=trigger, actor=actor)


@one_transaction
def cancel(verification: PointVerification, *, actor: str) -> None:
    """Its worker, if it has one now, stops within seconds. Raises VerificationEnded."""
    statuses.hold(verification.vm_context_id)
    mine = PointVerification.objects.filter(pk=verification.pk)
    active = mine.filter(state__in=VerificationState.active())
    if not active.filter(cancel_requested_at__isnull=True).update(
        cancel_requested_at=Now(), cancelled_by=actor, next_attempt_at=None, updated_at=Now()
    ):
        if active.exists():
            return
        raise VerificationEnded("This verification has ended already.")
    point = RecoveryPoint.objects.select_related("vm_context").get(
        pk=verification.recovery_point_id
    )
    told = {"why": "its verification"}
    trail.tell(Verb.CANCEL, steps.about(point), actor=actor, new=told, job_id=point.job_id)
    turns.end_of_nobody(verification.pk, verification.vm_context_id)
    steps.touch(point.vm_context_id)
    transaction.on_commit(messages.hint_verify)


def cancel_of_point(point: RecoveryPoint, *, actor: str) -> None:
    """The one of this point that is active. Raises VerificationEnded without any."""
    active = _active(point.vm_context_id)
    if active is None or active.recovery_point_id != point.pk:
        raise VerificationEnded("This recovery point is not being verified.")
    cancel(active, actor=actor)


def _active(context_id: str) -> PointVerification | None:
    rows = PointVerification.objects.filter(vm_context=context_id)
    return (
        rows.filter(state__in=VerificationState.active()).select_related("recovery_point").first()
    )


def _the_same(active: PointVerification, point: RecoveryPoint) -> PointVerification:
    if active.recovery_point_id == point.pk:
        return active
    at: datetime = active.recovery_point.consistent_at
    raise AlreadyVerifying(
        f"The recovery point of {at:%Y-%m-%d %H:%M:%S} UTC of this VM is being verified. Wait until"
        " that has ended, or cancel it."
    )
