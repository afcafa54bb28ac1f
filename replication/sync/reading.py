"""How the disks of a job's VM are read: with the first allowed transport that really works.

Each is tried twice: before the snapshot, so that none is taken in vain, and with it, because the
host opens a running VM's disks only then. Only a transport that reads every disk is chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db.models.functions import Now

from contexts.models import VMContext
from contexts.text import storable
from contexts.vsphere.errors import NoTransport, VSphereError
from contexts.vsphere.preflight import transports_for
from contexts.vsphere.records import DiskRecord
from contexts.vsphere.transports import TRANSPORTS
from replication.models import DiskImage, VMSnapshot
from replication.states import ImageState, SnapshotState
from replication.sync import removing
from replication.sync.job_run import JobRun, StepNote
from replication.sync.source import WAYS


def before_snapshot(run: JobRun) -> None:
    """Narrow the candidates to those that can be reached. Raises NoTransport, or what the only
    candidate raised, and ResourceFull."""
    own = VMSnapshot.objects.filter(vm_context=run.context).exclude(state=SnapshotState.REMOVED)
    found = transports_for(
        run.vm,
        own_snapshots={row.name for row in own} | {row.moref for row in own if row.moref},
        transport=run.context.vcenter.transport,
    )
    run.ways = []
    run.passed_over = {}
    failures: list[VSphereError] = []
    for code, refusals in found.items():
        if refusals:
            run.passed_over[code] = " ".join(refusal.reason for refusal in refusals)
            continue
        run.check()
        try:
            WAYS[code].reach(run)
        except VSphereError as problem:
            _pass_over(run, code, problem, failures)
        else:
            run.ways.append(code)
    if not run.ways:
        raise _none(run, failures)


def with_snapshot(run: JobRun, disks: Sequence[DiskRecord], note: StepNote) -> None:
    """Choose the first transport that opens every disk of the snapshot, and record why it is not a
    better one. Raises as `before_snapshot` does."""
    failures: list[VSphereError] = []
    for code in run.ways:
        try:
            for disk in disks:
                run.check()
                WAYS[code].probe(run, disk)
        except VSphereError as problem:
            _pass_over(run, code, problem, failures)
            continue
        _choose(run, code, note)
        return
    run.is_unreadable = True
    raise _none(run, failures)


@contextmanager
def no_snapshot_for_nothing(run: JobRun) -> Iterator[None]:
    """Remove a snapshot that cannot be read, unless an image is being made of it."""
    try:
        yield
    except VSphereError:
        images = DiskImage.objects.filter(job=run.job, state=ImageState.WRITING)
        if run.is_unreadable and not images.exists():
            removing.remove_snapshot(run.taken_snapshot, run)
        raise


def _pass_over(run: JobRun, code: str, problem: VSphereError, failures: list[VSphereError]) -> None:
    failures.append(problem)
    run.passed_over[code] = str(problem)


def _none(run: JobRun, failures: list[VSphereError]) -> VSphereError:
    if len(run.passed_over) == len(failures) == 1:
        return failures[0]
    return NoTransport(
        f"{run.vm.name}: its disks cannot be read. {_reasons(run)}",
        transient=any(failure.transient for failure in failures),
    )


def _reasons(run: JobRun) -> str:
    return " ".join(
        f"Not over {TRANSPORTS[code].place}: {why}" for code, why in run.passed_over.items()
    )


def _choose(run: JobRun, code: str, note: StepNote) -> None:
    run.transport = code
    if not TRANSPORTS[code].needs_place:
        run.seats.need_no_place()
    reason = storable(_reasons(run))
    run.update(transport=code, transport_reason=reason)
    note.say(f"The disks are read over {TRANSPORTS[code].place}. {reason}".strip())
    contexts = VMContext.objects.filter(pk=run.context.pk)
    contexts.exclude(transport=code, transport_reason=reason).update(
        transport=code, transport_reason=reason, updated_at=Now()
    )
