"""Request bodies about pauses."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils.dateparse import parse_datetime
from rest_framework import serializers

from replication.services.pauses import LONGEST_REASON
from replication.states import PauseKind
from vmrep.api.bodies import NAME_LENGTH, Body, Text, Whole
from vmrep.incoming import LARGEST_NUMBER


class NewPause(Body):
    """What is paused, until when (null: until somebody ends it), and why."""

    kind = serializers.ChoiceField(choices=PauseKind.choices)
    vcenter_id = Whole(required=False, min_value=1, max_value=LARGEST_NUMBER)
    policy_id = Whole(required=False, min_value=1, max_value=LARGEST_NUMBER)
    context_id = Text(required=False, max_length=NAME_LENGTH)
    until = Text(required=False, allow_null=True, max_length=64)
    reason = Text(required=False, allow_blank=True, max_length=LONGEST_REASON)

    def validate_until(self, value: str | None) -> datetime | None:
        """A time with its zone, as ISO 8601 has it."""
        if value is None:
            return None
        try:
            moment = parse_datetime(value)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise serializers.ValidationError("A time with its zone: 2026-12-24T18:00:00Z.")
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            raise serializers.ValidationError("That is too far away.") from None
