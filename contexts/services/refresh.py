"""Bringing contexts up to date with what a vCenter says, without touching anything else of them.

Only spec columns are written, and only where they differ: a job that starts in the same moment
loses nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from contexts.models import VMContext, VMDisk, VMNetworkAdapter
from contexts.models.specs import SPEC_NAMES
from contexts.services.transactions import one_transaction
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
    """A record's specs as the columns hold them."""
    return {
        name: list(value) if isinstance(value := record.specs[name], tuple) else value
        for name in SPEC_NAMES
    }


def disk_id(device_key: int) -> str:
    return f"disk-{device_key}"


def adapter_id(device_key: int) -> str:
    return f"nic-{device_key}"


@one_transaction
def refresh(pairs: Sequence[tuple[VMContext, VmRecord]]) -> None:
    """Write all specs, disks and adapters of the records into their contexts.

    The number of queries does not depend on how many contexts there are, only on whether anything
    changed.
    """
    now = timezone.now()
    _lock(pairs)
    _refresh_specs(pairs, now)
    _refresh_disks(pairs, now)
    _refresh_adapters(pairs, now)


def _lock(pairs: Sequence[tuple[VMContext, VmRecord]]) -> None:
    """Lock the rows, in the order of their keys so that two runs cannot deadlock, and see what
    they hold now: since they were loaded, another refresh may have written something else.
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


def _refresh_specs(pairs: Sequence[tuple[VMContext, VmRecord]], now: datetime) -> None:
    changed = []
    for context, record in pairs:
        specs = spec_columns(record)
        if any(getattr(context, name) != value for name, value in specs.items()):
            for name, value in specs.items():
                setattr(context, name, value)
            context.updated_at = now
            changed.append(context)
    if changed:
        VMContext.objects.bulk_update(changed, [*SPEC_NAMES, "updated_at"], batch_size=200)


def _refresh_disks(pairs: Sequence[tuple[VMContext, VmRecord]], now: datetime) -> None:
    known: dict[str, dict[str, VMDisk]] = defaultdict(dict)
    for known_row in VMDisk.objects.filter(
        vm_context__in=[context for context, _ in pairs], removed_at=None
    ):
        known[known_row.vm_context_id][known_row.disk_id] = known_row

    rows = _Rows(VMDisk, (*DISK_COLUMNS, "unprotected_reason"), now)
    for context, record in pairs:
        reasons = {disk.device_key: reason for disk, reason in unprotected_disks(record)}
        present = known.pop(context.pk, {})
        for disk in record.disks:
            values = _disk_values(disk) | {"unprotected_reason": reasons.get(disk.device_key, "")}
            row: VMDisk | None = present.pop(disk_id(disk.device_key), None)
            if row is not None and _is_another_disk(row, disk):
                rows.remove(row)
                row = None
            key = {"disk_id": disk_id(disk.device_key), "device_key": disk.device_key}
            rows.write(row, {"vm_context": context, **key}, values)
        for left in present.values():
            rows.remove(left)
    rows.save()


def _disk_values(disk: DiskRecord) -> dict[str, Any]:
    return {name: getattr(disk, name) for name in DISK_COLUMNS}


def _is_another_disk(row: VMDisk, disk: DiskRecord) -> bool:
    """Another UUID under the same key is another disk; an unknown UUID proves nothing."""
    return bool(row.disk_uuid and disk.disk_uuid and row.disk_uuid != disk.disk_uuid)


def _refresh_adapters(pairs: Sequence[tuple[VMContext, VmRecord]], now: datetime) -> None:
    known: dict[str, dict[str, VMNetworkAdapter]] = defaultdict(dict)
    for known_row in VMNetworkAdapter.objects.filter(
        vm_context__in=[context for context, _ in pairs], removed_at=None
    ):
        known[known_row.vm_context_id][known_row.adapter_id] = known_row

    rows = _Rows(VMNetworkAdapter, ADAPTER_COLUMNS, now)
    for context, record in pairs:
        present = known.pop(context.pk, {})
        for nic in record.networks:
            row: VMNetworkAdapter | None = present.pop(adapter_id(nic.device_key), None)
            key = {"adapter_id": adapter_id(nic.device_key), "device_key": nic.device_key}
            rows.write(row, {"vm_context": context, **key}, _adapter_values(nic))
        for left in present.values():
            rows.remove(left)
    rows.save()


def _adapter_values(nic: NicRecord) -> dict[str, Any]:
    values = {name: getattr(nic, name) for name in ADAPTER_COLUMNS}
    return values | {"ip_addresses": list(nic.ip_addresses)}


class _Rows:
    """Collects what differs and writes it in three statements at most."""

    def __init__(self, model: Any, columns: Iterable[str], now: datetime) -> None:
        self._model, self._columns, self._now = model, tuple(columns), now
        self._new: list[Any] = []
        self._changed: list[Any] = []
        self._removed: list[int] = []

    def write(self, row: Any | None, key: dict[str, Any], values: dict[str, Any]) -> None:
        if row is None:
            self._new.append(self._model(**key, **values))
        elif any(getattr(row, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(row, name, value)
            row.updated_at = self._now
            self._changed.append(row)

    def remove(self, row: Any) -> None:
        self._removed.append(row.pk)

    def save(self) -> None:
        """Removals first: a new row may stand under the key of a removed one."""
        if self._removed:
            self._model.objects.filter(pk__in=self._removed).update(
                removed_at=self._now, updated_at=self._now
            )
        if self._changed:
            self._model.objects.bulk_update(
                self._changed, [*self._columns, "updated_at"], batch_size=200
            )
        if self._new:
            self._model.objects.bulk_create(self._new, batch_size=500)
