"""Repairs: only those with one safe outcome, each after a second look under the context's lock.

They never touch a file or a snapshot at a vCenter.
"""

from __future__ import annotations

from dataclasses import replace

from django.db import DatabaseError, transaction

from contexts import trail
from contexts.models import VMContext
from contexts.services import statuses
from contexts.text import storable
from contexts.trail import Kind, Verb
from replication.integrity.findings import CHECKS, Check, Finding, Scope, SecondLook

GONE = "It was gone at the last look: repaired with another finding, or no longer wrong."


def mend(finding: Finding, scope: Scope) -> Finding:
    """The finding with what was done about it in `repaired`; unchanged when nothing was done.

    If the database refuses the repair, the remedy says so.
    """
    one = next((it for it in CHECKS if finding.code in {code.name for code in it.codes}), None)
    if one is None or one.mend is None or not finding.repairable:
        return finding
    try:
        with transaction.atomic(), trail.gathered():
            statuses.hold(finding.context_id)
            if not _is_there(one, finding, scope):
                return replace(finding, repaired=GONE)
            mended = replace(finding, repaired=one.mend(finding))
            _tell(mended)
            return mended
    except DatabaseError as problem:
        refused = storable(f"{finding.remedy} The repair was refused: {problem}")
        return replace(finding, remedy=refused)


def _tell(finding: Finding) -> None:
    context = VMContext.objects.filter(pk=finding.context_id).first()
    about = (
        trail.subject(Kind.INSTALLATION, finding.key, finding.subject)
        if context is None
        else trail.vm(context)
    )
    told = {"finding": finding.code, "repair": finding.repaired}
    trail.tell(Verb.REPAIR, about, new=told, job_id=finding.job_id)


def _is_there(one: Check, finding: Finding, scope: Scope) -> bool:
    """For findings at a vCenter, which were just seen; the repair's statement itself compares."""
    if one.second_look is SecondLook.NONE:
        return True
    return any(found.key == finding.key for found in one.find(scope.only(finding.context_id)))
