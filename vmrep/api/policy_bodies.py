"""The request bodies of policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from contexts.models.contexts import MAX_RPO_TARGET_SECONDS
from replication.hours import MINUTES_OF_A_DAY, days_in_words
from replication.models.policies import (
    LARGEST_NUMBER,
    LATEST_START_MINUTES,
    NUMBERS,
    SHORTEST_TARGET_SECONDS,
)
from replication.policies.calendars import LONGEST_EXPRESSION
from replication.policies.checking import MOST_WINDOWS, Window
from replication.policies.services import NAME_LENGTH
from replication.policies.values import ALL_COLUMNS, UNSAID, Value
from replication.states import PolicyPriority, QuiesceWish, RetentionKind, RPOKind, ScopeKind
from vmrep.api.bodies import NAME_LENGTH as LONGEST_NAME
from vmrep.api.bodies import Body, Flag, Text, Whole
from vmrep.incoming import LARGEST_NUMBER as LARGEST_KEY

DAYS = tuple(days_in_words(1 << number).lower() for number in range(7))
ASSIGNABLE = [
    choice
    for choice in ScopeKind.choices
    if choice[0] not in (ScopeKind.INSTALLATION, ScopeKind.OWN)
]


class Hours(Body):
    """When replications may start: on these days, from `begin` to before `end` (HH:MM); over
    midnight when `end` comes first."""

    days = serializers.ListField(
        child=serializers.ChoiceField(choices=DAYS), allow_empty=False, max_length=7
    )
    begin = Text(max_length=5)
    end = Text(max_length=5)

    def validate_begin(self, value: str) -> int:
        return _minute(value)

    def validate_end(self, value: str) -> int:
        return _minute(value)


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    if hours.isascii() and hours.isdigit() and len(minutes) == 2 and minutes.isdigit():
        minute = int(hours) * 60 + int(minutes)
        if int(minutes) < 60 and minute <= MINUTES_OF_A_DAY:
            return minute
    raise serializers.ValidationError("Write a time of the day as HH:MM.")


def _number() -> Whole:
    return Whole(required=False, allow_null=True, min_value=0, max_value=LARGEST_NUMBER)


def _choice(kinds: Any) -> serializers.ChoiceField:
    return serializers.ChoiceField(required=False, allow_null=True, choices=kinds.choices)


class PolicyValues(Body):
    """What a policy says, or what is wanted for one VM alone; null leaves it open."""

    rpo_kind = _choice(RPOKind)
    rpo_target_seconds = Whole(
        required=False,
        allow_null=True,
        min_value=SHORTEST_TARGET_SECONDS,
        max_value=MAX_RPO_TARGET_SECONDS,
    )
    cron = Text(required=False, allow_null=True, max_length=LONGEST_EXPRESSION)
    time_zone = Text(required=False, allow_null=True, max_length=64)
    latest_start_minutes = Whole(
        required=False, allow_null=True, min_value=1, max_value=LATEST_START_MINUTES
    )
    windows = serializers.ListField(child=Hours(), required=False, max_length=MOST_WINDOWS)
    retention_kind = _choice(RetentionKind)
    quiesce = _choice(QuiesceWish)
    priority = _choice(PolicyPriority)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), **{name: _number() for name in NUMBERS}}


class NewPolicy(PolicyValues):
    name = Text(max_length=NAME_LENGTH)
    repository_id = Whole(required=False, allow_null=True, min_value=1, max_value=LARGEST_KEY)


class ChangedPolicy(NewPolicy):
    """Changes to a policy; fields that are not given stay unchanged."""

    name = Text(required=False, max_length=NAME_LENGTH)


class NewScope(Body):
    """Where a policy is to apply."""

    kind = serializers.ChoiceField(choices=ASSIGNABLE)
    vcenter_id = Whole(required=False, min_value=1, max_value=LARGEST_KEY)
    folder = Text(required=False, max_length=4000, trim_whitespace=False)
    pattern = Text(required=False, max_length=200)
    context_id = Text(required=False, max_length=LONGEST_NAME)
    takes_new = Flag(required=False)


class PossibleChange(Body):
    """One change of a policy, to be previewed: what it says, a place more, or a place less."""

    policy = ChangedPolicy(required=False)
    scope = NewScope(required=False)
    remove_scope_id = Whole(required=False, min_value=1, max_value=LARGEST_KEY)

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if len(values) != 1:
            raise serializers.ValidationError(
                "Which change? Give either policy, scope or remove_scope_id."
            )
        return values


class ChangedContext(Body):
    """What is wanted for one VM alone; null: nothing, so that the policies say all."""

    policy = PolicyValues(allow_null=True)


def said(values: Mapping[str, Any]) -> dict[str, Value]:
    """The values of a body as services take them: null, too, is said."""
    return {
        name: UNSAID[name] if value is None else value
        for name, value in values.items()
        if name in ALL_COLUMNS
    }


def hours(values: Mapping[str, Any]) -> list[Window] | None:
    """The windows of a body; None: not given."""
    given = values.get("windows")
    if given is None:
        return None
    return [
        Window(sum(1 << DAYS.index(day) for day in set(each["days"])), each["begin"], each["end"])
        for each in given
    ]
