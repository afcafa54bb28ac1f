"""Bulk actions as JSON."""

from __future__ import annotations

from rest_framework import serializers

from replication.models import BulkAction, BulkItem


class BulkActionSerializer(serializers.ModelSerializer[BulkAction]):
    class Meta:
        model = BulkAction
        fields = [
            *("id", "kind", "state", "total", "done", "refused"),
            *("policy_id", "repository_id", "subject", "until", "reason"),
            *("asked_by", "cancelled_by", "created_at", "started_at", "ended_at", "updated_at"),
        ]
        read_only_fields = fields


class BulkItemSerializer(serializers.ModelSerializer[BulkItem]):
    context_id = serializers.CharField(source="vm_context_id", read_only=True)
    vm_name = serializers.CharField(source="vm_context.vm_name", read_only=True)

    class Meta:
        model = BulkItem
        fields = ["context_id", "vm_name", "state", "why"]
        read_only_fields = fields
