"""Updating the rows of discovered VMs from what was read; only differences are written.

Comparing needs no lock. `write` locks what it writes, in one order, in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from contexts.models import DiscoveredVM, VCenter
from contexts.services import changed_rows, records
from contexts.services.changed_rows import Change
from contexts.vsphere.records import VmRecord

NO_UUID = (
    "vCenter reports no instance UUID for this VM (it may be inaccessible), so vmrep cannot"
    " identify it. Make the VM accessible, then run discovery again."
)
SAME_UUID = (
    "Another VM in this vCenter has the same instance UUID, so vmrep cannot tell them apart."
    " Give one of them a new UUID, then run discovery again."
)


@dataclass
class Differences:
    """The differences between a page's records and the existing rows.

    `seen`: the keys of these VMs' rows. `morefs`: every moref on the page.
    """

    vcenter: VCenter
    morefs: list[str]
    new: list[dict[str, Any]] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.new or self.changed)

    def write(self, now: datetime) -> None:
        """Within a transaction: write everything except the time when unchanged rows were seen."""
        rows = DiscoveredVM.objects.filter(vcenter=self.vcenter)
        # A moref belongs to one VM at a time: a VM that had it under another UUID is gone.
        displaced = rows.filter(moref__in=self.morefs, gone_at__isnull=True).exclude(
            pk__in=self.seen
        )
        gone = list(displaced.values_list("pk", flat=True))
        _lock(rows, [*gone, *(row.pk for row, _ in self.changed)])
        rows.filter(pk__in=gone).update(gone_at=Now())
        changed_rows.write(self.changed)
        DiscoveredVM.objects.bulk_create(
            (DiscoveredVM(vcenter=self.vcenter, seen_at=now, **values) for values in self.new),
            batch_size=changed_rows.ROWS_PER_STATEMENT,
        )


def _lock(rows: QuerySet[DiscoveredVM], keys: Iterable[int]) -> None:
    """A job that finds its VM writes its row, too; both lock rows in key order."""
    locked = rows.select_for_update(no_key=True).filter(pk__in=sorted(keys))
    list(locked.order_by("pk").values_list("pk"))


def compare(vcenter: VCenter, page: Sequence[VmRecord], repeated: set[str]) -> Differences:
    """What has to be written. `repeated`: the instance UUIDs that several VMs have.

    Two queries, whatever the page holds.
    """
    rows = DiscoveredVM.objects.filter(vcenter=vcenter)
    morefs = [record.moref for record in page]
    uuids = [record.instance_uuid for record in page if record.instance_uuid]
    by_uuid = {row.vmware_vm_id: row for row in rows.filter(vmware_vm_id__in=uuids)}
    by_moref = {
        row.moref: row
        for row in rows.filter(moref__in=morefs, vmware_vm_id=None, gone_at__isnull=True)
    }
    found = Differences(vcenter, morefs)
    for record in page:
        problem = identity_problem(record, repeated)
        row = by_moref.get(record.moref) if problem else by_uuid.get(record.instance_uuid)
        values = records.columns_of(record) | {
            "vmware_vm_id": None if problem else record.instance_uuid,
            "identity_problem": problem,
            "gone_at": None,
        }
        if row is None:
            found.new.append(values)
            continue
        found.seen.append(row.pk)
        if different := changed_rows.differences(row, values):
            found.changed.append((row, different))
    return found


def mark_seen(keys: Sequence[int], now: datetime) -> None:
    """One statement, for unchanged rows as well."""
    DiscoveredVM.objects.filter(pk__in=keys).update(seen_at=now)


def write_rows(vcenter: VCenter, page: Sequence[VmRecord], now: datetime) -> None:
    """Within a transaction: write all that was seen `now`."""
    found = compare(vcenter, page, set())
    found.write(now)
    mark_seen(found.seen, now)


def identity_problem(record: VmRecord, repeated: set[str]) -> str:
    """Why the VM cannot be identified; empty when it can."""
    if record.instance_uuid is None:
        return record.problem or NO_UUID
    return SAME_UUID if record.instance_uuid in repeated else ""


def forbid(vcenter: VCenter, uuids: set[str]) -> None:
    """Mark VMs stored from an earlier page whose UUID turned out to be shared."""
    DiscoveredVM.objects.filter(vcenter=vcenter, vmware_vm_id__in=uuids).update(
        vmware_vm_id=None, identity_problem=SAME_UUID
    )
