"""Groups and their runs: rows that the estate has none of."""

from __future__ import annotations

from tests.database.attacks.attack import NOW, Attack
from tests.database.scratch import A_TYPE

GROUP = {
    **{"id": "81", "name": "'Shop'", "created_by": "'ops'"},
    **{"created_at": NOW, "updated_at": NOW},
}
MEMBER = {
    **{"group_id": "81", "vm_context_id": "{a}", "position": "1", "added_by": "'ops'"},
    "created_at": NOW,
}
RUN = {
    **{"id": "82", "group_id": "81", "state": "'waiting'", "trigger": "'manual'"},
    **{"requested_by": "'ops'", "leader": "NULL", "led_by": "''", "gatherings": "0"},
    **{"waits_since": NOW, "spread_seconds": "NULL", "problem": "''", "created_at": NOW},
    **{"gathered_at": "NULL", "ended_at": "NULL", "updated_at": NOW},
}
TOKEN = "'0123456789abcdef0123456789abcdef'"
GATHERING = {
    **{"state": "'gathering'", "leader": TOKEN, "led_by": "'host:1'", "gatherings": "1"},
}
ENDED = {"state": "'ended'", "ended_at": NOW}
IN_RUN = {
    **{"run_id": "82", "vm_context_id": "{a}", "job_id": "{a_failed}", "position": "1"},
    **{"state": "'missing'", "taken_at": "NULL", "why": "'It is paused.'"},
}
TOGETHER = {"state": "'together'", "taken_at": NOW, "why": "''"}


def _add(table: str, row: dict[str, str]) -> str:
    columns = ", ".join('"trigger"' if name == "trigger" else name for name in row)
    return f"INSERT INTO {table} ({columns}) VALUES ({', '.join(row.values())})"


_SHOP = _add("vm_groups", GROUP)
_RUN = _add("group_runs", RUN)


def _wrong(
    table: str,
    row: dict[str, str],
    rule: str,
    bad: dict[str, str],
    name: str,
    right: dict[str, str] | None = None,
) -> Attack:
    before = {
        "vm_groups": (),
        "vm_group_members": (_SHOP,),
        "group_runs": (_SHOP,),
        "group_run_members": (_SHOP, _RUN),
    }[table]
    good = row | (right or {})
    rules = (rule, A_TYPE) if rule.endswith("_column_types") else (rule,)
    return Attack(name, rules, (*before, _add(table, good | bad)), (*before, _add(table, good)))


def _run(rule: str, bad: dict[str, str], name: str, right: dict[str, str] | None = None) -> Attack:
    return _wrong("group_runs", RUN, rule, bad, name, right)


def _in_run(
    rule: str, bad: dict[str, str], name: str, right: dict[str, str] | None = None
) -> Attack:
    return _wrong("group_run_members", IN_RUN, rule, bad, name, right)


_HAS_LEADER = "group_run_has_a_leader_while_it_gathers"
_SAYS_HOW = "group_run_member_says_how_it_is"

