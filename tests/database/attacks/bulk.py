"""Bulk actions: rows that the estate has none of."""

from __future__ import annotations

from tests.database.attacks.attack import NOW, Attack
from tests.database.attacks.health import add, add_attack
from tests.database.attacks.policies import POLICY
from tests.database.scratch import A_TYPE

ACTION = {
    **{"id": "7", "kind": "'pause'", "subject": "''", "policy_id": "NULL"},
    **{"repository_id": "NULL", "until": "NULL", "reason": "''", "trigger": "'manual'"},
    **{"asked_by": "'ops'", "state": "'running'", "total": "3", "done": "1", "refused": "1"},
    **{"cancelled_by": "''", "claimed_until": "NULL", "created_at": NOW, "started_at": "NULL"},
    **{"ended_at": "NULL", "updated_at": NOW},
}
ITEM = {
    "action_id": "7",
    "vm_context_id": "{c}",
    "state": "'waiting'",
    "why": "''",
    "times_held": "0",
}
_ACTION = add("bulk_actions", ACTION)
_POLICY = add("policies", POLICY)
OF_GOLD = {"kind": "'policy'", "subject": "'Gold'"}
MOVED = {"kind": "'repository'", "subject": "'first'", "repository_id": "{r1}"}
ENDED = {"state": "'ended'", "ended_at": NOW, "refused": "2"}
CANCELLED = {"state": "'cancelled'", "ended_at": NOW, "cancelled_by": "'ops'"}
_NEEDS, _COMPLETE = "bulk_action_names_what_its_kind_needs", "bulk_action_ended_is_complete"


def _like(good: dict[str, str], rule: str, bad: dict[str, str], name: str) -> Attack:
    row = ACTION | good
    rules = (rule, A_TYPE) if rule.endswith("column_types") else tuple(rule.split())
    return add_attack("bulk_actions", row, rules, bad, name)


def _item(rule: str, bad: dict[str, str], name: str) -> Attack:
    rules = (rule, A_TYPE) if rule.endswith("column_types") else (rule,)
    return Attack(
        name, rules, (_ACTION, add("bulk_items", ITEM | bad)), (_ACTION, add("bulk_items", ITEM))
    )


BULK: list[Attack] = [
    *(
        _like(*each)
        for each in (
            ({}, "bulk_action_known", {"kind": "'odd'"}, "an unknown kind of bulk action"),
            (
                *({}, "bulk_action_known bulk_action_ended_is_complete", {"state": "'odd'"}),
                "a bulk action in an unknown state",
            ),
            ({}, "bulk_action_says_who", {"asked_by": "''"}, "a bulk action of nobody"),
            (
                *({}, "bulk_action_says_who", {"trigger": "'schedule'"}),
                "a bulk action by the schedule",
            ),
            ({}, _NEEDS, {"subject": "'Gold'"}, "a pause that names something"),
            ({}, _NEEDS, {"repository_id": "{r1}"}, "a pause with a repository"),
            (MOVED, _NEEDS, {"subject": "''"}, "a move to a repository without a name"),
            (OF_GOLD, _NEEDS, {"repository_id": "{r1}"}, "a policy that is a repository"),
            (
                *(OF_GOLD, "bulk_action_times_only_pauses", {"until": NOW}),
                "a policy that is given for a time",
            ),
            (
                *(OF_GOLD, "bulk_action_times_only_pauses", {"reason": "'x'"}),
                "a policy that is given for a reason",
            ),
            ({}, "bulk_action_figures_possible", {"done": "3"}, "more VMs done than there are"),
            (
                *({}, "bulk_action_figures_possible"),
                *({"total": "0", "done": "0", "refused": "0"}, "a bulk action of no VM"),
            ),
            ({}, _COMPLETE, {"ended_at": NOW}, "a running bulk action that has ended"),
            (ENDED, _COMPLETE, {"refused": "1"}, "an ended bulk action with VMs to come"),
            (ENDED, _COMPLETE, {"ended_at": "NULL"}, "an ended bulk action without its end"),
            (CANCELLED, _COMPLETE, {"cancelled_by": "''"}, "a bulk action cancelled by nobody"),
            ({}, "bulk_action_column_types", {"total": "'many'"}, "a bulk action's odd number"),
            (MOVED, "bulk_actions.repository_id", {"repository_id": "999"}, "a move to nowhere"),
        )
    ),
    Attack(
        "a policy of no name given to many",
        (_NEEDS,),
        (_POLICY, add("bulk_actions", ACTION | OF_GOLD | {"policy_id": "71", "subject": "''"})),
        (_POLICY, add("bulk_actions", ACTION | OF_GOLD | {"policy_id": "71"})),
    ),
    Attack(
        "a bulk action with a policy that is not there",
        ("bulk_actions.policy_id",),
        (add("bulk_actions", ACTION | OF_GOLD | {"policy_id": "999"}),),
        (add("bulk_actions", ACTION | OF_GOLD),),
    ),
    *(
        _item(*each)
        for each in (
            ("bulk_item_refused_says_why", {"state": "'refused'"}, "a VM refused for no reason"),
            ("bulk_item_refused_says_why", {"why": "'x'"}, "a reason for what was not refused"),
            ("bulk_item_refused_says_why", {"state": "'odd'"}, "a VM in an unknown state"),
            (
                *("bulk_item_column_types", {"times_held": "'often'"}),
                "a number of waits that is none",
            ),
            ("bulk_items.action_id", {"action_id": "999"}, "a VM of no bulk action"),
            ("bulk_items.vm_context_id", {"vm_context_id": "'none'"}, "a bulk action on no VM"),
        )
    ),
    Attack(
        "the same VM twice in a bulk action",
        ("bulk_item_once_per_vm",),
        (_ACTION, add("bulk_items", ITEM), add("bulk_items", ITEM)),
        (_ACTION, add("bulk_items", ITEM), add("bulk_items", ITEM | {"vm_context_id": "{e}"})),
    ),
]
