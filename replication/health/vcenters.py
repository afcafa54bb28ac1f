"""Asking the vCenters whether they are there, from a worker, again and again."""

from __future__ import annotations

import logging
import socket
import time
from concurrent.futures import Future, wait
from threading import Lock, Thread
from typing import NamedTuple

from django.db.models import F
from django.db.models.functions import Now

from contexts.models import VCenter
from contexts.services.transactions import one_transaction
from contexts.services.vcenters import silence
from contexts.text import storable
from replication.models import VCenterSign

log = logging.getLogger(__name__)


class _Answer(NamedTuple):
    """`problem`: why there is none; empty if there is."""

    problem: str
    seconds: float = 0.0


SECONDS = 8.0
# For what has no deadline of its own, such as the system's name look-up.
_GRACE_SECONDS = 1.0
_ONE_AT_A_TIME = Lock()
_asked: dict[int, Future[_Answer]] = {}


def ask() -> None:
    """Ask each, all at once, and note what came of it. Takes about `SECONDS` at most; while another
    thread of this process asks, it does nothing."""
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        return
    try:
        asked = {vcenter.pk: _ask(vcenter) for vcenter in VCenter.objects.order_by("pk")}
        wait(asked.values(), timeout=SECONDS + _GRACE_SECONDS)
        late = _Answer(f"No answer within {SECONDS:.0f} seconds.")
        _note({pk: each.result() if each.done() else late for pk, each in asked.items()})
    finally:
        _ONE_AT_A_TIME.release()


def _ask(vcenter: VCenter) -> Future[_Answer]:
    """In a thread of its own, which is left behind when it hangs; one for each vCenter."""
    before = _asked.get(vcenter.pk)
    if before is not None and not before.done():
        return before
    answer: Future[_Answer] = Future()
    _asked[vcenter.pk] = answer

    def run() -> None:
        began = time.monotonic()
        try:
            problem = silence(vcenter, SECONDS)
            answer.set_result(_Answer(problem, time.monotonic() - began))
        except Exception:
            log.exception("asking vCenter %s failed", vcenter.pk)
            why = "vmrep could not ask it: see the log of the worker “control”."
            answer.set_result(_Answer(why))

    Thread(target=run, name=f"ask {vcenter.host}", daemon=True).start()
    return answer


@one_transaction
def _note(answers: dict[int, _Answer]) -> None:
    """By vCenter, what came of asking it. One that was removed meanwhile is left out."""
    host = socket.gethostname()
    there = VCenter.objects.filter(pk__in=answers).values_list("pk", flat=True)
    VCenterSign.objects.bulk_create(
        (
            VCenterSign(
                vcenter_id=pk,
                host=host,
                looked_at=Now(),
                reached_at=None if answers[pk].problem else Now(),
                problem=storable(answers[pk].problem),
                answer_seconds=None if answers[pk].problem else answers[pk].seconds,
            )
            for pk in sorted(there)
        ),
        update_conflicts=True,
        unique_fields=["vcenter", "host"],
        update_fields=["looked_at", "problem", "answer_seconds"],
    )
    reached = [pk for pk, answer in answers.items() if not answer.problem]
    VCenterSign.objects.filter(vcenter__in=reached, host=host).update(reached_at=F("looked_at"))
