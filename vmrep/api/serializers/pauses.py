"""Pauses as JSON."""

from __future__ import annotations

from rest_framework import serializers

from replication.models import Pause
from replication.selectors.pauses import subject


class PauseSerializer(serializers.ModelSerializer[Pause]):
    context_id = serializers.CharField(source="vm_context_id", allow_null=True)
    subject = serializers.SerializerMethodField()

    class Meta:
        model = Pause
        fields = [
            *("id", "kind", "vcenter_id", "policy_id", "context_id", "subject"),
            *("until", "reason", "paused_by", "created_at"),
        ]

    def get_subject(self, pause: Pause) -> str:
        return subject(pause)
