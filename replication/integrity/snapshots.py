"""Checks of vmrep's snapshots at the vCenters, both ways. They never remove a snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db.models import Q
from django.db.models.functions import Now

from contexts.errors import ContextError
from contexts.models import VCenter, VMContext
from contexts.services import slots, vcenters
from contexts.services.discovery import READING_BYTES, READING_SECONDS
from contexts.vsphere import snapshots
from contexts.vsphere.budget import Budget
from contexts.vsphere.errors import VSphereError
from contexts.vsphere.session import Session
from contexts.vsphere.snapshots import SnapshotsOfVm
from replication.integrity.findings import Code, Finding, Scope, SecondLook, check
from replication.models import VMSnapshot
from replication.states import ACTIVE_JOB_STATUSES, Severity, SnapshotState

PREFIX = "vmrep:"
# Long enough for a clean-up of the same vCenter, not for a discovery of a large one.
_WAIT_SECONDS = 90.0

VCENTER_NOT_CHECKED = Code(
    "vcenter_not_checked",
    "It is not known whether snapshots were left at this vCenter. Make it reachable, then check "
    "again.",
    Severity.WARNING,
)
SNAPSHOT_WITHOUT_ROW = Code(
    "snapshot_without_row",
    "The snapshot grows and slows the VM down. This vmrep does not need it: remove it in vSphere, "
    "unless another vmrep uses this vCenter.",
)
SNAPSHOT_ROW_WITHOUT_SNAPSHOT = Code(
    "snapshot_row_without_snapshot",
    "Somebody removed it in vSphere, or the VM was reverted. --repair marks the row as removed.",
    repairable=True,
)
SNAPSHOT_LEFT_OVER = Code(
    "snapshot_left_over",
    "The snapshot grows and slows the VM down, and the clean-up cannot remove it. Resolve the "
    "stated cause, or remove the snapshot in vSphere.",
)


@dataclass
class _AtVCenter:
    """What one pass over a vCenter saw; its size depends only on vmrep's snapshots."""

    ours: dict[tuple[str, str], SnapshotsOfVm] = field(default_factory=dict)
    """The VM by (moref, name) of each snapshot with vmrep's prefix."""
    readable: set[str | None] = field(default_factory=set)
    """The instance UUIDs of the requested VMs whose snapshots were read."""


def _read(scope: Scope, session: Session, wanted: set[str]) -> _AtVCenter:
    seen = _AtVCenter()
    for vm in snapshots.of_all_vms(session):
        scope.on_progress()
        if vm.snapshots is None:
            continue
        if vm.instance_uuid in wanted:
            seen.readable.add(vm.instance_uuid)
        for snapshot in vm.snapshots:
            if snapshot.name.startswith(PREFIX):
                seen.ours[snapshot.moref, snapshot.name] = vm
    return seen


def _mark_removed(finding: Finding) -> str:
    """Only if the second look also missed it; a row that another process updated stays as it is."""
    name = finding.key.removeprefix(f"{finding.code} ")
    marked = VMSnapshot.objects.filter(name=name, state=SnapshotState.CREATED).update(
        state=SnapshotState.REMOVED, removed_at=Now(), problem="", updated_at=Now()
    )
    return f"Marked the row of {name} as removed." if marked else ""


@check(
    VCENTER_NOT_CHECKED,
    SNAPSHOT_WITHOUT_ROW,
    SNAPSHOT_ROW_WITHOUT_SNAPSHOT,
    second_look=SecondLook.NONE,
    mend=_mark_removed,
)
def snapshots_at_vcenters(scope: Scope) -> Iterator[Finding]:
    for vcenter in VCenter.objects.order_by("pk"):
        try:
            found = _of_vcenter(scope, vcenter)
        except (VSphereError, ContextError) as problem:
            found = [
                VCENTER_NOT_CHECKED.finding(
                    f"{vcenter.name}: not checked: {problem}", key=vcenter.pk
                )
            ]
        yield from found


