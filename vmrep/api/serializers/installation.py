"""What is set for the whole installation, as JSON."""

from __future__ import annotations

from rest_framework import serializers

from replication.models import Installation


class InstallationSerializer(serializers.ModelSerializer[Installation]):
    class Meta:
        model = Installation
        fields = ["default_rpo_target_seconds"]
        read_only_fields = fields
