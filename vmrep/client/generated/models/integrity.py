"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, TypedDict


class Finding(TypedDict):
    code: str
    severity: Literal["error", "warning", ""]
    context_id: str
    vm_name: str
    job_id: str
    what: str
    remedy: str
    repairable: bool
    repaired: str


class IntegrityAnswer(TypedDict):
    """A JSON object."""

    ok: bool
    run: IntegrityRun | None
    active_run: IntegrityRun | None
    findings: list[Finding]
    repaired: list[Finding]


class IntegrityRun(TypedDict):
    id: int
    requested_by: str
    deep: bool
    repair: bool
    outcome: Literal["pending", "running", "ok", "findings", "broken_off"]
    finding_count: int
    repaired_count: int
    error_message: str
    created_at: str
    started_at: str | None
    completed_at: str | None
