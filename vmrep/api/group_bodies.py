"""Request bodies about groups."""

from __future__ import annotations

from rest_framework import serializers

from replication.models.groups import MOST_MEMBERS
from replication.services.groups import LONGEST_NAME
from vmrep.api.bodies import NAME_LENGTH, Body, Text


class ContextID(Text):
    def to_internal_value(self, data: object) -> str:
        found = str(super().to_internal_value(data))
        if not found.startswith("ctx-"):
            raise serializers.ValidationError("A context ID begins with ctx-.")
        return found


class Members(serializers.ListField):
    """Context IDs in the order in which the VMs are failed over."""

    child = ContextID(max_length=NAME_LENGTH)


class NewGroup(Body):
    """Its name, and its VMs in their order."""

    name = Text(max_length=LONGEST_NAME)
    members = Members(required=False, max_length=MOST_MEMBERS)


class ChangedGroup(Body):
    """Another name; exactly these VMs, in this order."""

    name = Text(required=False, max_length=LONGEST_NAME)
    members = Members(required=False, max_length=MOST_MEMBERS)
