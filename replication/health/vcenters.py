"""Asking the vCenters whether they are there, from a worker, again and again."""

from __future__ import annotations

import logging
import socket
from concurrent.futures import Future, wait
from threading import Lock, Thread

from django.db.models import F
from django.db.models.functions import Now

from contexts.models import VCenter
from contexts.services.transactions import one_transaction
from contexts.services.vcenters import silence
from contexts.text import storable
from replication.models import VCenterSign

log = logging.getLogger(__name__)

SECONDS = 8.0
# For what has no deadline of its own, such as the system's name look-up.
_GRACE_SECONDS = 1.0
_ONE_AT_A_TIME = Lock()
_asked: dict[int, Future[str]] = {}


def ask() -> None:
    """Ask each, all at once, and note what came of it. Takes about `SECONDS` at most; while another
    thread of this process asks, it does nothing."""
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        return
    try:
        asked = {vcenter.pk: _ask(vcenter) for vcenter in VCenter.objects.order_by("pk")}
        wait(asked.values(), timeout=SECONDS + _GRACE_SECONDS)
        late = f"No answer within {SECONDS:.0f} seconds."
        _note({pk: each.result() if each.done() else late for pk, each in asked.items()})
    finally:
        _ONE_AT_A_TIME.release()


def _ask(vcenter: VCenter) -> Future[str]:
    """In a thread of its own, which is left behind when it hangs; one for each vCenter."""
    before = _asked.get(vcenter.pk)
    if before is not None and not before.done():
        return before
    answer: Future[str] = Future()
    _asked[vcenter.pk] = answer

    def run() -> None:
        try:
            answer.set_result(silence(vcenter, SECONDS))
        except Exception:
            log.exception("asking vCenter %s failed", vcenter.pk)
            answer.set_result("vmrep could not ask it: see the log of the worker “control”.")

    Thread(target=run, name=f"ask {vcenter.host}", daemon=True).start()
    return answer


@one_transaction
def _note(problems: dict[int, str]) -> None:
    """By vCenter, why it does not answer. One that was removed meanwhile is left out."""
    host = socket.gethostname()
    there = VCenter.objects.filter(pk__in=problems).values_list("pk", flat=True)
    VCenterSign.objects.bulk_create(
        (
            VCenterSign(
                vcenter_id=pk,
                host=host,
                looked_at=Now(),
                reached_at=None if problems[pk] else Now(),
                problem=storable(problems[pk]),
            )
            for pk in sorted(there)
        ),
        update_conflicts=True,
        unique_fields=["vcenter", "host"],
        update_fields=["looked_at", "problem"],
    )
    reached = [pk for pk, problem in problems.items() if not problem]
    VCenterSign.objects.filter(vcenter__in=reached, host=host).update(reached_at=F("looked_at"))
