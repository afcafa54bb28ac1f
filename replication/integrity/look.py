"""Running the checks: each finding is confirmed by a second look, since vmrep keeps working."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator

from django.db import transaction

from contexts.database_errors import own_words
from contexts.services import statuses

# Importing a module of checks registers them, in the order of the report.
from replication.integrity import contexts as contexts
from replication.integrity import database as database
from replication.integrity import events as events
from replication.integrity import figures as figures
from replication.integrity import files as files
from replication.integrity import jobs as jobs
from replication.integrity import manifests as manifests
from replication.integrity import points as points
from replication.integrity import rules as rules
from replication.integrity import snapshots as snapshots
from replication.integrity.findings import (
    CHECK_BROKE_OFF,
    CHECKS,
    CODES,
    Check,
    Finding,
    RunWasEnded,
    Scope,
    SecondLook,
)

log = logging.getLogger(__name__)

# Further findings of one kind are only counted, so that report and memory use stay bounded.
LISTED_PER_CODE = 500


def find(scope: Scope) -> Iterator[Finding]:
    """All findings that a second look confirms. A check that fails is itself a finding: it hides no
    other check's.

    Only reads; a second look locks one context at a time, for a few milliseconds.
    """
    for one in CHECKS:
        scope.on_progress()
        try:
            yield from _carry_out(one, scope)
        except RunWasEnded:
            raise
        except Exception as problem:
            log.exception("the check %s failed", one.name)
            yield CHECK_BROKE_OFF.finding(f"{one.name}: {own_words(problem)}", key=one.name)


def _carry_out(one: Check, scope: Scope) -> Iterator[Finding]:
    listed: dict[str, list[Finding]] = defaultdict(list)
    count: Counter[str] = Counter()
    for finding in one.find(scope):
        count[finding.code] += 1
        if len(listed[finding.code]) < LISTED_PER_CODE:
            listed[finding.code].append(finding)
    for code, findings in listed.items():
        yield from _confirmed(one, scope, findings)
        if unlisted := count[code] - len(findings):
            yield CODES[code].finding(
                f"There are {unlisted} more of this kind, which are not listed.",
                key="more",
                repairable=False,
            )


def _confirmed(one: Check, scope: Scope, findings: list[Finding]) -> Iterator[Finding]:
    """The findings that a second look at their context confirms."""
    if one.second_look is SecondLook.NONE:
        yield from findings
        return
    by_context: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_context[finding.context_id].append(finding)
    for context_id, first in by_context.items():
        there = look_again(one, scope, context_id)
        for finding in first:
            if finding.key in there:
                yield there[finding.key]
            elif finding.image_id is not None:
                scope.unconfirmed.add((finding.image_id, finding.code))


def look_again(one: Check, scope: Scope, context_id: str) -> dict[str, Finding]:
    """What the check finds at this context now, by key; under its lock if the check asks for it."""
    narrow = scope.only(context_id) if context_id else scope
    if one.second_look is not SecondLook.UNDER_LOCK:
        return {finding.key: finding for finding in one.find(narrow)}
    with transaction.atomic():
        # A context that does not exist can be neither locked nor changed.
        statuses.hold(context_id)
        return {finding.key: finding for finding in one.find(narrow)}
