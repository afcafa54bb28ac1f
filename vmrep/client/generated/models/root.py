"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import TypedDict


class RootAnswer(TypedDict):
    vm_contexts: str
    vm_context_lookup: str
    replications: str
    vcenters: str
    repositories: str
    policies: str
    groups: str
    limits: str
    bandwidth: str
    pauses: str
    bulk_actions: str
    health: str
    integrity: str
    events: str
    occurrences: str
    audit_events: str
    report: str
    notification_channels: str
    notification_rules: str
    notification_deliveries: str
    token: str
    tokens: str
    users: str
    saved_views: str
