"""Policies: rows that the estate has none of but that of all VMs."""

from __future__ import annotations

from replication.models.policies import KEEP, NUMBERS
from tests.database.attacks.attack import NOW, Attack, Statements
from tests.database.scratch import A_TYPE

_UNSAID = {
    **{"rpo_kind": "''", "rpo_target_seconds": "NULL", "cron": "''", "time_zone": "'UTC'"},
    **{"latest_start_minutes": "NULL", "retention_kind": "''", "quiesce": "''", "priority": "''"},
    **dict.fromkeys(NUMBERS, "NULL"),
}
POLICY = {
    **{"id": "71", "name": "'Gold'", "vm_context_id": "NULL", "repository_id": "NULL"},
    **_UNSAID,
    **{"created_at": NOW, "updated_at": NOW},
}
OWN = POLICY | {"name": "NULL", "vm_context_id": "{a}"}
TARGET = {"rpo_kind": "'target'", "rpo_target_seconds": "900"}
CALENDAR = {
    **{"rpo_kind": "'calendar'", "rpo_target_seconds": "900", "cron": "'0 0 * * *'"},
    "latest_start_minutes": "60",
}
RULES = {"retention_kind": "'rules'", "keep_last": "3"}
WINDOW = {"policy_id": "71", "days": "127", "from_minute": "1320", "to_minute": "360"}
SCOPE = {
    **{"policy_id": "71", "kind": "'name'", "vcenter_id": "NULL", "folder": "''"},
    **{"pattern": "'db-*'", "vm_context_id": "NULL", "takes_new": "false"},
    **{"created_by": "'ops'", "created_at": NOW},
}
VCENTER = {"kind": "'vcenter'", "vcenter_id": "{vcenter}", "pattern": "''"}
FOLDER = VCENTER | {"kind": "'folder'", "folder": "'/Lab/vm'"}
VM = {"kind": "'vm'", "vm_context_id": "{a}", "pattern": "''"}
ALL = {"kind": "'installation'", "pattern": "''"}
TAKING = {
    "vcenter_id": "{vcenter}",
    "of_discovery_id": "(SELECT id FROM discoveries WHERE status = 'failed')",
}
EFFECTIVE = {
    **_UNSAID,
    **{"vm_context_id": "{a}", "rpo_kind": "'none'", "retention_kind": "'all'"},
    **{"quiesce": "'never'", "priority": "'low'", "policy_id": "NULL", "of_generation": "0"},
    **{"of_name": "''", "of_path": "''", "updated_at": NOW},
}
SCHEDULE = {
    **{"vm_context_id": "{a}", "due_at": NOW, "due_why": "'first'", "compare": "false"},
    **{"holds_until": "NULL", "expected_seconds": "NULL", "failures_in_a_row": "0"},
    **{"of_generation": "0", "of_ended_jobs": "0", "of_point_at": "NULL", "updated_at": NOW},
    **{"held_up": "''", "breach_expected_at": "NULL", "breach_why": "''"},
    **dict.fromkeys(("breaks_at", "latest_start_at"), "NULL"),
    **dict.fromkeys(("changed_per_second", "overhead_seconds", "wait_seconds"), "NULL"),
}
PAUSE = {
    **{"kind": "'vm'", "vcenter_id": "NULL", "policy_id": "NULL", "vm_context_id": "{a}"},
    **{"until": "NULL", "reason": "''", "paused_by": "'ops'", "created_at": NOW},
    **{"ended_at": "NULL", "ended_by": "''"},
}
NO_VM = {"vm_context_id": "NULL"}
PAUSED = {
    "all": NO_VM | {"kind": "'all'"},
    "vcenter": NO_VM | {"kind": "'vcenter'", "vcenter_id": "{vcenter}"},
    "policy": NO_VM | {"kind": "'policy'", "policy_id": "71"},
    "vm": {},
}


def _add(table: str, row: dict[str, str]) -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


WITHOUT_A_POLICY = ("policies", "effective_policies", "vm_schedules")
_GOLD = _add("policies", POLICY)
_TAKING = _add("policy_takings", TAKING)


def _attacks(table: str, row: dict[str, str], *kinds: tuple) -> list[Attack]:
    """What is wrong with a row, and with what else it would be right."""
    before = () if table in WITHOUT_A_POLICY else (_GOLD,)
    return [
        Attack(
            name,
            rules,
            (*before, _add(table, row | right | bad)),
            (*before, _add(table, row | right)),
        )
        for rules, right, bad, name in kinds
    ]


def _twice(rules: Statements, row: dict[str, str], but: dict[str, str], name: str) -> Attack:
    """The same place twice; with these values it is another one."""
    first = _add("policy_scopes", SCOPE | row)
    other = _add("policy_scopes", SCOPE | row | but)
    return Attack(name, rules, (_GOLD, first, first), (_GOLD, first, other))


