"""Updating the rows of discovered VMs from what was read; only differences are written.

Comparing needs no lock. Writing leaves out the rows that another transaction holds, and says which:
it never waits for them, and the next discovery finds the same differences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zlib import crc32

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from contexts.models import DiscoveredVM, VCenter
from contexts.services import changed_rows, records
from contexts.services.changed_rows import Change
from contexts.services.transactions import lock_free, only_free
from contexts.text import storable
from contexts.vsphere.records import KnownDevices, VmRecord

NO_UUID = (
    "vCenter reports no instance UUID for this VM (it may be inaccessible), so vmrep cannot"
    " identify it. Make the VM accessible, then run discovery again."
)
SAME_UUID = (
    "Another VM in this vCenter has the same instance UUID, so vmrep cannot tell them apart."
    " Give one of them a new UUID, then run discovery again."
)


READ_AGAIN_AFTER = 20  # discoveries


@dataclass
class Held:
    """The VMs that were not written because other transactions held their rows: their names, and
    the keys of those rows that exist."""

    names: set[str] = field(default_factory=set)
    keys: set[int] = field(default_factory=set)

    def add(self, more: Held) -> None:
        self.names |= more.names
        self.keys |= more.keys


@dataclass
class Differences:
    """The differences between a page's records and the existing rows.

    `seen`: the keys of these VMs' rows, with their names. `morefs`: every moref on the page.
    """

    vcenter: VCenter
    morefs: list[str]
    new: list[dict[str, Any]] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    seen: dict[int, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.new or self.changed)

    def write(self, now: datetime) -> Held:
        """Within a transaction: write everything except the time when unchanged rows were seen.
        Returns what other transactions hold."""
        rows = DiscoveredVM.objects.filter(vcenter=self.vcenter)
        # A moref belongs to one VM at a time: a VM that had it under another UUID is gone.
        displaced = dict(
            rows.filter(moref__in=self.morefs, gone_at__isnull=True)
            .exclude(pk__in=self.seen)
            .values_list("pk", "moref")
        )
        free = set(
            lock_free(rows.filter(pk__in=[*displaced, *(row.pk for row, _ in self.changed)]))
        )
        occupied = {moref for key, moref in displaced.items() if key not in free}
        held = Held()
        changed = []
        for row, values in self.changed:
            if row.pk in free and values.get("moref", row.moref) not in occupied:
                changed.append((row, values))
            else:
                held.add(Held({self.seen[row.pk]}, {row.pk}))
        new = []
        for values in self.new:
            if values["moref"] in occupied:
                held.names.add(values["vm_name"] or values["moref"])
            else:
                new.append(DiscoveredVM(vcenter=self.vcenter, seen_at=now, **values))
        rows.filter(pk__in=displaced.keys() & free).update(gone_at=Now())
        changed_rows.write(changed)
        DiscoveredVM.objects.bulk_create(new, batch_size=changed_rows.ROWS_PER_STATEMENT)
        return held


def compare(
    vcenter: VCenter, page: Sequence[VmRecord], repeated: set[str], now: datetime
) -> Differences:
    """What has to be written. `repeated`: the instance UUIDs that several VMs have.

    What a record does not say changes nothing. A VM that does not even say who it is, or says so
    for the first time, is the one that has been at its moref: vSphere never uses one again.

    Two queries, whatever the page holds.
    """
    rows = DiscoveredVM.objects.filter(vcenter=vcenter)
    morefs = [record.moref for record in page]
    uuids = [record.instance_uuid for record in page if record.instance_uuid]
    by_uuid = {row.vmware_vm_id: row for row in rows.filter(vmware_vm_id__in=uuids)}
    unknown = [
        record.moref
        for record in page
        if identity_problem(record, repeated) or record.instance_uuid not in by_uuid
    ]
    by_moref = {row.moref: row for row in rows.filter(moref__in=unknown, gone_at__isnull=True)}
    found = Differences(vcenter, morefs)
    for record in page:
        problem = identity_problem(record, repeated)
        at_its_moref = by_moref.get(record.moref)
        row = at_its_moref if problem else by_uuid.get(record.instance_uuid)
        if row is None and at_its_moref is not None and at_its_moref.vmware_vm_id is None:
            row = at_its_moref  # it says for the first time who it is
        if row is not None and row.vmware_vm_id is not None and problem:
            if _is_silent(record):
                problem = ""
            else:
                row = None
        uuid = None if problem else record.instance_uuid or (row and row.vmware_vm_id)
        values = _columns(record, row, now) | {
            "vmware_vm_id": uuid,
            "identity_problem": problem,
            "gone_at": None,
        }
        if row is None:
            found.new.append(values)
            continue
        found.seen[row.pk] = record.name
        if different := changed_rows.differences(row, values):
            found.changed.append((row, different))
    return found


def _is_silent(record: VmRecord) -> bool:
    """Whether it does not say who it is."""
    return record.instance_uuid is None and "instance_uuid" in record.unsaid


def _columns(record: VmRecord, row: DiscoveredVM | None, now: datetime) -> dict[str, Any]:
    if row is not None:
        record = records.completed(record, row)
    since = (row.unreadable_since if row is not None else None) or now
    return records.columns_of(record) | {
        "unreadable_since": since if record.unreadable else None,
        "unreadable_reason": storable(record.unreadable),
        "untold_places": records.untold_places(record, row, now),
    }


def known_devices(vcenter: VCenter, morefs: Sequence[str], turn: int) -> dict[str, KnownDevices]:
    """The devices that need not be read again while their version is the same. One query.

    In each `turn` (a number that grows) some are left out, all of them in the course of
    `READ_AGAIN_AFTER` turns: should a vCenter change devices under an old version, that is found
    out.
    """
    rows = DiscoveredVM.objects.filter(
        vcenter=vcenter, moref__in=morefs, gone_at__isnull=True, unreadable_since__isnull=True
    ).exclude(devices_version="")
    return {
        str(row.moref): records.known_devices(row)
        for row in rows.only("moref", "devices_version", "disks", "networks", "untold_places")
        if (crc32(str(row.moref).encode()) + turn) % READ_AGAIN_AFTER
    }


def mark_seen(seen: Mapping[int, str], now: datetime) -> Held:
    """One statement, for unchanged rows as well, given by key with their names."""
    rows = DiscoveredVM.objects.filter(pk__in=list(seen))
    with transaction.atomic():
        if only_free(rows).update(seen_at=now) == len(seen):
            return Held()
    missed = rows.filter(seen_at__lt=now).values_list("pk", flat=True)
    return Held({seen[key] for key in missed}, set(missed))


def mark_gone(vcenter: VCenter, before: datetime, held: Held) -> Held:
    """Mark the VMs that were not seen since `before`, except `held`: those may have been."""
    missed = DiscoveredVM.objects.filter(
        vcenter=vcenter, gone_at__isnull=True, seen_at__lt=before
    ).exclude(pk__in=held.keys)
    with transaction.atomic():
        only_free(missed).update(gone_at=Now())
    return _held(missed)


def held_rows(vcenter: VCenter, record: VmRecord) -> Held:
    """A VM that could not be written."""
    its_own = Q(moref=record.moref, gone_at__isnull=True)
    if record.instance_uuid is not None:
        its_own |= Q(vmware_vm_id=record.instance_uuid)
    keys = DiscoveredVM.objects.filter(its_own, vcenter=vcenter).values_list("pk", flat=True)
    return Held({record.name}, set(keys))


def _held(rows: QuerySet[DiscoveredVM]) -> Held:
    found = list(rows.values_list("pk", "vm_name", "moref"))
    return Held({str(name or moref) for _, name, moref in found}, {key for key, _, _ in found})


def write_rows(vcenter: VCenter, page: Sequence[VmRecord], now: datetime) -> Held:
    """Within a transaction: write all that was seen `now`."""
    found = compare(vcenter, page, set(), now)
    held = found.write(now)
    held.add(mark_seen(found.seen, now))
    return held


def identity_problem(record: VmRecord, repeated: set[str]) -> str:
    """Why the VM cannot be identified; empty when it can."""
    if record.instance_uuid is None:
        return record.problem or NO_UUID
    return SAME_UUID if record.instance_uuid in repeated else ""


def forbid(vcenter: VCenter, uuids: set[str]) -> Held:
    """Mark VMs stored from an earlier page whose UUID turned out to be shared."""
    shared = DiscoveredVM.objects.filter(vcenter=vcenter, vmware_vm_id__in=uuids)
    with transaction.atomic():
        only_free(shared).update(vmware_vm_id=None, identity_problem=SAME_UUID)
    return _held(shared)