def _of_vcenter(scope: Scope, vcenter: VCenter) -> list[Finding]:
    """Reads rows, then the vCenter, then differing rows again, since jobs keep running."""
    rows = _rows_at_rest(scope, vcenter)
    wanted = {row.vm_context.vmware_vm_id for row in rows}
    reading = Budget(READING_SECONDS, READING_BYTES, f"end of the check of {vcenter.name}")
    with (
        slots.conversation(vcenter, wait_seconds=_WAIT_SECONDS),
        vcenters.session(vcenter, reading=reading) as session,
    ):
        seen = _read(scope, session, wanted)
        strays = _without_row(list(seen.ours))
        # A row becomes `removed` after its snapshot is gone: a snapshot that still exists is an
        # orphan.
        there = _read(scope, session, wanted).ours if strays else {}
    kept = [one for one in strays if one in there]
    return [
        *(_stray(vcenter, there[one], one[1]) for one in _without_row(kept)),
        *_gone(scope, vcenter, rows, seen),
    ]


def _without_row(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """vmrep's snapshots that no row knows, or whose row says that they were removed."""
    names = [name for _, name in found]
    known: set[str] = set()
    for start in range(0, len(names), 500):
        rows = VMSnapshot.objects.filter(name__in=names[start : start + 500])
        known |= set(rows.exclude(state=SnapshotState.REMOVED).values_list("name", flat=True))
    return [one for one in found if one[1] not in known]


def _stray(vcenter: VCenter, vm: SnapshotsOfVm, name: str) -> Finding:
    context = VMContext.objects.filter(vcenter=vcenter, vmware_vm_id=vm.instance_uuid or "").first()
    return SNAPSHOT_WITHOUT_ROW.finding(
        f"{vcenter.name} has a snapshot {name} that vmrep does not know, or recorded as removed.",
        key=f"{vcenter.pk} {vm.vm_moref} {name}",
        context_id=context.pk if context else "",
        vm_name=vm.vm_name,
    )


def _rows_at_rest(scope: Scope, vcenter: VCenter) -> list[VMSnapshot]:
    """Rows of snapshots that were made, of contexts that are idle now."""
    rows = VMSnapshot.objects.filter(
        state=SnapshotState.CREATED, vm_context__vcenter=vcenter
    ).select_related("vm_context")
    return list(scope.at_rest(scope.within(rows)).order_by("pk"))


def _gone(
    scope: Scope, vcenter: VCenter, rows: list[VMSnapshot], seen: _AtVCenter
) -> Iterator[Finding]:
    """Rows whose snapshot was not seen, and that nothing changed or held since.

    A VM that is missing, or that the account may not read, proves nothing about its snapshots.
    """
    missing = [
        row
        for row in rows
        if (row.moref, row.name) not in seen.ours and row.vm_context.vmware_vm_id in seen.readable
    ]
    same = {
        (row.pk, row.updated_at)
        for start in range(0, len(missing), 500)
        for row in scope.at_rest(
            VMSnapshot.objects.filter(
                pk__in=[row.pk for row in missing[start : start + 500]],
                state=SnapshotState.CREATED,
            )
        )
    }
    for row in missing:
        if (row.pk, row.updated_at) in same:
            yield SNAPSHOT_ROW_WITHOUT_SNAPSHOT.finding(
                f"{vcenter.name} no longer has the snapshot {row.name} ({row.moref}).",
                key=row.name,
                context_id=row.vm_context_id,
                vm_name=row.vm_context.vm_name,
                job_id=row.job_id,
            )


@check(SNAPSHOT_LEFT_OVER)
def snapshot_left_over(scope: Scope) -> Iterator[Finding]:
    """Not removed long after its job ended."""
    left = scope.within(VMSnapshot.objects.select_related("vm_context")).exclude(
        Q(state=SnapshotState.REMOVED) | Q(job__status__in=ACTIVE_JOB_STATUSES)
    )
    late = left.filter(job__completed_at__lt=scope.left_over_since)
    for row in scope.at_rest(late).order_by("pk").iterator():
        yield SNAPSHOT_LEFT_OVER.finding(
            f"{row.name} ({row.get_state_display().lower()}) is left over. {row.problem}".strip(),
            key=row.pk,
            context_id=row.vm_context_id,
            vm_name=row.vm_context.vm_name,
            job_id=row.job_id,
        )
