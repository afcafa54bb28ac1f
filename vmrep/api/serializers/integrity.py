"""Runs of the integrity check and their findings as JSON."""

from __future__ import annotations

from rest_framework import serializers

from replication.models import IntegrityFinding, IntegrityRun


class IntegrityRunSerializer(serializers.ModelSerializer[IntegrityRun]):
    class Meta:
        model = IntegrityRun
        fields = [
            *("id", "requested_by", "deep", "repair", "outcome", "finding_count"),
            *("repaired_count", "error_message", "created_at", "started_at", "completed_at"),
        ]
        read_only_fields = fields


class FindingSerializer(serializers.ModelSerializer[IntegrityFinding]):
    class Meta:
        model = IntegrityFinding
        fields = [
            *("code", "severity", "context_id", "vm_name", "job_id"),
            *("what", "remedy", "repairable", "repaired"),
        ]
        read_only_fields = fields
