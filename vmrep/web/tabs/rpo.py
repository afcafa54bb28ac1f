"""The RPO tab: whether the target can be kept, and how well it was."""

from __future__ import annotations

from typing import Any

from contexts.models import VMContext
from vmrep.web import rpo


def load(context: VMContext) -> dict[str, Any]:
    return {"rpo": rpo.of_vm(context)}
