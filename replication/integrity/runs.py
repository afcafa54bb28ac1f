"""Runs of the integrity check: requested, run one at a time, stored. Dead runs are noticed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from contexts import trail
from contexts.clock import database_now
from contexts.database_errors import is_race, own_words
from contexts.services.one_by_one import one_by_one
from contexts.services.transactions import lock_free, one_transaction
from contexts.text import storable
from contexts.trail import Kind, Verb
from replication import messages
from replication.errors import IntegrityCheckRunning
from replication.integrity.damaged import Verdict
from replication.integrity.findings import Finding, RunWasEnded, Scope
from replication.integrity.look import find
from replication.integrity.mend import mend
from replication.models import IntegrityFinding, IntegrityRun
from replication.states import IntegrityOutcome

log = logging.getLogger(__name__)

KEPT_RUNS = 50
# A run reports progress after each image and each page of VMs; none of them takes this long.
SILENT_FOR = timedelta(minutes=30)
SIGN_OF_LIFE_SECONDS = 10.0
BROKE_OFF = "The checking process stopped before the end. Run the check again."


def request(*, actor: str) -> IntegrityRun:
    """Request a run by a worker, or return the run that is already waiting or running."""
    end_silent_runs()
    active = IntegrityRun.objects.filter(outcome__in=IntegrityOutcome.active())
    if run := active.order_by("-id").first():
        return run
    try:
        with transaction.atomic(), trail.gathered():
            run = IntegrityRun.objects.create(requested_by=actor)
            _tell(run)
            transaction.on_commit(messages.hint_integrity)
    except IntegrityError as problem:
        if not is_race(problem):
            raise
        return IntegrityRun.objects.latest("id")
    return run


def _tell(run: IntegrityRun) -> None:
    about = trail.subject(Kind.INTEGRITY, run.pk, f"Integrity check {run.pk}")
    told = {"deep": run.deep, "repair": run.repair}
    trail.tell(Verb.CHECK, about, actor=run.requested_by, new=told)


def run_requested() -> None:
    """Perform a requested run, if there is one; a second worker finds nothing to do."""
    run = IntegrityRun.objects.filter(outcome=IntegrityOutcome.PENDING).first()
    if run is not None and _claim(run):
        _carry_out(run, Scope())


def run_now(scope: Scope, *, actor: str, repair: bool = False) -> IntegrityRun:
    """A run in this process. Raises IntegrityCheckRunning while another run is active."""
    end_silent_runs()
    run = IntegrityRun(requested_by=actor, deep=scope.deep, repair=repair)
    run.outcome, run.started_at = IntegrityOutcome.RUNNING, database_now()
    try:
        with transaction.atomic(), trail.gathered():
            run.save(force_insert=True)
            _tell(run)
    except IntegrityError as problem:
        if not is_race(problem):
            raise
        raise IntegrityCheckRunning(
            "Another integrity check is running. Wait until it ends. If its process died, the run "
            f"is ended {SILENT_FOR.total_seconds() / 60:.0f} minutes after its last sign of "
            "life."
        ) from problem
    _carry_out(run, scope)
    return run


def pick_up_forgotten() -> None:
    """Send a lost hint again, and end runs whose process died. Called by the tick.

    Raises an ExceptionGroup of what failed when the rest was done."""
    one_by_one(
        [
            ("sending the integrity check again", _hint_waiting),
            ("ending integrity checks", end_silent_runs),
        ]
    )


def _hint_waiting() -> None:
    if IntegrityRun.objects.filter(outcome=IntegrityOutcome.PENDING).exists():
        messages.hint_integrity()


@one_transaction
def end_silent_runs() -> None:
    running = IntegrityRun.objects.filter(outcome=IntegrityOutcome.RUNNING)
    silent = lock_free(running.filter(updated_at__lt=Now() - SILENT_FOR))
    running.filter(pk__in=silent).update(
        outcome=IntegrityOutcome.BROKEN_OFF,
        completed_at=Now(),
        updated_at=Now(),
        error_message=BROKE_OFF,
    )


def _claim(run: IntegrityRun) -> bool:
    """False when another worker has it, or another run is still active (the tick tries again)."""
    try:
        with transaction.atomic():
            return bool(
                IntegrityRun.objects.filter(pk=run.pk, outcome=IntegrityOutcome.PENDING).update(
                    outcome=IntegrityOutcome.RUNNING, started_at=Now(), updated_at=Now()
                )
            )
    except IntegrityError as problem:
        if not is_race(problem):
            raise
        return False


def _carry_out(run: IntegrityRun, scope: Scope) -> None:
    scope = replace(scope, on_progress=_SignsOfLife(run))
    with _ended(run):
        # One repair may fix several findings, so all are collected before the first repair.
        verdict = Verdict(scope)
        for finding in list(find(scope)) if run.repair else find(scope):
            _keep(run, mend(finding, scope) if run.repair else finding)
            verdict.note(finding)
        verdict.clear_the_rest()
    _forget_old_runs()
    run.refresh_from_db()


@contextmanager
def _ended(run: IntegrityRun) -> Iterator[None]:
    """The run's outcome, however it ends."""
    try:
        yield
    except RunWasEnded:
        log.warning("%s was ended: it reported no progress for too long", run)
        return
    except BaseException as problem:
        _end(run, IntegrityOutcome.BROKEN_OFF, f"{BROKE_OFF} {own_words(problem)}")
        raise
    findings = run.findings.filter(repaired="").exists()
    _end(run, IntegrityOutcome.FINDINGS if findings else IntegrityOutcome.OK, "")


def _end(run: IntegrityRun, outcome: IntegrityOutcome, error_message: str) -> None:
    IntegrityRun.objects.filter(pk=run.pk, outcome=IntegrityOutcome.RUNNING).update(
        outcome=outcome,
        error_message=storable(error_message),
        finding_count=run.findings.filter(repaired="").count(),
        repaired_count=run.findings.exclude(repaired="").count(),
        completed_at=Now(),
        updated_at=Now(),
    )


class _SignsOfLife:
    """May be called at any rate; writes only now and then. Raises RunWasEnded."""

    def __init__(self, run: IntegrityRun) -> None:
        self._mine = IntegrityRun.objects.filter(pk=run.pk, outcome=IntegrityOutcome.RUNNING)
        self._written = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self._written < SIGN_OF_LIFE_SECONDS:
            return
        if not self._mine.update(updated_at=Now()):
            raise RunWasEnded
        self._written = time.monotonic()


def _keep(run: IntegrityRun, finding: Finding) -> None:
    names = ("code", "severity", "context_id", "vm_name", "job_id")
    texts = ("what", "remedy", "repairable", "repaired")
    IntegrityFinding.objects.create(
        run=run, **{name: getattr(finding, name) for name in (*names, *texts)}
    )


def _forget_old_runs() -> None:
    kept = IntegrityRun.objects.order_by("-id").values_list("pk", flat=True)[:KEPT_RUNS]
    IntegrityRun.objects.exclude(pk__in=list(kept)).delete()
