"""The values that a policy may say, in groups that are taken from one policy as a whole; plain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from replication.models.policies import KEEP

Value = str | int | None
Values = Mapping[str, Value]
"""By their columns' names. An empty text or None: not said."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "when": ("rpo_kind", "rpo_target_seconds", "cron", "time_zone", "latest_start_minutes"),
    "retention": ("retention_kind", *KEEP),
    "quiesce": ("quiesce",),
    "limits": ("most_running", "give_up_after_minutes"),
    "checks": ("compare_every_days",),
    "verify": ("verify_every_days",),
    "priority": ("priority",),
}
"""Whoever mixed “keep the last 3” of one policy with “keep 7 daily ones” of another would get what
nobody meant: the nearest policy that says anything of a group says all of it."""

COLUMNS = tuple(column for columns in GROUPS.values() for column in columns)
REPOSITORY = "repository_id"
ALL_COLUMNS = (*COLUMNS, REPOSITORY)

UNSAID: Values = {
    **dict.fromkeys(ALL_COLUMNS),
    **{"rpo_kind": "", "cron": "", "time_zone": "UTC", "retention_kind": "", "quiesce": ""},
    "priority": "",
}
"""Of a policy that says nothing."""

WITHOUT_ANY: Values = {
    **{column: UNSAID[column] for column in COLUMNS},
    **{"rpo_kind": "none", "retention_kind": "all", "quiesce": "when_possible"},
    "priority": "normal",
}
"""What holds where no policy says anything."""

TITLES: Mapping[str, str] = {
    "when": "Replicated",
    "retention": "Kept",
    "quiesce": "Quiescing",
    "limits": "Limits",
    "checks": "Compared whole",
    "verify": "Verified",
    "priority": "Priority",
}


class VMFacts(NamedTuple):
    """What scopes look at. An unknown name or path is empty, and matches nothing."""

    context_id: str
    vcenter_id: int
    name: str
    path: str


class ScopeRow(NamedTuple):
    """A scope with its policy's values. `policy_id` is None for a VM's own values' policy in a
    preview; `policy_name` is empty for own values."""

    id: int
    kind: str
    vcenter_id: int | None
    folder: str
    pattern: str
    context_id: str | None
    policy_id: int
    policy_name: str
    values: Values
    takes_new: bool = False


def says(group: str, values: Values) -> bool:
    """Whether a policy with these values says anything of the group."""
    if group == "limits":
        return any(values[column] is not None for column in GROUPS[group])
    return values[GROUPS[group][0]] not in ("", None)
