"""Opening and closing the spells of protection, and telling of the turns.

A VM goes over its target by time alone, so the tick compares the state of each VM, as the clock
says it, with its open spell. What a spell is told to have begun at is computed: after a night
without a tick it is when the state changed, not when somebody saw it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import (
    BooleanField,
    Case,
    F,
    FilteredRelation,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from contexts.clock import database_now
from contexts.models import VMContext
from contexts.services.transactions import lock_free, one_transaction
from contexts.text import duration
from replication.models import Occurrence, ProtectionSpell, RecoveryPoint, RepositorySign
from replication.selectors import protection
from replication.selectors.protection import Terms, with_protection
from replication.services.occurrences import tell_all
from replication.states import OccurrenceKind, Protection, RecoveryPointState

# Of one transaction. The rest is left to the next tick.
BATCH = 500
MOST_BATCHES = 10

_BAD = {
    Protection.OVER_TARGET: OccurrenceKind.OVER_TARGET,
    Protection.BROKEN: OccurrenceKind.BROKEN,
    Protection.UNPROTECTED: OccurrenceKind.UNPROTECTED,
}


class Turned(NamedTuple):
    """A VM as it is now, with what its open spell says; `spell…` is None without one."""

    pk: str
    vm_name: str | None
    protection: str
    newest_point_at: datetime | None
    newest_point_damaged: bool
    newest_point_repository_id: int | None
    is_dated_ahead: bool
    rpo_target_seconds: int | None
    completed_at: datetime | None
    spell_id: int | None
    spell_state: str | None
    spell_target: int | None
    spell_told: bool | None
    spell_began_at: datetime | None


def turn() -> None:
    """Part of the tick: as many statements however many VMs there are, and some for each `BATCH` of
    VMs whose state or target has changed."""
    _end_those_of_released()
    terms = protection.terms(database_now())
    for _ in range(MOST_BATCHES):
        turned = [Turned(*row) for row in _turned(terms)[:BATCH]]
        if turned:
            _turn(turned, terms)
        if len(turned) < BATCH:
            break


def _end_those_of_released() -> None:
    released_at = VMContext.objects.filter(pk=OuterRef("vm_context")).values("unmanaged_at")
    ProtectionSpell.objects.filter(
        ended_at__isnull=True, vm_context__unmanaged_at__isnull=False
    ).update(ended_at=Subquery(released_at))


def _turned(terms: Terms) -> QuerySet[VMContext, tuple[Any, ...]]:
    """Managed VMs whose state or target is not that of their open spell, each with that spell."""
    contexts = VMContext.objects.filter(unmanaged_at__isnull=True)
    return (
        with_protection(contexts, terms)
        .annotate(
            open=FilteredRelation("spells", condition=Q(spells__ended_at__isnull=True)),
            spell_id=F("open__id"),
            spell_state=F("open__state"),
            spell_told=F("open__is_told"),
            spell_began_at=F("open__began_at"),
            spell_target=F("open__target_seconds"),
            was=Coalesce(F("open__target_seconds"), 0),
            now=Coalesce(F("rpo_target_seconds"), 0),
            completed_at=F("last_successful_job__completed_at"),
        )
        .annotate(
            goes_on=Case(
                When(Q(spell_state=F("protection")) & Q(was=F("now")), then=Value(True)),
                default=Value(False),
                output_field=BooleanField(),
            )
        )
        .filter(goes_on=False)
        .order_by("pk")
        .values_list(*Turned._fields)
    )


@one_transaction
def _turn(turned: Sequence[Turned], terms: Terms) -> None:
    """Close and open their spells. Of two ticks at once, one closes and opens each spell, and both
    tell the same."""
    began = _beginnings(turned, terms)
    open_ones = ProtectionSpell.objects.filter(
        pk__in=[vm.spell_id for vm in turned if vm.spell_id], ended_at__isnull=True
    )
    free = set(lock_free(open_ones))
    turned = [vm for vm in turned if vm.spell_id is None or vm.spell_id in free]
    open_ones.bulk_update(
        [ProtectionSpell(pk=vm.spell_id, ended_at=began[vm.pk]) for vm in turned if vm.spell_id],
        ["ended_at"],
    )
    ProtectionSpell.objects.bulk_create(
        (
            ProtectionSpell(
                vm_context_id=vm.pk,
                state=vm.protection,
                target_seconds=vm.rpo_target_seconds,
                newest_point_at=vm.newest_point_at,
                is_told=_is_told(vm),
                began_at=began[vm.pk],
            )
            for vm in turned
        ),
        ignore_conflicts=True,
    )
    opened = ProtectionSpell.objects.filter(
        vm_context__in=[vm.pk for vm in turned], ended_at__isnull=True
    )
    spells = {spell.vm_context_id: spell for spell in opened}
    tell_all(
        Occurrence(
            kind=kind,
            key=f"{kind}:{spells[vm.pk].pk}",
            what=_what(kind, vm),
            vm_context_id=vm.pk,
        )
        for vm in turned
        if (kind := _kind(vm)) and vm.pk in spells and spells[vm.pk].state == vm.protection
    )


def _kind(vm: Turned) -> OccurrenceKind | None:
    """What is told of its turn. Nothing of its first state, nor of a change of the target alone."""
    if vm.spell_id is None or vm.spell_state == vm.protection:
        return None
    if vm.protection in _BAD:
        return _BAD[Protection(vm.protection)]
    return OccurrenceKind.RECOVERED if vm.spell_told else None


def _is_told(vm: Turned) -> bool:
    if vm.spell_state == vm.protection:
        return bool(vm.spell_told)
    return vm.spell_id is not None and vm.protection in _BAD


def _beginnings(turned: Sequence[Turned], terms: Terms) -> dict[str, datetime]:
    """Since when each is in its state: never before its last spell began, nor in the future."""
    broken = [vm for vm in turned if vm.protection == Protection.BROKEN]
    broken_since = _broken_since(broken) if broken else {}
    found = {}
    for vm in turned:
        since = broken_since.get(vm.pk) or _since(vm, terms.now)
        if vm.spell_began_at is None or since > terms.now:
            since = terms.now
        found[vm.pk] = max(since, vm.spell_began_at or since)
    return found


def _since(vm: Turned, now: datetime) -> datetime:
    newest, target, began_at = vm.newest_point_at, vm.rpo_target_seconds, vm.spell_began_at
    # Somebody changed the target: the new one was exceeded from the first.
    same_target = vm.spell_target == target
    if vm.protection == Protection.OVER_TARGET and same_target and not vm.is_dated_ahead:
        if newest is not None and target is not None:
            return newest + timedelta(seconds=target)
    elif vm.protection not in _BAD and vm.completed_at is not None and began_at is not None:
        return vm.completed_at if vm.completed_at > began_at else now
    return now


def _broken_since(broken: Sequence[Turned]) -> dict[str, datetime]:
    """When the damage of the newest point was found, or its repository was last reached."""
    points = RecoveryPoint.objects.filter(
        vm_context__in=[vm.pk for vm in broken],
        state=RecoveryPointState.AVAILABLE,
        damaged_at__isnull=False,
    )
    rows = points.values_list("vm_context", "consistent_at", "damaged_at")
    damaged: dict[tuple[str, datetime | None], datetime | None] = {
        (context, at): damaged_at for context, at, damaged_at in rows
    }
    signs = RepositorySign.objects.order_by("repository").values("repository")
    reached = dict(signs.annotate(at=Max("reached_at")).values_list("repository", "at"))
    since = {
        vm.pk: damaged.get((vm.pk, vm.newest_point_at))
        or reached.get(vm.newest_point_repository_id or 0)
        for vm in broken
    }
    return {pk: at for pk, at in since.items() if at is not None}


def _what(kind: OccurrenceKind, vm: Turned) -> str:
    name = vm.vm_name or vm.pk
    newest = "" if vm.newest_point_at is None else f"{vm.newest_point_at:%Y-%m-%d %H:%M} UTC"
    if kind == OccurrenceKind.OVER_TARGET:
        if vm.is_dated_ahead:
            return (
                f"The newest recovery point of {name} is dated in the future ({newest}): nobody can"
                " say how old it is."
            )
        target = duration(vm.rpo_target_seconds)
        return (
            f"{name} is over its RPO target of {target}: its newest recovery point is of {newest}."
        )
    if kind == OccurrenceKind.BROKEN:
        cause = (
            "is damaged" if vm.newest_point_damaged else "is in a repository that no worker can use"
        )
        return f"The newest recovery point of {name}, of {newest}, {cause}."
    if kind == OccurrenceKind.UNPROTECTED:
        if not newest:
            return f"{name} has no recovery point any more."
        return (
            f"{name} has a disk that no snapshot can hold: it is not replicated. Replicate without"
            " this disk, or change it."
        )
    before = Protection(vm.spell_state or "").label.lower()
    since = f"{vm.spell_began_at:%Y-%m-%d %H:%M} UTC"
    if vm.protection == Protection.PROTECTED:
        return f"{name} is protected again: it was {before} since {since}."
    return f"{name} is no longer {before} (since {since}): it has a recovery point, and no target."
