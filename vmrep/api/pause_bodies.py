"""Request bodies about pauses."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.utils.dateparse import parse_datetime
from rest_framework import serializers

from replication.services.pauses import LONGEST_REASON
from replication.states import PauseKind
from vmrep.api.bodies import NAME_LENGTH, Body, Text, Whole
from vmrep.incoming import LARGEST_NUMBER

LONGEST_TIME = 64


class Until(Text):
    """A time with its zone, as ISO 8601 has it."""

    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        try:
            moment = parse_datetime(value[:LONGEST_TIME])
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise serializers.ValidationError("A time with its zone: 2026-12-24T18:00:00Z.")
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            raise serializers.ValidationError("That is too far away.") from None


class NewPause(Body):
    """What is paused, until when (null: until somebody ends it), and why."""

    kind = serializers.ChoiceField(choices=PauseKind.choices)
    vcenter_id = Whole(required=False, min_value=1, max_value=LARGEST_NUMBER)
    policy_id = Whole(required=False, min_value=1, max_value=LARGEST_NUMBER)
    context_id = Text(required=False, max_length=NAME_LENGTH)
    until = Until(required=False, allow_null=True)
    reason = Text(required=False, allow_blank=True, max_length=LONGEST_REASON)
