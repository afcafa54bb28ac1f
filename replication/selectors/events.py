"""What happened, across all VMs."""

from __future__ import annotations

from django.db.models import QuerySet

from contexts.models import ContextEvent
from replication.models import Occurrence


def events_for_list() -> QuerySet[ContextEvent]:
    """What happened to VMs, the newest first."""
    return ContextEvent.objects.select_related("vm_context__vcenter").order_by("-id")


def occurrences_for_list() -> QuerySet[Occurrence]:
    """What people may have been told of, the newest first."""
    return Occurrence.objects.select_related(
        "vm_context__vcenter", "vcenter", "repository"
    ).order_by("-id")
