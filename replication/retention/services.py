"""What a user does with a recovery point: pin it, comment on it, delete it, and see beforehand what
rules would remove."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Now

from contexts import trail
from contexts.models import VMContext
from contexts.services import statuses
from contexts.services.transactions import one_transaction
from contexts.text import plural, storable
from contexts.trail import Kind, Verb
from replication import messages
from replication.errors import PointGone, PointNeeded
from replication.models import (
    DiskImage,
    PointRemoval,
    RecoveryPoint,
    RecoveryPointHold,
    Repository,
)
from replication.retention import steps
from replication.retention.choose import Mark, Rules, choose
from replication.retention.order import Step
from replication.retention.standing import Standing
from replication.states import HoldKind, RecoveryPointState, RemovalState, RemovalWhy

MOST_CHARACTERS = 2000
"""Of a comment."""


class Preview(NamedTuple):
    """What rules would do to a VM's points, by their keys."""

    marks: dict[int, Mark]
    steps: list[Step]
    """The removals, in their order."""
    waiting: dict[int, str]
    """Of those that go: why it cannot go at once."""
    longest_chain: int
    """That the next replication would be based on, once the others are gone."""
    stored_bytes: int
    """What the points that go have stored of their own: an upper bound of what becomes free."""


@one_transaction
def pin(point: RecoveryPoint, *, comment: str, actor: str) -> RecoveryPointHold:
    """The point stays until it is unpinned. Pinning it again changes the comment. Raises PointGone
    once its removal has begun; one that only was wanted is taken back."""
    point = _locked(point)
    hold, is_new = RecoveryPointHold.objects.update_or_create(
        recovery_point=point,
        kind=HoldKind.PIN,
        defaults={"owner": actor, "comment": _text(comment), "expires_at": None},
    )
    PointRemoval.objects.filter(recovery_point=point, state=RemovalState.WANTED).delete()
    what = "pinned" if is_new else "changed the pin of"
    said = f": {hold.comment}" if hold.comment else ""
    steps.tell(point.vm_context, f"{what} {steps.named(point)}{said}", actor)
    _tell(Verb.PIN, point, actor, new={"comment": hold.comment})
    steps.touch(point.vm_context_id)
    return hold


@one_transaction
def unpin(point: RecoveryPoint, *, actor: str) -> None:
    """From now on it goes as the rules say. No error if it is not pinned. Raises PointGone."""
    point = _locked(point)
    count, _ = RecoveryPointHold.objects.filter(recovery_point=point, kind=HoldKind.PIN).delete()
    if count:
        steps.tell(point.vm_context, f"unpinned {steps.named(point)}", actor)
        _tell(Verb.UNPIN, point, actor)
        _look_again(point.vm_context_id)


@one_transaction
def comment(point: RecoveryPoint, text: str, *, actor: str) -> None:
    """What people should know of the point. Raises PointGone."""
    point = _locked(point)
    new = _text(text)
    if new != point.comment:
        RecoveryPoint.objects.filter(pk=point.pk).update(comment=new)
        steps.tell(point.vm_context, f"commented on {steps.named(point)}: {new or 'none'}", actor)
        _tell(Verb.COMMENT, point, actor, old={"comment": point.comment}, new={"comment": new})
        steps.touch(point.vm_context_id)


@one_transaction
def delete(point: RecoveryPoint, *, actor: str) -> PointRemoval:
    """The point is to go: a worker removes it, whatever the rules say. Doing it again is fine.

    Raises PointNeeded for the newest point, the newest that can be used, and one that is pinned or
    in use; PointGone.
    """
    point = _locked(point)
    if why := Standing(point.vm_context_id).why_it_stays(point.pk):
        raise PointNeeded(f"{_of_vm(point)} cannot be deleted. {why}")
    removal, is_new = PointRemoval.objects.get_or_create(
        recovery_point=point,
        defaults={
            "vm_context_id": point.vm_context_id,
            "why": RemovalWhy.USER,
            "requested_by": actor,
        },
    )
    if not is_new and removal.why != RemovalWhy.USER:
        removal.why, removal.requested_by = RemovalWhy.USER, actor
        removal.save(update_fields=["why", "requested_by", "updated_at"])
    if is_new or removal.next_attempt_at:
        _look_again(point.vm_context_id)
    if is_new:
        steps.tell(point.vm_context, f"asked to delete {steps.named(point)}", actor)
        _tell(Verb.DELETE, point, actor)
    return removal