def _paused_twice(kind: str) -> Attack:
    """Ended, the first one is none any more."""
    row = PAUSE | PAUSED[kind]
    ended = row | {"ended_at": NOW, "ended_by": "'ops'"}
    return Attack(
        f"two pauses at once: {kind}",
        (f"pause_one_open_of_{kind}",),
        (_GOLD, _add("pauses", row), _add("pauses", row)),
        (_GOLD, _add("pauses", ended), _add("pauses", row)),
    )


def _of_values(table: str, row: dict[str, str], prefix: str, whose: str) -> list[Attack]:
    when, keep = (f"{prefix}_says_when",), (f"{prefix}_says_what_to_keep",)
    without = {} if prefix == "policy" else {"rpo_kind": "'none'", "retention_kind": "'all'"}
    return _attacks(
        *(table, row),
        (when, {}, {"rpo_kind": "'sometimes'"}, f"{whose} with a time that is none"),
        (when, TARGET, {"rpo_target_seconds": "NULL"}, f"{whose} with a target of nothing"),
        (when, TARGET, {"rpo_target_seconds": "59"}, f"{whose} with a target of a moment"),
        (when, TARGET, {"rpo_target_seconds": "99999999"}, f"{whose} with a target of years"),
        (when, TARGET, {"cron": "'0 0 * * *'"}, f"{whose} with a target and a calendar"),
        (when, without, {"rpo_target_seconds": "900"}, f"{whose} with a target and without"),
        (when, CALENDAR, {"cron": "''"}, f"{whose} with an empty calendar"),
        (when, CALENDAR, {"latest_start_minutes": "NULL"}, f"{whose} with a calendar without end"),
        (when, CALENDAR, {"latest_start_minutes": "10081"}, f"{whose} of a calendar that is late"),
        (keep, {}, {"retention_kind": "'some'"}, f"{whose} that keeps some"),
        (keep, RULES, {"keep_last": "NULL"}, f"{whose} with rules that say nothing"),
        (keep, RULES, dict.fromkeys(KEEP, "0"), f"{whose} with rules that keep nothing"),
        (keep, without, {"keep_daily": "1"}, f"{whose} that keeps all, and one a day"),
        ((f"{prefix}_quiescing_known",), {}, {"quiesce": "'x'"}, f"{whose} of odd quiescing"),
        ((f"{prefix}_priority_known",), {}, {"priority": "'x'"}, f"{whose} of odd priority"),
        ((f"{prefix}_has_a_time_zone",), {}, {"time_zone": "''"}, f"{whose} without a time zone"),
    )


