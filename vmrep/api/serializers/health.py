"""Who is alive, as JSON."""

from __future__ import annotations

from rest_framework import serializers

from replication.models import Incident, SignOfLife


class ProcessSerializer(serializers.ModelSerializer[SignOfLife]):
    class Meta:
        model = SignOfLife
        fields = [
            *("kind", "name", "queues", "slots", "version"),
            *("started_at", "seen_at", "broker_at", "ended_at"),
        ]
        read_only_fields = fields


class IncidentSerializer(serializers.ModelSerializer[Incident]):
    class Meta:
        model = Incident
        fields = [
            "id",
            "kind",
            "subject",
            "what",
            "vcenter_id",
            "repository_id",
            "began_at",
            "ended_at",
        ]
        read_only_fields = fields
