"""docs/api.md names every field of what it lists, and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from contexts.models.specs import SPEC_NAMES
from vmrep.api.serializers import (
    bulk,
    contexts,
    events,
    groups,
    jobs,
    notifications,
    policies,
    saved_views,
    tokens,
    users,
    vcenters,
)

DOCS = Path(__file__).resolve().parents[2] / "docs" / "api.md"

SECTIONS = {
    "A vCenter": [vcenters.VCenterSerializer],
    "A VM of a vCenter": [vcenters.DiscoveredVMSerializer],
    "A VM under management": [contexts.ContextRowSerializer, contexts.ContextSerializer],
    "A disk": [contexts.DiskSerializer],
    "A recovery point": [jobs.RecoveryPointSerializer],
    "A policy": [policies.PolicySerializer],
    "A bulk action": [bulk.BulkActionSerializer],
    "A VM of a bulk action": [bulk.BulkItemSerializer],
    "A group": [groups.GroupSerializer],
    "A run of a group": [groups.RunSerializer],
    "A job": [jobs.JobDetailSerializer],
    "An event": [events.EventSerializer],
    "An occurrence": [events.OccurrenceSerializer],
    "A notification channel": [notifications.ChannelSerializer],
    "A notification rule": [notifications.RuleSerializer],
    "A notification delivery": [notifications.DeliverySerializer],
    "A saved view": [saved_views.SavedViewSerializer],
    "A user": [users.UserSerializer],
    "A token": [tokens.TokenSerializer],
}


@pytest.mark.parametrize("title", SECTIONS)
def test_every_field_is_documented(title: str) -> None:
    section = DOCS.read_text().split(f"**{title}**")[1].split("**")[0].split("\n## ")[0]
    text, _, table = section.partition("| field | |")
    named = set(re.findall(r"`([a-z_0-9]+)`", text))
    for row in table.splitlines():
        named |= set(re.findall(r"`([a-z_0-9]+)`", row.split("|")[1] if "|" in row else ""))
    fields = {name for kind in SECTIONS[title] for name in kind.Meta.fields}
    assert fields - {*SPEC_NAMES} <= named
    assert named <= fields