class Asked(NamedTuple):
    """How many recovery points are to go, and of those that stay how many for which reason."""

    going: int
    staying: dict[str, int]


@one_transaction
def delete_all_in(context: VMContext, repository: Repository, *, actor: str) -> Asked:
    """As `delete`, for all of the VM's points in a repository. Those stay that may not go."""
    statuses.hold(context.pk)
    points = RecoveryPoint.objects.filter(
        vm_context=context, repository=repository, state=RecoveryPointState.AVAILABLE
    )
    standing = Standing(context.pk)
    why = {key: standing.why_it_stays(key) for key in points.values_list("pk", flat=True)}
    going = {key for key, reason in why.items() if not reason}
    wanted = PointRemoval.objects.filter(recovery_point__in=going)
    known = set(wanted.values_list("recovery_point", flat=True))
    by_user = {"why": RemovalWhy.USER, "requested_by": actor}
    wanted.exclude(why=RemovalWhy.USER).update(**by_user, updated_at=Now())
    PointRemoval.objects.bulk_create(
        PointRemoval(recovery_point_id=key, vm_context=context, **by_user)
        for key in sorted(going - known)
    )
    if going:
        _look_again(context.pk)
    if new := len(going - known):
        what = f"asked to delete {plural(new, 'recovery point')} in repository {repository.name}"
        steps.tell(context, what, actor)
        about = trail.subject(Kind.POINT, context.pk, context, vm=context)
        told = {"points": new, "repository": repository.name}
        trail.tell(Verb.DELETE, about, actor=actor, old=told)
    return Asked(len(going), dict(Counter(reason for reason in why.values() if reason)))


def _tell(
    verb: Verb,
    point: RecoveryPoint,
    actor: str,
    *,
    old: dict[str, object] | None = None,
    new: dict[str, object] | None = None,
) -> None:
    trail.tell(verb, steps.about(point), actor=actor, old=old, new=new)


def preview(context: VMContext, rules: Rules | None, zone: ZoneInfo) -> Preview:
    """What these rules would remove of the VM, in which order. Changes nothing."""
    standing = Standing(context.pk)
    marks = choose(standing.facts(), rules, zone)
    going = {point for point, mark in marks.items() if mark is Mark.GOES}
    waiting = {point: why for point in going if (why := standing.why_it_waits(point))}
    stored = DiskImage.objects.filter(recovery_point__in=going)
    return Preview(
        marks=marks,
        steps=standing.chains.in_order(going),
        waiting=waiting,
        longest_chain=standing.longest_chain(context.repository_id, going),
        stored_bytes=stored.aggregate(total=Sum("allocated_bytes"))["total"] or 0,
    )


def _locked(point: RecoveryPoint) -> RecoveryPoint:
    """The available point, under its context's lock: its removal cannot begin meanwhile."""
    statuses.hold(point.vm_context_id)
    point = RecoveryPoint.objects.select_related("vm_context").get(pk=point.pk)
    if point.state != RecoveryPointState.AVAILABLE:
        raise PointGone(
            f"{_of_vm(point)} is {point.get_state_display().lower()}: it is being or was removed."
        )
    return point


def _look_again(context_id: str) -> None:
    """What waited for something may go on at once."""
    waiting = PointRemoval.objects.filter(vm_context=context_id, state=RemovalState.WANTED)
    waiting.update(next_attempt_at=None)
    steps.touch(context_id)
    transaction.on_commit(messages.hint_retention)


def _of_vm(point: RecoveryPoint) -> str:
    return f"{point.vm_context}: {steps.named(point)}"


def _text(text: str) -> str:
    return storable(text).strip()[:MOST_CHARACTERS]
