"""The tab of what is wanted: each value that is in effect, and where it comes from."""

from __future__ import annotations

from typing import Any

from contexts.models import VMContext
from replication.policies.effective import given_policy_id, in_effect


def load(context: VMContext) -> dict[str, Any]:
    return {"in_effect": in_effect(context), "given_policy_id": given_policy_id(context)}
