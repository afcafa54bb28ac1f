"""What happened, as JSON."""

from __future__ import annotations

from rest_framework import serializers

from contexts.models import ContextEvent
from replication.models import Occurrence


class EventSerializer(serializers.ModelSerializer[ContextEvent]):
    context_id = serializers.CharField(source="vm_context_id", read_only=True)
    vm_name = serializers.CharField(source="vm_context.vm_name", read_only=True)
    why = serializers.CharField(source="reason", read_only=True, label="Reason")

    class Meta:
        model = ContextEvent
        fields = [
            *("id", "context_id", "vm_name", "job_id", "actor", "old", "new", "why"),
            "created_at",
        ]
        read_only_fields = fields


class OccurrenceSerializer(serializers.ModelSerializer[Occurrence]):
    context_id = serializers.CharField(source="vm_context_id", read_only=True, allow_null=True)
    vm_name = serializers.CharField(
        source="vm_context.vm_name", read_only=True, allow_null=True, default=None
    )

    class Meta:
        model = Occurrence
        fields = [
            *("id", "kind", "what", "at", "context_id", "vm_name", "job_id"),
            *("vcenter_id", "repository_id", "policy_id"),
        ]
        read_only_fields = fields
