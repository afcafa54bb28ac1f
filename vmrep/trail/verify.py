"""Whether the trail is what was written: every row, its place and its seal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from django.db.models import QuerySet, Subquery

from contexts.chain import Seals
from contexts.trail import Verb
from vmrep.trail import chain
from vmrep.trail.models import Event, Head

AT_ONCE = 2000
MOST_NAMED = 1000


class Fault(NamedTuple):
    """What is wrong, and with which event."""

    number: int
    what: str


class Anchor(NamedTuple):
    """An event that somebody wrote down elsewhere: it must still be the same."""

    number: int
    digest: str


class Verified(NamedTuple):
    """So many `events` were read, up to `number`, whose digest vouches for all of them: keep both
    elsewhere. `old_seals`: how many are sealed by keys that are not here any more."""

    events: int
    number: int
    digest: str
    old_seals: int
    faults: list[Fault]


def verify(
    *,
    newest: int | None = None,
    anchor: Anchor | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Verified:
    """Read the trail from its oldest event, or only its `newest` ones. Events that are written
    meanwhile are left to the next time. Memory does not grow with the trail; at most MOST_NAMED
    faults are named."""
    head = Head.objects.first()
    if head is None:
        count = Event.objects.count()
        return Verified(0, 0, "", 0, [Fault(0, f"The head is missing, with {count} events left.")])
    reader = _Reader(head, newest, anchor)
    for row in _rows(reader.number, head.number):
        reader.read(row)
        if reader.count % AT_ONCE == 0:
            on_progress(reader.count)
    return reader.verdict()


def _rows(after: int, through: int) -> Iterator[tuple[object, ...]]:
    """By their numbers, a few at a time: no transaction stays open."""
    rows: QuerySet[Event] = Event.objects.order_by("number").filter(number__lte=through)
    while True:
        some = list(
            rows.filter(number__gt=after).values_list(*chain.FIELDS, "digest", "seal")[:AT_ONCE]
        )
        yield from some
        if len(some) < AT_ONCE:
            return
        after = int(some[-1][0])


class _Reader:
    """Reads one event after another."""

    def __init__(self, head: Head, newest: int | None, anchor: Anchor | None) -> None:
        self._head, self._anchor = head, anchor
        self._faults: list[Fault] = []
        self._seals = Seals(chain.PURPOSE)
        self.count = 0
        self.number, self._digest = head.pruned_through, head.pruned_digest
        if newest is not None and head.number - newest > self.number:
            self._begin_at(head.number - newest)
        elif self.number:
            self._require_told_pruning()

    def _begin_at(self, number: int) -> None:
        """The one before the first that is read counts as it is; a missing one is told of."""
        before = Event.objects.filter(number=number).values_list("digest", flat=True).first()
        if before is None:
            self._blame(number, f"Event {number} is missing.")
        self.number, self._digest = number, before or ""

    def _require_told_pruning(self) -> None:
        """Whoever prunes without the command tells nobody."""
        told = Event.objects.filter(verb=Verb.PRUNE).order_by("-number").first()
        if told is None or told.new_values.get("through") != self.number:
            self._blame(
                self.number, f"The events up to {self.number} were removed, and no event says so."
            )
        elif told.new_values.get("digest") != self._digest:
            self._blame(self.number, "The mark of the pruned events was changed.")

    def read(self, row: tuple[object, ...]) -> None:
        *values, digest, seal = row
        number, previous = int(str(values[0])), str(values[1])
        if number != self.number + 1:
            if not self._was_pruned_meanwhile(number - 1):
                self._blame(number, f"{_events(self.number + 1, number - 1)} missing.")
        elif previous != self._digest:
            self._blame(
                number, f"Event {number} does not follow event {number - 1}: one was replaced."
            )
        if chain.digest(values) != digest:
            self._blame(number, f"Event {number} was changed: its digest is that of other content.")
        self._seals.note(number, str(digest), str(seal))
        if self._anchor and self._anchor.number == number and self._anchor.digest != digest:
            self._blame(number, f"Event {number} is not the one that was written down.")
        self.number, self._digest = number, str(digest)
        self.count += 1

    @staticmethod
    def _was_pruned_meanwhile(through: int) -> bool:
        return Head.objects.filter(pruned_through__gte=through).exists()

    def verdict(self) -> Verified:
        head = self._head
        # One statement sees the head and the events of one moment.
        newest = Head.objects.filter(pk=head.pk).values("number")[:1]
        beyond = Event.objects.filter(number__gt=Subquery(newest)).order_by("number").first()
        if beyond is not None:
            self._blame(beyond.number, f"The head knows nothing of event {beyond.number}.")
        if self.number < head.number:
            gone = _events(self.number + 1, head.number)
            self._blame(head.number, f"{gone} missing: the head knows of them.")
        elif self._digest != head.digest:
            self._blame(head.number, f"Event {head.number} is not the one that the head names.")
        if self._seals.unsealed:
            self._blame(
                self._seals.unsealed_from,
                f"{_events(self._seals.unsealed_from, self.number)} not sealed by any key of this"
                " installation: somebody without a key wrote them, or the key that sealed them is"
                " no longer in VMREP_FIELD_KEYS.",
            )
        if self._anchor and self._anchor.number > head.number:
            self._blame(
                self._anchor.number,
                f"Event {self._anchor.number} was written down, and the trail ends before it.",
            )
        return Verified(self.count, self.number, self._digest, self._seals.old, self._faults)

    def _blame(self, number: int, what: str) -> None:
        if len(self._faults) < MOST_NAMED:
            self._faults.append(Fault(number, what))


def _events(first: int, last: int) -> str:
    """The beginning of a sentence."""
    return f"Event {first} is" if first >= last else f"Events {first} to {last} are"
