"""The steps of a verification in the database. Each is one transaction, and compares before it
sets: whoever comes late changes nothing (VerificationLost).

A worker has a verification for a turn: as long as it renews its claim. Reading changes nothing, so
a paused worker that wakes up does no harm; only what it writes here must not count.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Least, Now

from contexts.services import statuses
from contexts.services.transactions import one_transaction
from contexts.text import storable
from replication.errors import VerificationLost
from replication.models import (
    DiskImage,
    ImageMerge,
    PointVerification,
    RecoveryPoint,
    RecoveryPointHold,
    VerificationDamage,
)
from replication.retention import steps
from replication.services import commits, damages, leases, occurrences
from replication.states import (
    DamageFinder,
    HoldKind,
    ImageState,
    OccurrenceKind,
    RecoveryPointState,
    VerificationState,
)

CLAIMED_FOR = timedelta(seconds=60)
HELD_FOR = timedelta(minutes=15)
"""After its worker was killed: so long nothing is merged in the chain, for another one to go on."""
TRY_AGAIN_AFTER = timedelta(minutes=1)
LONGEST_BACK_OFF = timedelta(minutes=30)
MOST_ATTEMPTS = 5
"""That got no further."""
MOST_LISTED = 1000
"""Damages of a verification; all are counted."""

_IS_DUE = Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=Now())
_IS_FREE = Q(expires_at__isnull=True) | Q(expires_at__lte=Now())


class Turn(NamedTuple):
    """Proof of having the verification."""

    verification_id: int
    context_id: str
    token: uuid.UUID


class Damage(NamedTuple):
    """What was found: in an image's file, which may be unknown, and of which disk."""

    disk_id: int
    image_id: int | None
    code: str
    what: str
    offset_bytes: int | None = None
    length_bytes: int | None = None


def due() -> list[int]:
    """The verifications that a worker can go on with now, the oldest first."""
    active = PointVerification.objects.filter(state__in=VerificationState.active())
    rows = active.filter(_IS_DUE, _IS_FREE).order_by("pk")
    return list(rows.values_list("pk", flat=True)[:100])


@one_transaction
def claim(verification_id: int) -> Turn | None:
    """Take it, and hold its point; None if another worker has it, or it cannot go on now."""
    rows = PointVerification.objects.filter(pk=verification_id)
    found = rows.values_list("vm_context", "recovery_point", "requested_by", "hold").first()
    if found is None:
        return None
    context_id, point_id, owner, hold_id = found
    statuses.hold(context_id)
    turn = Turn(verification_id, context_id, uuid.uuid4())
    taken = rows.filter(_IS_DUE, _IS_FREE, state__in=VerificationState.active()).update(
        state=VerificationState.RUNNING,
        token=turn.token,
        expires_at=Now() + CLAIMED_FOR,
        worker_name=leases.this_worker(),
        started_at=Coalesce(F("started_at"), Now()),
        attempts=F("attempts") + 1,
        problem="",
        next_attempt_at=None,
        updated_at=Now(),
    )
    if not taken:
        return None
    if why := _why_it_waits(point_id):
        _give_back(turn, why, TRY_AGAIN_AFTER, attempts=F("attempts") - 1)
        return None
    until = Now() + HELD_FOR
    holds = RecoveryPointHold.objects.filter(pk=hold_id, recovery_point=point_id)
    if hold_id is None or not holds.update(expires_at=until):
        hold = RecoveryPointHold.objects.create(
            recovery_point_id=point_id, kind=HoldKind.VERIFY, owner=owner, expires_at=until
        )
        rows.update(hold=hold)
    steps.touch(context_id)
    return turn


def _why_it_waits(point_id: int) -> str:
    """While files are merged, they are not what the rows say."""
    images = DiskImage.objects.filter(recovery_point=point_id)
    needed = {each.pk for image in images for each in chain_of(image)}
    merges = ImageMerge.objects.filter(Q(image__in=needed) | Q(child__in=needed))
    return "A recovery point of its chain is being removed first." if merges.exists() else ""


def is_cancelled(turn: Turn) -> bool:
    return _mine(turn).filter(cancel_requested_at__isnull=False).exists()


def is_there(turn: Turn) -> bool:
    """Whether the point is still available."""
    points = RecoveryPoint.objects.filter(verifications=turn.verification_id)
    return points.filter(state=RecoveryPointState.AVAILABLE).exists()


