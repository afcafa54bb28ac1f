"""What policies say, in words: for events, pages and previews."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from contexts.models import VMContext
from contexts.text import plural
from replication.models import EffectivePolicy
from replication.models.policies import KEEP
from replication.policies import calendars
from replication.policies.durations import words
from replication.policies.resolve import Resolved
from replication.policies.values import GROUPS, TITLES, ScopeRow, Value, Values
from replication.states import PolicyPriority, QuiesceWish, RetentionKind, RPOKind, ScopeKind

_MINUTE = 60


def group(name: str, values: Values) -> str:
    """What the values of a group mean: “within 15 m”, “all recovery points”."""
    return _WORDS[name](values)


def _when(values: Values) -> str:
    match values["rpo_kind"]:
        case RPOKind.TARGET:
            return f"within {words(_whole(values['rpo_target_seconds']))}"
        case RPOKind.CALENDAR:
            late = words(_MINUTE * _whole(values["latest_start_minutes"]))
            said = calendars.in_words(str(values["cron"])) or "by a calendar"
            where = f"({values['cron']}, {values['time_zone']})"
            return f"{said[:1].lower()}{said[1:]} {where}, at most {late} late"
        case _:
            return "no target"


def _retention(values: Values) -> str:
    if values["retention_kind"] != RetentionKind.RULES:
        return "all recovery points"
    kept = [f"{values[column]} {column.removeprefix('keep_')}" for column in KEEP if values[column]]
    return ", ".join(kept)


def _limits(values: Values) -> str:
    said = []
    if values["most_running"]:
        said.append(f"at most {plural(_whole(values['most_running']), 'job')} at once")
    if values["give_up_after_minutes"]:
        waited = words(_MINUTE * _whole(values["give_up_after_minutes"]))
        said.append(f"given up after waiting {waited}")
    return ", ".join(said) or "none"


def _checks(values: Values) -> str:
    return _every(values["compare_every_days"])


def _verify(values: Values) -> str:
    return _every(values["verify_every_days"])


def _every(days: Value) -> str:
    return f"every {words(86_400 * _whole(days))}" if days else "never by itself"


def _quiesce(values: Values) -> str:
    return QuiesceWish(str(values["quiesce"])).label.lower()


def _priority(values: Values) -> str:
    return PolicyPriority(str(values["priority"])).label.lower()


def _whole(value: Value) -> int:
    return int(value or 0)


_WORDS: Mapping[str, Callable[[Values], str]] = {
    "when": _when,
    "retention": _retention,
    "quiesce": _quiesce,
    "limits": _limits,
    "checks": _checks,
    "verify": _verify,
    "priority": _priority,
}


def source(scope: ScopeRow | None) -> str:
    """Where a value comes from: “from policy Gold”, “the VM's own”."""
    if scope is None:
        return "no policy says it"
    return f"from policy {scope.policy_name}" if scope.policy_name else "the VM's own"


def values_of(row: EffectivePolicy) -> dict[str, Value]:
    return {column: getattr(row, column) for columns in GROUPS.values() for column in columns}


def change(
    context: VMContext,
    before: EffectivePolicy | None,
    found: Resolved,
    scopes: Mapping[int, ScopeRow],
) -> str:
    """What is different for a VM from now on; empty: nothing that anybody would notice. Of a VM
    for which nothing was in effect yet only its target is told, if it had another."""
    if before is None:
        old = context.rpo_target_seconds
        if old == found.values["rpo_target_seconds"]:
            return ""
        said = "no target" if old is None else f"within {words(old)}"
        return _told("when", said, found, scopes)
    was = values_of(before)
    return "; ".join(
        _told(name, group(name, was), found, scopes)
        for name in GROUPS
        if group(name, was) != group(name, found.values)
    )


def _told(name: str, was: str, found: Resolved, scopes: Mapping[int, ScopeRow]) -> str:
    scope = scopes.get(found.sources[name] or 0)
    return f"{TITLES[name]}: {group(name, found.values)}, {source(scope)} (before: {was})"


def place(kind: str, vcenter: str, folder: str, pattern: str, vm: str) -> str:
    """Where a scope is: “vCenter Frankfurt”, “VMs named db-*”."""
    return {
        ScopeKind.INSTALLATION: "all VMs",
        ScopeKind.VCENTER: f"vCenter {vcenter}",
        ScopeKind.FOLDER: f"folder {folder} in {vcenter}",
        ScopeKind.NAME: f"VMs named {pattern}",
        ScopeKind.VM: f"VM {vm}",
        ScopeKind.OWN: f"VM {vm} alone",
    }[ScopeKind(kind)]