GROUPS: list[Attack] = [
    _wrong(
        "vm_groups",
        GROUP,
        "group_column_types",
        {"name": f"'{'x' * 101}'"},
        "a name of a group that is too long",
    ),
    _wrong(
        "vm_group_members",
        MEMBER,
        "group_member_column_types",
        {"position": "'first'"},
        "a place that is no number",
    ),
    _run(
        "group_run_column_types",
        {"spread_seconds": "'wide'"},
        "a spread that is no number",
    ),
    _in_run(
        "group_run_member_column_types",
        {"position": "'last'"},
        "a run's place that is no number",
    ),
    _wrong("vm_groups", GROUP, "group_has_name_and_maker", {"name": "''"}, "a group has no name"),
    _wrong(
        "vm_groups",
        GROUP,
        "group_has_name_and_maker",
        {"created_by": "''"},
        "a group that nobody made",
    ),
    Attack(
        "two groups of one name",
        ("vm_groups.name",),
        (_SHOP, _add("vm_groups", GROUP | {"id": "83"})),
        (_SHOP, _add("vm_groups", GROUP | {"id": "83", "name": "'Other'"})),
    ),
    Attack(
        "a VM is in two groups",
        ("vm_group_members.vm_context_id",),
        (
            _SHOP,
            _add("vm_groups", GROUP | {"id": "83", "name": "'Other'"}),
            _add("vm_group_members", MEMBER),
            _add("vm_group_members", MEMBER | {"group_id": "83"}),
        ),
        (
            _SHOP,
            _add("vm_groups", GROUP | {"id": "83", "name": "'Other'"}),
            _add("vm_group_members", MEMBER),
            _add("vm_group_members", MEMBER | {"group_id": "83", "vm_context_id": "{b}"}),
        ),
    ),
    Attack(
        "two members have one place",
        ("group_member_once_per_position",),
        (
            _SHOP,
            _add("vm_group_members", MEMBER),
            _add("vm_group_members", MEMBER | {"vm_context_id": "{b}"}),
        ),
        (
            _SHOP,
            _add("vm_group_members", MEMBER),
            _add("vm_group_members", MEMBER | {"vm_context_id": "{b}", "position": "2"}),
        ),
    ),
    _wrong(
        "vm_group_members",
        MEMBER,
        "group_member_position_possible",
        {"position": "0"},
        "a place before the first",
    ),
    _wrong(
        "vm_group_members",
        MEMBER,
        "group_member_says_who_added",
        {"added_by": "''"},
        "a member whom nobody added",
    ),
    Attack(
        "a group is gathered twice at once",
        ("group_run_one_gathers_at_once",),
        (_SHOP, _RUN, _add("group_runs", RUN | GATHERING | {"id": "83"})),
        (_SHOP, _RUN, _add("group_runs", RUN | ENDED | {"id": "83"})),
    ),
    _run("group_run_state_known", {"state": "'frozen'"}, "a state that no run of a group has"),
    _run("group_run_trigger_known", {"trigger": "'cron'"}, "a trigger that no run has"),
    _run(_HAS_LEADER, {"leader": TOKEN}, "a waiting run has a leader"),
    _run(_HAS_LEADER, {"leader": "NULL"}, "a run gathers without a leader", GATHERING),
    _run(_HAS_LEADER, {"led_by": "''"}, "a run gathers by nobody", GATHERING),
    _run("group_run_ended_has_its_time", {"ended_at": "NULL"}, "a run ended at no time", ENDED),
    _run("group_run_ended_has_its_time", {"ended_at": NOW}, "a run that waits has ended"),
    _run("group_run_spread_possible", {"spread_seconds": "-1.5"}, "a spread of less than nothing"),
    _run("group_run_says_who_requested_it", {"requested_by": "''"}, "a run for nobody"),
    Attack(
        "a VM is in a run twice",
        ("group_run_member_once_per_run",),
        (
            _SHOP,
            _RUN,
            _add("group_run_members", IN_RUN),
            _add("group_run_members", IN_RUN | {"job_id": "NULL"}),
        ),
        (
            _SHOP,
            _RUN,
            _add("group_run_members", IN_RUN),
            _add("group_run_members", IN_RUN | {"job_id": "NULL", "vm_context_id": "{b}"}),
        ),
    ),
    _in_run(
        "group_run_member_position_possible", {"position": "0"}, "a run's place before the first"
    ),
    _in_run(_SAYS_HOW, {"why": "''"}, "a VM is missing for no reason"),
    _in_run(_SAYS_HOW, {"state": "'gone'"}, "a state that no VM of a run has"),
    _in_run(_SAYS_HOW, {"taken_at": "NULL"}, "together at no time", TOGETHER),
    _in_run(_SAYS_HOW, {"why": "'late'"}, "together, but for a reason not", TOGETHER),
    _in_run(
        _SAYS_HOW,
        {"job_id": "NULL"},
        "a VM waits for its group without a job",
        {"state": "'waiting'"},
    ),
    _in_run(
        "group_run_job_is_of_its_context",
        {"vm_context_id": "{b}"},
        "another VM's job is in a run",
    ),
]