def fingerprint(chain: Iterable[DiskImage], facts: Sequence[str]) -> str:
    """Of the files that are read, as rows and `Target.facts` have them: if it is the same, what was
    read of them still holds."""
    told = [
        (image.pk, image.locator, image.digest, image.merged_digest, image.map_digest)
        for image in chain
    ]
    return hashlib.blake2s(repr([told, facts]).encode(), digest_size=16).hexdigest()


@one_transaction
def renew(turn: Turn) -> None:
    """While something takes long that gets no further."""
    _one(_mine(turn).update(expires_at=Now() + CLAIMED_FOR, updated_at=Now()))
    _hold_on(turn)


@one_transaction
def mapped(turn: Turn, image: DiskImage, map_digest: str, facts: str) -> None:
    """An image of before has a map now. Of its other files, what was committed still counts."""
    statuses.hold(turn.context_id)
    _one(_mine(turn).update(expires_at=Now() + CLAIMED_FOR, updated_at=Now()))
    _hold_on(turn)
    mine = DiskImage.objects.filter(pk=image.pk, state=ImageState.COMMITTED, map_digest="")
    if mine.update(map_digest=map_digest, updated_at=Now()):
        commits.has_map(image, facts)
    steps.touch(turn.context_id)


@one_transaction
def begin_disk(turn: Turn, position: int, before_bytes: int, chain_digest: str) -> None:
    """That disk is read from its start on; what was found on it is found again."""
    statuses.hold(turn.context_id)
    listed = VerificationDamage.objects.filter(verification=turn.verification_id)
    listed.filter(disk__images__in=_image_at(turn, position)).delete()
    _one(
        _mine(turn).update(
            position=position,
            offset_bytes=0,
            done_bytes=before_bytes,
            read_bytes=Least(F("read_bytes"), before_bytes),
            chain_digest=chain_digest,
            damage_count=listed.count(),
            expires_at=Now() + CLAIMED_FOR,
            updated_at=Now(),
        )
    )
    _hold_on(turn)


@one_transaction
def checkpoint(
    turn: Turn, offset: int, done_bytes: int, read_bytes: int, found: Sequence[Damage]
) -> None:
    """So far the current disk has been read: with this much done since the last one, and this much
    of it read. What was found is marked with it."""
    statuses.hold(turn.context_id)
    _one(
        _mine(turn).update(
            offset_bytes=offset,
            done_bytes=F("done_bytes") + done_bytes,
            read_bytes=F("read_bytes") + read_bytes,
            attempts=0,
            expires_at=Now() + CLAIMED_FOR,
            updated_at=Now(),
        )
    )
    _hold_on(turn)
    _note(turn, found)
    steps.touch(turn.context_id)


@one_transaction
def note(turn: Turn, found: Sequence[Damage]) -> None:
    """What a look at the files found."""
    statuses.hold(turn.context_id)
    _one(_mine(turn).update(expires_at=Now() + CLAIMED_FOR, updated_at=Now()))
    _note(turn, found)


@one_transaction
def hand_over(turn: Turn, problem: str = "") -> None:
    """Another worker goes on, or this one in its next turn."""
    _give_back(turn, problem, None)


@one_transaction
def failed(turn: Turn, problem: str) -> None:
    """Something is in the way. It is tried again, later each time; after some attempts that got no
    further it ends."""
    mine = _mine(turn)
    attempts = mine.values_list("attempts", flat=True).first() or 0
    if attempts >= MOST_ATTEMPTS:
        _end(turn, VerificationState.FAILED, problem)
        return
    delay = min(TRY_AGAIN_AFTER * 2**attempts, LONGEST_BACK_OFF)
    _give_back(turn, problem, delay)


def _give_back(turn: Turn, problem: str, delay: timedelta | None, **columns: object) -> None:
    statuses.hold(turn.context_id)
    _one(
        _mine(turn).update(
            token=None,
            expires_at=None,
            worker_name="",
            problem=storable(problem),
            next_attempt_at=None if delay is None else Now() + delay,
            updated_at=Now(),
            **columns,
        )
    )
    steps.touch(turn.context_id)


@one_transaction
def end(turn: Turn, state: VerificationState, problem: str = "") -> None:
    """It is over, and its point needs no hold any more."""
    _end(turn, state, problem)


def end_of_nobody(verification_id: int, context_id: str) -> None:
    """One that was cancelled, if no worker has it that would notice. Within a transaction."""
    statuses.hold(context_id)
    rows = PointVerification.objects.filter(pk=verification_id).filter(_IS_FREE)
    if rows.filter(state__in=VerificationState.active()).exists():
        _end_row(rows, VerificationState.CANCELLED, "")


