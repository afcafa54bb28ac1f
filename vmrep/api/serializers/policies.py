"""Policies as JSON. Null: left to a policy that is less near."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from contexts.models import VMContext
from replication.hours import days_in_words, minutes_in_words
from replication.models import Policy, PolicyScope, PolicyWindow
from replication.policies import calendars
from replication.policies.effective import in_effect, place_of
from replication.policies.preview import Preview
from replication.policies.values import ALL_COLUMNS, COLUMNS, Value


class WindowSerializer(serializers.ModelSerializer[PolicyWindow]):
    days = serializers.SerializerMethodField()
    begin = serializers.SerializerMethodField()
    end = serializers.SerializerMethodField()

    class Meta:
        model = PolicyWindow
        fields = ["days", "begin", "end"]

    def get_days(self, window: PolicyWindow) -> list[str]:
        chosen = (1 << number for number in range(7) if window.days & (1 << number))
        return [days_in_words(day).lower() for day in chosen]

    def get_begin(self, window: PolicyWindow) -> str:
        return minutes_in_words(window.from_minute)

    def get_end(self, window: PolicyWindow) -> str:
        return minutes_in_words(window.to_minute)


class ScopeSerializer(serializers.ModelSerializer[PolicyScope]):
    context_id = serializers.CharField(source="vm_context_id", allow_null=True)
    place = serializers.SerializerMethodField()

    class Meta:
        model = PolicyScope
        fields = [
            *("id", "kind", "vcenter_id", "folder", "pattern", "context_id", "place"),
            *("takes_new", "created_by", "created_at"),
        ]

    def get_place(self, scope: PolicyScope) -> str:
        return place_of(scope)


class PolicySerializer(serializers.ModelSerializer[Policy]):
    """One of `selectors.policies_for_list`."""

    cron_in_words = serializers.SerializerMethodField()
    windows = WindowSerializer(many=True)
    scopes = ScopeSerializer(many=True)
    vm_count = serializers.IntegerField()

    class Meta:
        model = Policy
        fields = [
            *("id", "name", *ALL_COLUMNS, "cron_in_words", "windows", "scopes", "vm_count"),
            *("created_at", "updated_at"),
        ]

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        for name in fields.keys() & COLUMNS:
            fields[name].allow_null = True  # as `to_representation` answers
        return fields

    def get_cron_in_words(self, policy: Policy) -> str | None:
        return calendars.in_words(policy.cron)

    def to_representation(self, policy: Policy) -> dict[str, Any]:
        row: dict[str, Any] = super().to_representation(policy)
        return {name: None if value == "" else value for name, value in row.items()}


def effective_policy(context: VMContext) -> dict[str, Any] | None:
    """What is in effect for a VM, and where each group of values comes from; null until the tick
    has looked at it, and for a VM that is not managed."""
    found = in_effect(context)
    if found is None:
        return None
    values: Mapping[str, Value] = found.values
    return {
        **{column: None if values[column] == "" else values[column] for column in COLUMNS},
        "sources": {
            told.group: {
                "policy_id": told.policy.pk if told.policy else None,
                "policy": told.policy.name if told.policy else None,
                "place": told.place or None,
                "is_own": told.is_own,
            }
            for told in found.told
        },
    }


def shown_preview(found: Preview) -> dict[str, Any]:
    """What a change would do: the first VMs that change, and the load of all that do."""
    return {
        "vm_count": found.vm_count,
        "vms": [
            {
                "context_id": vm.context_id,
                "vm_name": vm.name,
                "changes": [
                    {"what": title, "before": before, "after": after}
                    for title, before, after in vm.lines
                ],
            }
            for vm in found.shown
        ],
        "before": found.before._asdict(),
        "after": found.after._asdict(),
        "unmeasured_vms": found.unmeasured,
        "too_slow_vms": [vm._asdict() for vm in found.too_slow],
        "not_known_vms": found.not_known,
        "vms_to_be_taken": found.to_be_taken,
    }
