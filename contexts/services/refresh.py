"""Updating contexts from what a vCenter reports, without touching anything else in them.

Only spec columns are written, and only where they differ, so a job that starts at the same moment
loses nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from contexts.clock import database_now
from contexts.models import VMContext, VMDisk, VMNetworkAdapter
from contexts.models.specs import SPEC_NAMES
from contexts.services import changed_rows
from contexts.services.changed_rows import Change
from contexts.services.disks import matched
from contexts.services.transactions import lock_free, one_transaction
from contexts.vsphere.inventory import DiskRecord, NicRecord, VmRecord
from contexts.vsphere.preflight import unprotected_disks
from contexts.vsphere.specs import SpecValue

DISK_COLUMNS = (
    "label",
    "disk_uuid",
    "capacity_bytes",
    "vmdk_path",
    "datastore",
    "backing_type",
    "provisioning_type",
    "disk_mode",
    "sharing",
    "controller_type",
)
ADAPTER_COLUMNS = (
    "label",
    "mac_address",
    "network_name",
    "adapter_type",
    "connected",
    "ip_addresses",
)


def spec_columns(record: VmRecord) -> dict[str, SpecValue | list[str]]:
    """A record's specs as column values. What is unsaid changes no column."""
    return {
        name: list(value) if isinstance(value := record.specs[name], tuple) else value
        for name in SPEC_NAMES
        if name not in record.unsaid
    }


def disk_id(device_key: int) -> str:
    return f"disk-{device_key}"


def adapter_id(device_key: int) -> str:
    return f"nic-{device_key}"


Pair = tuple[VMContext, VmRecord]


@one_transaction
def refresh(pairs: Sequence[Pair]) -> None:
    """Write all specs, disks and adapters that the records tell into their contexts.

    The number of queries depends only on what changed, not on the number of contexts.
    """
    now = database_now()
    _lock(pairs)
    for changes in _changes(pairs):
        changes.save(now)


