"""What retention has to say about each of a VM's recovery points: why it stays, or that it goes and
when. By the same code that removes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from zoneinfo import ZoneInfo

from contexts.models import VMContext
from replication.retention.choose import Mark, Rules
from replication.retention.services import Preview, preview
from replication.retention.wanted import rules_in_effect

WORDS: Mapping[Mark, str] = {
    Mark.LAST: "kept as one of the last",
    Mark.HOURLY: "kept for its hour",
    Mark.DAILY: "kept for its day",
    Mark.WEEKLY: "kept for its week",
    Mark.MONTHLY: "kept for its month",
    Mark.YEARLY: "kept for its year",
    Mark.PINNED: "pinned",
    Mark.HELD: "being read",
    Mark.NEWEST: "kept: the newest",
    Mark.USABLE: "kept: the newest that can be used",
    Mark.DAMAGED: "damaged, and nothing that can be used is newer",
    Mark.ALL: "kept: no rule removes it",
    Mark.GOES: "goes",
}


class Verdict(NamedTuple):
    """`goes_as`: as which of the points that go, from 1 on; None if it stays. `waits`: why it
    cannot go at once."""

    mark: Mark
    goes_as: int | None
    waits: str

    @property
    def words(self) -> str:
        return WORDS[self.mark]

    @property
    def goes(self) -> bool:
        return self.mark is Mark.GOES


class Verdicts(NamedTuple):
    """`by_point`: of the available ones, by their keys."""

    rules: Rules | None
    zone: ZoneInfo
    preview: Preview
    by_point: dict[int, Verdict]


def verdicts(context: VMContext, rules: Rules | None, zone: ZoneInfo) -> Verdicts:
    """By these rules. Changes nothing; a constant number of queries."""
    found = preview(context, rules, zone)
    order = {step.point: number for number, step in enumerate(found.steps, start=1)}
    by_point = {
        key: Verdict(mark, order.get(key), found.waiting.get(key, ""))
        for key, mark in found.marks.items()
    }
    return Verdicts(rules, zone, found, by_point)


def in_effect(context: VMContext) -> Verdicts:
    """By what is in effect for the VM now."""
    return verdicts(context, *rules_in_effect(context.pk))