_named, _names, _own = (
    ("policy_has_a_name_or_is_of_one_vm",),
    ("scope_names_what_its_kind_needs",),
    ("scope_of_own_values_is_of_their_vm",),
)
_paused = ("pause_names_what_its_kind_needs",)
POLICIES = [
    *_attacks(
        *("policies", POLICY),
        (_named, {}, {"name": "''"}, "a policy without a name"),
        (_named, {}, {"name": "NULL"}, "a policy of nobody"),
        (_named, {}, {"vm_context_id": "{a}"}, "a policy of one VM with a name"),
        (("policies.name",), {}, {"name": "'Default'"}, "two policies of one name"),
        (("policies.vm_context_id",), {}, {"name": "NULL", "vm_context_id": "'x'"}, "of no VM"),
        (("policy_column_types", A_TYPE), {}, {"created_at": "'once'"}, "a policy of no time"),
    ),
    *_of_values("policies", POLICY, "policy", "a policy"),
    *_of_values("effective_policies", EFFECTIVE, "effective_policy", "an effective policy"),
    *_attacks(
        *("effective_policies", EFFECTIVE),
        (("effective_policy_is_complete",), {}, {"quiesce": "''"}, "half of what is in effect"),
        (
            *(("effective_policy_column_types", A_TYPE), {}, {"updated_at": "'lately'"}),
            "what is in effect since no time",
        ),
    ),
    *_attacks(
        *("policy_windows", WINDOW),
        (("window_has_days",), {}, {"days": "0"}, "hours of no day"),
        (("window_has_days",), {}, {"days": "128"}, "hours of an eighth day"),
        (("window_has_a_length",), {}, {"to_minute": "1320"}, "hours that end as they begin"),
        (("window_has_a_length",), {}, {"from_minute": "1440"}, "hours that begin after the day"),
        (("window_has_a_length",), {}, {"to_minute": "1441"}, "hours that end after the day"),
        (("policy_window_column_types", A_TYPE), {}, {"days": "'all'"}, "hours of odd days"),
        (("policy_windows.policy_id",), {}, {"policy_id": "999"}, "hours of no policy"),
    ),
    *_attacks(
        *("policy_scopes", SCOPE),
        (_names, {}, {"kind": "'site'"}, "a scope of an unknown kind"),
        (_names, {}, {"pattern": "''"}, "a scope of no name"),
        (_names, {}, {"vcenter_id": "{vcenter}"}, "a scope of names in a vCenter"),
        (_names, VCENTER, {"vcenter_id": "NULL"}, "a scope of no vCenter"),
        (_names, VCENTER, {"folder": "'/x'"}, "a vCenter with a folder"),
        (_names, FOLDER, {"folder": "'Lab'"}, "a folder that is no path"),
        (_names, FOLDER, {"vcenter_id": "NULL"}, "a folder of no vCenter"),
        (_names, VM, {"vm_context_id": "NULL"}, "a scope of no VM"),
        (_names, VM, {"takes_new": "true"}, "a VM that takes others"),
        (("policy_scope_column_types", A_TYPE), {}, {"takes_new": "'x'"}, "a scope that may take"),
        (("policy_scopes.policy_id",), {}, {"policy_id": "999"}, "a scope of no policy"),
        (("policy_scopes.vcenter_id",), VCENTER, {"vcenter_id": "999"}, "a scope elsewhere"),
    ),
    *(
        Attack(name, rules, (_add("policy_takings", TAKING | bad),), (_TAKING,))
        for rules, bad, name in (
            (("policy_takings.vcenter_id",), {"vcenter_id": "999"}, "VMs looked at nowhere"),
            (
                *(("policy_taking_column_types", A_TYPE), {"of_discovery_id": "'the last'"}),
                "VMs looked at by an odd discovery",
            ),
        )
    ),
    Attack(
        "a second policy for all VMs",
        ("scope_once_for_all",),
        (_GOLD, _add("policy_scopes", SCOPE | ALL)),
        (_GOLD, _add("policy_scopes", SCOPE)),
    ),
    _twice(("scope_once_per_folder",), FOLDER, {"folder": "'/Lab/vm2'"}, "two of one folder"),
    _twice(("scope_once_per_pattern",), {}, {"pattern": "'web-*'"}, "two of one pattern"),
    _twice(("scope_once_per_vm",), VM, {"vm_context_id": "{b}"}, "two policies of one VM"),
    Attack(
        "another VM's own values",
        _own,
        (
            _add("policies", OWN),
            _add("policy_scopes", SCOPE | VM | {"kind": "'own'"} | {"vm_context_id": "{b}"}),
        ),
        (_add("policies", OWN), _add("policy_scopes", SCOPE | VM | {"kind": "'own'"})),
    ),
    Attack(
        "a policy with a name as a VM's own values",
        _own,
        (_GOLD, _add("policy_scopes", SCOPE | VM | {"kind": "'own'"})),
        (_add("policies", OWN), _add("policy_scopes", SCOPE | VM | {"kind": "'own'"})),
    ),
    *_attacks(
        *("vm_schedules", SCHEDULE),
        (("schedule_says_why",), {}, {"due_why": "''"}, "a VM that is due for no reason"),
        (("schedule_says_why",), {}, {"due_why": "'luck'"}, "a VM that is due for an odd reason"),
        (
            *(("schedule_says_why",), {"due_at": "NULL", "due_why": "''"}),
            *({"due_why": "'first'"}, "a VM that is never due, for a reason"),
        ),
        (("schedule_column_types", A_TYPE), {}, {"compare": "'x'"}, "a schedule of an odd type"),
        (("schedule_knows_both_or_none",), {}, {"breaks_at": NOW}, "a target without a last start"),
        (
            *(("schedule_says_why_a_breach",), {}, {"breach_expected_at": NOW}),
            "a breach that is expected for no reason",
        ),
        (
            *(("schedule_has_a_whole_estimate",), {}, {"changed_per_second": "1"}),
            "half of an estimate",
        ),
        (("vm_schedules.vm_context_id",), {}, {"vm_context_id": "'x'"}, "a schedule of no VM"),
    ),
    *_attacks(
        *("pauses", PAUSE),
        (_paused, {}, {"kind": "'site'"}, "a pause of an unknown kind"),
        (_paused, {}, NO_VM, "a pause of no VM"),
        (_paused, {}, {"vcenter_id": "{vcenter}"}, "a pause of a VM and a vCenter"),
        (_paused, PAUSED["all"], {"policy_id": "71"}, "a pause of all VMs and a policy"),
        (_paused, PAUSED["vcenter"], {"vcenter_id": "NULL"}, "a pause of no vCenter"),
        (_paused, PAUSED["policy"], {"policy_id": "NULL"}, "a pause of no policy"),
        (("pause_says_who_ended_it",), {}, {"ended_at": NOW}, "a pause that nobody ended"),
        (("pause_says_who_ended_it",), {}, {"ended_by": "'ops'"}, "a pause that ended at no time"),
        (("pause_says_who_paused",), {}, {"paused_by": "''"}, "a pause by nobody"),
        (("pause_column_types", A_TYPE), {}, {"created_at": "'once'"}, "a pause since no time"),
        (("pauses.vcenter_id",), PAUSED["vcenter"], {"vcenter_id": "999"}, "a pause elsewhere"),
        (("pauses.policy_id",), PAUSED["policy"], {"policy_id": "999"}, "a pause of nothing"),
    ),
    *map(_paused_twice, PAUSED),
]
