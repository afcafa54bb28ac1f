"""Groups and their runs as JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from replication.selectors.groups import GroupShown, RunShown
from vmrep.api.serializers.parts import GroupMember, RunMember


class RunSerializer(serializers.Serializer[RunShown]):
    id = serializers.IntegerField(source="run.pk")
    state = serializers.CharField(source="run.state")
    trigger = serializers.CharField(source="run.trigger")
    requested_by = serializers.CharField(source="run.requested_by")
    spread_seconds = serializers.FloatField(source="run.spread_seconds", allow_null=True)
    problem = serializers.CharField(source="run.problem")
    created_at = serializers.DateTimeField(source="run.created_at")
    gathered_at = serializers.DateTimeField(source="run.gathered_at", allow_null=True)
    ended_at = serializers.DateTimeField(source="run.ended_at", allow_null=True)
    together_count = serializers.IntegerField(source="together", allow_null=True)
    point_count = serializers.IntegerField(source="points")
    members = serializers.SerializerMethodField()

    class Meta:
        fields = [
            *("id", "state", "trigger", "requested_by", "together_count", "spread_seconds"),
            *("point_count", "problem", "members", "created_at", "gathered_at", "ended_at"),
        ]

    def get_members(self, shown: RunShown) -> list[RunMember]:
        time = serializers.DateTimeField().to_representation
        return [
            {
                "position": each.position,
                "context_id": each.vm_context_id,
                "job_id": each.job_id,
                "state": each.state,
                "taken_at": time(each.taken_at) if each.taken_at else None,
                "why": each.why,
            }
            for each in shown.members
        ]


class GroupSerializer(serializers.Serializer[GroupShown]):
    id = serializers.IntegerField(source="group.pk")
    name = serializers.CharField(source="group.name")
    protection = serializers.CharField(source="worst", allow_null=True)
    members = serializers.SerializerMethodField()
    last_run = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="group.created_by")
    created_at = serializers.DateTimeField(source="group.created_at")

    class Meta:
        fields = [
            *("id", "name", "protection", "members", "last_run", "created_by", "created_at"),
        ]

    def get_members(self, shown: GroupShown) -> list[GroupMember]:
        return [
            {
                "position": each.member.position,
                "context_id": each.vm.pk,
                "vm_name": each.vm.vm_name,
                "protection": each.vm.protection,
            }
            for each in shown.members
        ]

    @extend_schema_field(RunSerializer(allow_null=True))
    def get_last_run(self, shown: GroupShown) -> dict[str, Any] | None:
        return dict(RunSerializer(shown.last_run).data) if shown.last_run else None
