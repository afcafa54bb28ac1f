"""Bulk actions and their VMs, for lists."""

from __future__ import annotations

from django.db.models import QuerySet

from replication.models import BulkAction, BulkItem


def items_for_list(action: BulkAction) -> QuerySet[BulkItem]:
    """The VMs of an action, in the order in which it comes to them."""
    items = BulkItem.objects.filter(action=action).select_related("vm_context__vcenter")
    return items.order_by("pk")