def _end(turn: Turn, state: VerificationState, problem: str) -> None:
    statuses.hold(turn.context_id)
    _end_row(_mine(turn), state, problem)


def _end_row(mine: QuerySet[PointVerification], state: VerificationState, problem: str) -> None:
    row = mine.select_related("recovery_point__vm_context").first()
    if row is None:
        raise VerificationLost("another worker has taken over this verification, or it has ended")
    hold_id = row.hold_id
    _one(
        mine.update(
            state=state,
            token=None,
            expires_at=None,
            next_attempt_at=None,
            hold=None,
            problem=storable(problem),
            ended_at=Now(),
            updated_at=Now(),
        )
    )
    if hold_id is not None:
        RecoveryPointHold.objects.filter(pk=hold_id).delete()
    point = row.recovery_point
    if state == VerificationState.VERIFIED:
        RecoveryPoint.objects.filter(pk=point.pk).update(verified_at=Now())
    _tell(row, point, state, problem)
    steps.touch(row.vm_context_id)


_WORDS = {
    VerificationState.VERIFIED: "verified {}: it reads as it was copied",
    VerificationState.DAMAGED: "verified {}: it is damaged. {}",
    VerificationState.IMPOSSIBLE: "{} cannot be verified. {}",
    VerificationState.FAILED: "the verification of {} did not come to its end. {}",
    VerificationState.CANCELLED: "cancelled the verification of {}",
}


def _tell(
    row: PointVerification, point: RecoveryPoint, state: VerificationState, problem: str
) -> None:
    by = row.cancelled_by if state == VerificationState.CANCELLED else row.requested_by
    said = damage_words(row) if state == VerificationState.DAMAGED else problem
    named = steps.named(point)
    steps.tell(point.vm_context, _WORDS[state].format(named, said).strip(), by)
    if state == VerificationState.DAMAGED:
        occurrences.tell(
            OccurrenceKind.POINT_DAMAGED,
            str(row.pk),
            what=f"{named.capitalize()} of {point.vm_context} is damaged. {said}",
            context_id=point.vm_context_id,
            repository_id=point.repository_id,
        )


def damage_words(row: PointVerification) -> str:
    """What it found, for people: the first of it, and how many more there are."""
    first = list(row.damages.order_by("pk").values_list("what", flat=True)[:3])
    more = row.damage_count - len(first)
    return " ".join(first) + (f" And {more:,} more." if more > 0 else "")


def chain_of(image: DiskImage) -> list[DiskImage]:
    """The image and all that it is based on, root last. One query."""
    rows = DiskImage.objects.filter(disk=image.disk_id, repository=image.repository_id)
    by_key = {row.pk: row for row in rows.defer("extent_map")}
    chain, current = [], by_key.get(image.pk)
    while current is not None:
        chain.append(current)
        current = by_key.get(current.parent_id) if current.parent_id else None
    return chain


def _image_at(turn: Turn, position: int) -> list[int]:
    images = DiskImage.objects.filter(
        recovery_point__verifications=turn.verification_id, position=position
    )
    return list(images.values_list("pk", flat=True))


def _mine(turn: Turn) -> QuerySet[PointVerification]:
    return PointVerification.objects.filter(pk=turn.verification_id, token=turn.token)


def _hold_on(turn: Turn) -> None:
    """Raises VerificationLost when the hold is gone: somebody has let the files go."""
    holds = RecoveryPointHold.objects.filter(verification=turn.verification_id)
    _one(holds.update(expires_at=Now() + HELD_FOR))


def _note(turn: Turn, found: Sequence[Damage]) -> None:
    if not found:
        return
    rows = VerificationDamage.objects.filter(verification=turn.verification_id)
    room = max(0, MOST_LISTED - rows.count())
    VerificationDamage.objects.bulk_create(
        VerificationDamage(
            verification_id=turn.verification_id,
            disk_id=each.disk_id,
            image_id=each.image_id,
            offset_bytes=each.offset_bytes,
            length_bytes=each.length_bytes,
            what=storable(each.what),
        )
        for each in found[:room]
    )
    _mine(turn).update(damage_count=F("damage_count") + len(found))
    marked: set[tuple[int, str]] = set()
    for each in found:
        if each.image_id is not None and (each.image_id, each.code) not in marked:
            marked.add((each.image_id, each.code))
            damages.mark(
                each.image_id, each.code, each.what, DamageFinder.VERIFY, needs_deep_look=True
            )


def _one(changed: int) -> None:
    if changed != 1:
        raise VerificationLost("another worker has taken over this verification, or it has ended")
