"""Request bodies about limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from replication.hours import ALL_DAYS, MINUTES_OF_A_DAY, days_in_words
from replication.models.limits import HIGHEST, LEAST_BYTES_PER_SECOND, MOST_BYTES_PER_SECOND
from replication.services.bandwidth import MOST_WINDOWS, Window
from replication.services.limits import LONGEST_KEY
from replication.states import LimitKind
from vmrep.api.bodies import Body, Text, Whole
from vmrep.incoming import LARGEST_NUMBER

DAYS = tuple(days_in_words(1 << number).lower() for number in range(7))
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|(24):(00)")


class Minute(Text):
    """A time of the day, HH:MM up to 24:00, as its minute."""

    def to_internal_value(self, data: Any) -> Any:
        found = _TIME.fullmatch(super().to_internal_value(data))
        if found is None:
            raise serializers.ValidationError("A time of the day, such as 08:00 or 24:00.")
        hour, minute = (int(part) for part in found.groups() if part is not None)
        return hour * 60 + minute


class BandwidthHours(Body):
    """So many bytes per second, on these days, from `begin` to before `end`."""

    bytes_per_second = Whole(min_value=LEAST_BYTES_PER_SECOND, max_value=MOST_BYTES_PER_SECOND)
    days = serializers.ListField(
        child=serializers.ChoiceField(choices=DAYS),
        required=False,
        allow_empty=False,
        max_length=len(DAYS),
    )
    begin = Minute(required=False)
    end = Minute(required=False)
    time_zone = Text(required=False, default="UTC", max_length=64)


class ChangedBandwidth(Body):
    """The windows of a vCenter; null: of all others."""

    vcenter_id = Whole(allow_null=True, min_value=1, max_value=LARGEST_NUMBER)
    windows = serializers.ListField(child=BandwidthHours(), max_length=MOST_WINDOWS)


class ChangedLimit(Body):
    """A limit; null: as all others, or (without a resource) the default."""

    kind = serializers.ChoiceField(
        choices=[(kind.value, kind.label) for kind in LimitKind.settable()]
    )
    resource = Text(required=False, default="", allow_blank=True, max_length=LONGEST_KEY)
    limit = Whole(allow_null=True, min_value=1, max_value=HIGHEST)


def window(values: Mapping[str, Any]) -> Window:
    """What a body's window says."""
    days = sum(1 << DAYS.index(day) for day in set(values.get("days", ()))) or ALL_DAYS
    return Window(
        values["bytes_per_second"],
        days,
        values.get("begin", 0),
        values.get("end", MINUTES_OF_A_DAY),
        values["time_zone"],
    )
