"""The audit trail, as JSON."""

from __future__ import annotations

from rest_framework import serializers

from vmrep.trail.models import Event


class AuditEventSerializer(serializers.ModelSerializer[Event]):
    old = serializers.JSONField(source="old_values", read_only=True)
    new = serializers.JSONField(source="new_values", read_only=True)

    class Meta:
        model = Event
        fields = [
            *("number", "at", "verb", "outcome", "actor", "user_id", "via", "address"),
            *("request_id", "kind", "object_id", "object_name", "vm_context_id", "vcenter_id"),
            *("folder", "job_id", "old", "new", "previous_digest", "digest", "seal"),
        ]
        read_only_fields = fields
