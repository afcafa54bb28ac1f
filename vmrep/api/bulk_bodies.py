"""The request body of a bulk action."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict
from rest_framework import serializers

from contexts.services.management import MOST_AT_ONCE
from replication.filters import ProtectedVMFilter
from replication.services.pauses import LONGEST_REASON
from replication.states import BulkKind
from vmrep.api.bodies import NAME_LENGTH, Body, Text, Whole
from vmrep.api.pause_bodies import Until
from vmrep.api.suggestions import unknown_names
from vmrep.incoming import LARGEST_NUMBER


class Filter(serializers.DictField):
    """The parameters of `GET vm-contexts/` that filter it, as an object; where one may be repeated,
    a list of texts. Without any, all VMs match."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            self.fail("not_a_dict", input_type=type(data).__name__)
        known = ProtectedVMFilter.base_filters
        if errors := unknown_names(data, list(known), "filter"):
            raise serializers.ValidationError(errors)
        query = QueryDict(mutable=True)
        for name, value in data.items():
            values = value if isinstance(value, list) else [value]
            if not values or not all(_is_plain(each) for each in values):
                raise serializers.ValidationError(
                    {name: ["It must be a text, or a list of texts."]}
                )
            query.setlist(name, [str(each) for each in values])
        return query


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


class ContextID(Text):
    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if not value.startswith("ctx-"):
            raise serializers.ValidationError("The ID of a VM context begins with ctx-.")
        return value


class NewBulkAction(Body):
    """What to do with which VMs: those of `context_ids`, or all that match `filter` now."""

    kind = serializers.ChoiceField(choices=BulkKind.choices)
    context_ids = serializers.ListField(
        child=ContextID(max_length=NAME_LENGTH),
        required=False,
        allow_empty=False,
        max_length=MOST_AT_ONCE,
    )
    filter = Filter(required=False)
    policy_id = Whole(required=False, allow_null=True, min_value=1, max_value=LARGEST_NUMBER)
    repository_id = Whole(required=False, min_value=1, max_value=LARGEST_NUMBER)
    until = Until(required=False, allow_null=True)
    reason = Text(required=False, allow_blank=True, max_length=LONGEST_REASON)

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if ("context_ids" in values) == ("filter" in values):
            raise serializers.ValidationError("Which VMs? Give either context_ids or filter.")
        if (values["kind"] == BulkKind.POLICY) != ("policy_id" in values):
            needed = "The kind policy, and no other, takes it; null: no policy of the VM's own."
            raise serializers.ValidationError({"policy_id": needed})
        return values
