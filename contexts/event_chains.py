"""Whether the events of VMs are what was written: every row, its place and its seal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from django.db.models import Exists, F, OuterRef, QuerySet

from contexts.chain import BEGINNING, Seals, is_sealed
from contexts.models import ContextEvent, ContextEventHead, VMContext
from contexts.services.events import FIELDS, PURPOSE, digest, seal
from contexts.services.transactions import one_transaction

CONTEXTS_AT_ONCE = 50
ROWS_AT_ONCE = 2000
MOST_NAMED = 1000
NO_HEAD = "The head of its events is missing."


class Fault(NamedTuple):
    """What is wrong, and with the events of which context."""

    context_id: str
    what: str


class Verified(NamedTuple):
    """So many `events` of so many `contexts` were read. `old_seals`: how many are sealed by keys
    that are not here any more."""

    contexts: int
    events: int
    old_seals: int
    faults: list[Fault]


def verify(
    among: QuerySet[VMContext] | None = None,
    on_progress: Callable[[], None] = lambda: None,
    *,
    newest: int | None = None,
) -> Verified:
    """Read the events of these contexts, or of all: each from its first on, or its `newest` ones.
    Of each context whose events were changed, the first broken place is named; of MOST_NAMED at
    most. Events that are recorded meanwhile are left to the next time. Memory does not grow with
    the events."""
    contexts = VMContext.objects.all() if among is None else among
    found = Verified(0, 0, 0, [])
    for keys in _in_pieces(contexts):
        readers = _read(keys, newest, on_progress)
        beyond = _beyond(keys)
        for key in keys:
            reader = readers.get(key)
            fault = reader.verdict(beyond.get(key)) if reader else NO_HEAD
            if fault and len(found.faults) < MOST_NAMED:
                found.faults.append(Fault(key, fault))
        found = found._replace(
            contexts=found.contexts + len(keys),
            events=found.events + sum(reader.count for reader in readers.values()),
            old_seals=found.old_seals + sum(reader.seals.old for reader in readers.values()),
        )
        on_progress()
    return found


def _read(
    keys: Sequence[str], newest: int | None, on_progress: Callable[[], None]
) -> dict[str, _Reader]:
    """By context, without those that have no head."""
    heads = ContextEventHead.objects.in_bulk(keys)
    readers = {key: _Reader(head.number, head.digest, newest) for key, head in heads.items()}
    for count, (key, *row) in enumerate(_rows(keys, newest), start=1):
        if key in readers:
            readers[key].read(row)
        if count % ROWS_AT_ONCE == 0:
            on_progress()
    return readers


def lately(newest: int) -> QuerySet[VMContext]:
    """The contexts of which the newest events tell."""
    last = ContextEvent.objects.order_by("-id").values_list("id", flat=True)[newest : newest + 1]
    since = next(iter(last), 0)
    told = ContextEvent.objects.filter(vm_context=OuterRef("pk"), id__gt=since)
    return VMContext.objects.filter(Exists(told.order_by()))


def _in_pieces(contexts: QuerySet[VMContext]) -> Iterator[Sequence[str]]:
    """Keys, a few at a time: no transaction stays open."""
    after = ""
    while True:
        rows = contexts.filter(pk__gt=after).order_by("pk")
        keys = list(rows.values_list("pk", flat=True)[:CONTEXTS_AT_ONCE])
        if not keys:
            return
        yield keys
        after = keys[-1]


def _rows(keys: Sequence[str], newest: int | None) -> Iterator[tuple[object, ...]]:
    rows = ContextEvent.objects.filter(vm_context__in=keys).order_by("vm_context", "number")
    if newest is not None:  # and the one before, which they follow
        rows = rows.filter(number__gte=F("vm_context__event_head__number") - newest)
    return rows.values_list("vm_context_id", *FIELDS, "digest", "seal", "job_id").iterator(
        ROWS_AT_ONCE
    )


def _beyond(keys: Sequence[str]) -> dict[str, int]:
    """By context: the first event of which its head knows nothing. One statement sees the heads and
    the events of one moment."""
    rows = ContextEvent.objects.filter(
        vm_context__in=keys, number__gt=F("vm_context__event_head__number")
    )
    return dict(rows.order_by("-number").values_list("vm_context_id", "number"))


class _Reader:
    """Reads the events of one context, one after another, up to its head."""

    def __init__(self, number: int, digest: str, newest: int | None) -> None:
        self._head_number, self._head_digest = number, digest
        self._before = 0 if newest is None else max(0, number - newest)
        self.seals = Seals(PURPOSE)
        self.count = 0
        self._number = self._before
        self._digest = "" if self._before else BEGINNING
        self._fault = ""

    def read(self, row: Sequence[object]) -> None:
        *values, stored, sealed, job_id = row
        told = dict(zip(FIELDS, values, strict=True))
        number = int(str(told["number"]))
        if number > self._head_number:
            return  # recorded meanwhile, or `_beyond` tells
        if number == self._before:  # counts as it is
            self._digest = str(stored)
            return
        self._compare(number, digest(self._digest, values), stored)
        if job_id not in (None, told["told_job_id"]):
            self._blame(f"Event {number} is linked to another job.")
        self.seals.note(number, str(stored), str(sealed))
        self._number, self._digest = number, str(stored)
        self.count += 1

    def _compare(self, number: int, wanted: str, stored: object) -> None:
        if not self._digest:
            self._blame(f"Event {self._before} is missing.")
        elif number != self._number + 1:
            self._blame(f"{_events(self._number + 1, number - 1)} missing.")
        elif wanted != stored:
            self._blame(
                f"Event {number} does not follow event {number - 1}: one of the two was changed."
                if self._number
                else f"Event {number} was changed."
            )

    def verdict(self, beyond: int | None) -> str:
        """The first broken place; empty if nothing is wrong."""
        if self._number < self._head_number:
            gone = _events(self._number + 1, self._head_number)
            self._blame(f"{gone} missing: the head knows of them.")
        elif self._digest != self._head_digest:
            self._blame(f"Event {self._number} is not the one that the head names.")
        if beyond is not None:
            self._blame(f"The head knows nothing of event {beyond}.")
        if self.seals.unsealed:
            self._blame(
                f"{_events(self.seals.unsealed_from, self._number)} not sealed by any key of this"
                " installation: somebody without a key wrote them, or the key that sealed them is"
                " no longer in VMREP_FIELD_KEYS."
            )
        return self._fault

    def _blame(self, what: str) -> None:
        self._fault = self._fault or what


def _events(first: int, last: int) -> str:
    """The beginning of a sentence."""
    return f"Event {first} is" if first >= last else f"Events {first} to {last} are"


def seal_anew() -> int:
    """Seal the newest event of each context with the newest key, where a present key has sealed it:
    so the older keys are not needed. Returns how many."""
    sealed = 0
    for keys in _in_pieces(VMContext.objects.all()):
        sealed += _seal_anew(keys)
    return sealed


@one_transaction
def _seal_anew(keys: Sequence[str]) -> int:
    heads = ContextEventHead.objects.filter(pk__in=keys).order_by("pk")
    locked = list(heads.select_for_update(no_key=True).values_list("vm_context_id", "number"))
    numbers = dict(locked)
    newest = ContextEvent.objects.filter(
        vm_context__in=keys, number=F("vm_context__event_head__number")
    )
    changed = []
    for event in newest.only("digest", "seal", "number", "vm_context_id"):
        by_the_newest_key = seal(event.digest)
        if event.seal == by_the_newest_key or event.number != numbers.get(event.vm_context_id):
            continue
        if is_sealed(PURPOSE, event.digest, event.seal):
            event.seal = by_the_newest_key
            changed.append(event)
    ContextEvent.objects.bulk_update(changed, ["seal"])
    return len(changed)
