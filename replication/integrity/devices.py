"""Checks of a context's disks and network adapters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, F, TextField, Value
from django.db.models.functions import Cast, Concat

from contexts.models import VMDisk, VMNetworkAdapter
from replication.integrity.findings import Code, Finding, Scope, check

DISK_ROW_DUPLICATE = Code(
    "disk_row_duplicate",
    "The next replication may take the wrong row for the disk. Set removed_at of the row that is "
    "not the VM's disk (compare disk_uuid with the vCenter).",
)
ADAPTER_ROW_DUPLICATE = Code(
    "adapter_row_duplicate", "Set removed_at of the row that is not the VM's adapter."
)
DEVICE_KEY_DIFFERS = Code(
    "device_key_differs",
    "A disk or adapter has the name of another device key. Run discovery again; if the finding "
    "remains, correct the row.",
)

_DEVICES: tuple[tuple[Any, str, str, Code], ...] = (
    (VMDisk, "disk_id", "disk-", DISK_ROW_DUPLICATE),
    (VMNetworkAdapter, "adapter_id", "nic-", ADAPTER_ROW_DUPLICATE),
)


@check(DISK_ROW_DUPLICATE, ADAPTER_ROW_DUPLICATE)
def device_row_duplicate(scope: Scope) -> Iterator[Finding]:
    """Two present devices of a VM under one name."""
    for model, name, _, code in _DEVICES:
        present = scope.within(model.objects.filter(removed_at__isnull=True))
        counted = (
            present.order_by().values("vm_context_id", "vm_context__vm_name", name)
        ).annotate(rows=Count("pk"))
        for row in counted.filter(rows__gt=1).order_by("vm_context_id", name).iterator():
            yield code.finding(
                f"{row[name]} occurs {row['rows']} times among its current devices.",
                key=f"{row['vm_context_id']} {row[name]}",
                context_id=row["vm_context_id"],
                vm_name=row["vm_context__vm_name"],
            )


@check(DEVICE_KEY_DIFFERS)
def device_key_differs(scope: Scope) -> Iterator[Finding]:
    for model, name, prefix, _ in _DEVICES:
        right = Concat(Value(prefix), Cast("device_key", TextField()), output_field=TextField())
        rows = scope.within(model.objects.annotate(right=right)).exclude(**{name: F("right")})
        for row in rows.select_related("vm_context").order_by("pk").iterator():
            yield DEVICE_KEY_DIFFERS.finding(
                f"{getattr(row, name)} has the device key {row.device_key}.",
                key=f"{name} {row.pk}",
                context_id=row.vm_context_id,
                vm_name=row.vm_context.vm_name,
            )