def differing(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs that differ from what the database holds now. Takes no lock."""
    stale = {context.pk for changes in _changes(pairs) for context in changes.contexts()}
    return [(context, record) for context, record in pairs if context.pk in stale]


def lock_free_contexts(context_ids: Sequence[str]) -> set[str]:
    """Within a transaction: lock the contexts of which no other transaction holds a row, neither
    their own nor that of a disk or an adapter. Returns their IDs. Never waits."""
    free = set(lock_free(VMContext.objects.filter(pk__in=context_ids)))
    for model in (VMDisk, VMNetworkAdapter):
        rows = model._default_manager.filter(vm_context__in=free, removed_at=None)
        free_rows = lock_free(rows)
        held = rows.exclude(pk__in=free_rows).values_list("vm_context_id", flat=True)
        free.difference_update(held)
    return free


def _lock(pairs: Sequence[Pair]) -> None:
    """Lock the rows in key order, so that two runs cannot deadlock, and read them again: another
    refresh may have changed them since they were loaded.
    """
    rows = (
        VMContext.objects.select_for_update(no_key=True)
        .filter(pk__in=[context.pk for context, _ in pairs])
        .only("pk", *SPEC_NAMES)
        .order_by("pk")
    )
    current = {row.pk: row for row in rows}
    for context, _ in pairs:
        for name in SPEC_NAMES:
            setattr(context, name, getattr(current[context.pk], name))


def _changes(pairs: Sequence[Pair]) -> list[_Changes]:
    return [_spec_changes(pairs), _disk_changes(pairs), _adapter_changes(pairs)]


def _spec_changes(pairs: Sequence[Pair]) -> _Changes:
    changes = _Changes(VMContext)
    for context, record in pairs:
        changes.change(context, context, spec_columns(record))
    return changes


def _disk_changes(pairs: Sequence[Pair]) -> _Changes:
    told = [(context, record) for context, record in pairs if "disks" not in record.unsaid]
    known: dict[str, list[VMDisk]] = defaultdict(list)
    for known_row in VMDisk.objects.filter(
        vm_context__in=[context for context, _ in told], removed_at=None
    ):
        known[known_row.vm_context_id].append(known_row)

    changes = _Changes(VMDisk)
    for context, record in told:
        reasons = {disk.device_key: reason for disk, reason in unprotected_disks(record)}
        rows, left = matched(known.pop(context.pk, []), record.disks)
        for disk in record.disks:
            values = _disk_values(disk) | {"unprotected_reason": reasons.get(disk.device_key, "")}
            key = {"disk_id": disk_id(disk.device_key), "device_key": disk.device_key}
            changes.write(context, rows.get(disk.device_key), key, values)
        for row in left:
            changes.remove(context, row)
    return changes


def _disk_values(disk: DiskRecord) -> dict[str, Any]:
    return {name: getattr(disk, name) for name in DISK_COLUMNS}


def _adapter_changes(pairs: Sequence[Pair]) -> _Changes:
    told = [(context, record) for context, record in pairs if "networks" not in record.unsaid]
    known: dict[str, dict[str, VMNetworkAdapter]] = defaultdict(dict)
    for known_row in VMNetworkAdapter.objects.filter(
        vm_context__in=[context for context, _ in told], removed_at=None
    ):
        known[known_row.vm_context_id][known_row.adapter_id] = known_row

    changes = _Changes(VMNetworkAdapter)
    for context, record in told:
        present = known.pop(context.pk, {})
        for nic in record.networks:
            row: VMNetworkAdapter | None = present.pop(adapter_id(nic.device_key), None)
            key = {"adapter_id": adapter_id(nic.device_key), "device_key": nic.device_key}
            values = _adapter_values(nic)
            if row is not None and "addresses" in record.unsaid:
                del values["ip_addresses"]
            if row is not None and nic.network_name is None:
                del values["network_name"]  # an adapter always has one, but it was not told
            changes.write(context, row, key, values)
        for left in present.values():
            changes.remove(context, left)
    return changes


def _adapter_values(nic: NicRecord) -> dict[str, Any]:
    values = {name: getattr(nic, name) for name in ADAPTER_COLUMNS}
    return values | {"ip_addresses": list(nic.ip_addresses)}


class _Changes:
    """The differences in one table, and the contexts that they concern."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._new: list[tuple[VMContext, dict[str, Any]]] = []
        self._changed: list[tuple[VMContext, Change]] = []
        self._removed: list[tuple[VMContext, int]] = []
        self._moved: list[int] = []

    def write(
        self, context: VMContext, row: Any | None, key: dict[str, Any], values: dict[str, Any]
    ) -> None:
        """Set a device's values; without a row the device is new."""
        if row is None:
            self._new.append((context, {"vm_context": context, **key, **values}))
            return
        different = changed_rows.differences(row, {**key, **values})
        if not key.keys().isdisjoint(different):
            self._moved.append(row.pk)
            different |= {**key, "removed_at": None}
        if different:
            self._changed.append((context, (row, different)))

    def change(self, context: VMContext, row: Any, values: dict[str, Any]) -> None:
        if different := changed_rows.differences(row, values):
            self._changed.append((context, (row, different)))

    def remove(self, context: VMContext, row: Any) -> None:
        self._removed.append((context, row.pk))

    def contexts(self) -> Iterator[VMContext]:
        for context, _ in (*self._new, *self._changed, *self._removed):
            yield context

    def save(self, now: datetime) -> None:
        """Removals first: a new row may have the key of a removed one. Those whose keys change step
        aside meanwhile, since two of them may change places."""
        keys = [*(key for _, key in self._removed), *self._moved]
        if keys:
            self._model.objects.filter(pk__in=keys).update(removed_at=now, updated_at=now)
        changed_rows.write((change for _, change in self._changed), updated_at=now)
        if self._new:
            self._model.objects.bulk_create(
                (self._model(**values) for _, values in self._new), batch_size=500
            )
