"""Channels, rules and deliveries as JSON. Nothing secret is among it."""

from __future__ import annotations

from rest_framework import serializers

from vmrep.notifications.models import Channel, Delivery, Rule


class ChannelSerializer(serializers.ModelSerializer[Channel]):
    rule_count = serializers.IntegerField(read_only=True)
    open_count = serializers.IntegerField(read_only=True)

    class Meta:
        model = Channel
        fields = [
            *("id", "name", "kind", "address_shown", "enabled"),
            *("quiet_from_minute", "quiet_to_minute", "time_zone"),
            *("digest_after", "digest_seconds", "report_at_minute", "last_ok_at", "last_problem"),
            *("rule_count", "open_count", "created_at", "updated_at"),
        ]
        read_only_fields = fields


class RuleSerializer(serializers.ModelSerializer[Rule]):
    kinds = serializers.SerializerMethodField()
    context_id = serializers.CharField(source="vm_context_id", read_only=True, allow_null=True)

    class Meta:
        model = Rule
        fields = [
            *("id", "channel_id", "scope", "vcenter_id", "policy_id", "context_id", "kinds"),
            *("even_when_quiet", "enabled", "created_at"),
        ]
        read_only_fields = fields

    def get_kinds(self, rule: Rule) -> list[str]:
        return [each.kind for each in rule.kinds.all()]


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    kind = serializers.CharField(
        source="occurrence.kind", read_only=True, allow_null=True, default=None
    )
    what = serializers.CharField(
        source="occurrence.what", read_only=True, allow_null=True, default=None
    )
    context_id = serializers.CharField(
        source="occurrence.vm_context_id", read_only=True, allow_null=True, default=None
    )
    job_id = serializers.CharField(
        source="occurrence.job_id", read_only=True, allow_null=True, default=None
    )
    member_count = serializers.IntegerField(read_only=True, default=0)

    class Meta:
        model = Delivery
        fields = [
            *("id", "channel_id", "rule_id", "purpose", "kind", "what", "context_id", "job_id"),
            *(
                "report_day",
                "digest_id",
                "member_count",
                "state",
                "attempts",
                "next_attempt_at",
                "sent_at",
            ),
            *("answer", "message_id", "created_at"),
        ]
        read_only_fields = fields
