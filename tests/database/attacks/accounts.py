"""Scopes of users: rows that the estate has none of, nor users."""

from __future__ import annotations

from tests.database.attacks.attack import NOW, Attack
from tests.database.attacks.health import add
from tests.database.attacks.views import USER
from tests.database.scratch import A_TYPE

SCOPE = {
    **{"user_id": "7", "group_id": "NULL", "vcenter_id": "{vcenter}", "vcenter_name": "'estate'"},
    **{"folder": "'/dc/vm/prod'", "created_by": "'chief'", "created_at": NOW},
}
_GROUP = {"id": "77", "name": "'team'"}
_AROUND = (add("auth_user", USER), add("auth_group", _GROUP))
_OF_GROUP = {"user_id": "NULL", "group_id": "77"}


def _bad(rule: str, bad: dict[str, str], name: str) -> Attack:
    rules = (rule, A_TYPE) if rule.endswith("column_types") else (rule,)
    good = (*_AROUND, add("account_scopes", SCOPE))
    return Attack(name, rules, (*_AROUND, add("account_scopes", SCOPE | bad)), good)


def _twice(rule: str, whose: dict[str, str], name: str) -> Attack:
    first = (*_AROUND, add("account_scopes", SCOPE | whose))
    other = add("account_scopes", SCOPE | whose | {"folder": "'/dc/vm/test'"})
    return Attack(name, (rule,), (*first, add("account_scopes", SCOPE | whose)), (*first, other))


ACCOUNTS: list[Attack] = [
    _bad(
        "account_scope_of_a_user_or_a_group",
        {"group_id": "77"},
        "a scope of a user and of a group",
    ),
    _bad("account_scope_of_a_user_or_a_group", {"user_id": "NULL"}, "a scope of nobody"),
    _bad(
        "account_scope_folder_is_a_path", {"folder": "'dc/vm'"}, "a scope of a folder that is none"
    ),
    _bad(
        "account_scope_folder_is_a_path",
        {"folder": "'/dc/vm/'"},
        "a scope of a folder with a slash at its end",
    ),
    _bad("account_scope_column_types", {"vcenter_id": "'many'"}, "a scope of the vCenter “many”"),
    _bad("account_scopes.user_id", {"user_id": "999"}, "a scope of an unknown user"),
    _bad(
        "account_scopes.group_id",
        {"user_id": "NULL", "group_id": "999"},
        "a scope of an unknown group",
    ),
    _bad("account_scopes.vcenter_id", {"vcenter_id": "999"}, "a scope of an unknown vCenter"),
    _twice("account_scope_once_per_user", {}, "a scope of a user twice"),
    _twice("account_scope_once_per_group", _OF_GROUP, "a scope of a group twice"),
]
