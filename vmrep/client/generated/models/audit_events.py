"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, TypedDict


class AuditEvent(TypedDict):
    number: int
    at: str
    verb: str
    outcome: Literal["done", "refused", "failed", ""]
    actor: str
    user_id: int | None
    via: Literal["page", "api", "admin", "command", "schedule", "system", ""]
    address: str
    request_id: str
    kind: str
    object_id: str
    object_name: str
    vm_context_id: str
    vcenter_id: int | None
    folder: str
    job_id: str
    old: dict[str, object]
    new: dict[str, object]
    previous_digest: str
    digest: str
    seal: str


class AuditEventPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[AuditEvent]
