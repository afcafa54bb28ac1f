"""What VMs' recovery points store, as measured, and what they will in the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.db.models import Max, Min, Q, Sum

from replication.models import DiskImage
from replication.models.policies import KEEP
from replication.policies.values import Value
from replication.retention.choose import Rules
from replication.retention.forecast import Stored, measured, steady_bytes
from replication.states import ImageState, RetentionKind


def stored_by(context_ids: Sequence[str]) -> dict[str, Stored]:
    """Of those of the VMs of which enough is known. Two statements."""
    images = DiskImage.objects.filter(vm_context__in=context_ids, state=ImageState.COMMITTED)
    added = (
        images.order_by()
        .values("vm_context")
        .annotate(
            added=Sum("allocated_bytes", filter=Q(parent__isnull=False)),
            first=Min("recovery_point__consistent_at"),
            last=Max("recovery_point__consistent_at"),
        )
        .values_list("vm_context", "added", "first", "last")
    )
    bases = _bases(context_ids)
    found = {}
    for context_id, size, first, last in added:
        history: timedelta | None = last - first if first and last else None
        known = measured(bases.get(context_id), size, history)
        if known is not None:
            found[context_id] = known
    return found


def _bases(context_ids: Sequence[str]) -> dict[str, int]:
    """What the newest full copies of their disks take."""
    roots = (
        DiskImage.objects.filter(
            vm_context__in=context_ids,
            state=ImageState.COMMITTED,
            parent__isnull=True,
            disk__removed_at__isnull=True,
        )
        .order_by("pk")
        .values_list("vm_context", "disk", "allocated_bytes")
    )
    newest = {(context_id, disk): size or 0 for context_id, disk, size in roots}
    sums: defaultdict[str, int] = defaultdict(int)
    for (context_id, _), size in newest.items():
        sums[context_id] += size
    return sums


def in_the_end(known: Stored | None, values: Mapping[str, Value]) -> int | None:
    """With these values of a policy. None: too little is known, all points are kept, or nothing
    says how often there is one."""
    target = values["rpo_target_seconds"]
    if known is None or not isinstance(target, int):
        return None
    if values["retention_kind"] != RetentionKind.RULES:
        return None
    late = values["latest_start_minutes"]
    interval = max(target - 60 * (late if isinstance(late, int) else 0), 60)
    rules = Rules(*(int(values[column] or 0) for column in KEEP))
    return steady_bytes(known, rules, interval)
