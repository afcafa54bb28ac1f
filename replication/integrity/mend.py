"""Repairs: only what has one safe meaning, each under the context's lock and after a look there.

Never a file, never a snapshot at a vCenter.
"""

from __future__ import annotations

from dataclasses import replace

from django.db import DatabaseError, transaction

from contexts.services import statuses
from replication.integrity.findings import CHECKS, Check, Finding, Scope, SecondLook

GONE = "It was gone at the last look: put right together with another finding, or by itself."


def mend(finding: Finding, scope: Scope) -> Finding:
    """The finding with what was done about it in `repaired`; as it was when nothing was.

    A finding that a database without its constraints lets nobody mend says so in its remedy.
    """
    one = next((it for it in CHECKS if finding.code in {code.name for code in it.codes}), None)
    if one is None or one.mend is None or not finding.repairable:
        return finding
    try:
        with transaction.atomic():
            statuses.hold(finding.context_id)
            if not _is_there(one, finding, scope):
                return replace(finding, repaired=GONE)
            return replace(finding, repaired=one.mend(finding))
    except DatabaseError as problem:
        return replace(finding, remedy=f"{finding.remedy} The repair was refused: {problem}")


def _is_there(one: Check, finding: Finding, scope: Scope) -> bool:
    """At a vCenter it was just seen; the mending statement itself compares what it changes."""
    if one.second_look is SecondLook.NONE:
        return True
    return any(found.key == finding.key for found in one.find(scope.only(finding.context_id)))
