"""Saved views: rows that the estate has none of, nor users."""

from __future__ import annotations

from tests.database.attacks.attack import NOW, Attack
from tests.database.attacks.health import add
from tests.database.scratch import A_TYPE

USER = {
    **{"id": "7", "password": "''", "is_superuser": "FALSE", "username": "'ann'"},
    **{"first_name": "''", "last_name": "''", "email": "''", "is_staff": "FALSE"},
    **{"is_active": "TRUE", "date_joined": NOW},
}
VIEW = {
    **{"user_id": "7", "page": "'jobs'", "name": "'Failed'", "query": "'status=failed'"},
    **{"is_shared": "FALSE", "is_default": "TRUE", "created_at": NOW, "updated_at": NOW},
}
_USER = add("auth_user", USER)
_VIEW = add("saved_views", VIEW)


def _bad(rule: str, bad: dict[str, str], name: str) -> Attack:
    rules = (rule, A_TYPE) if rule.endswith("column_types") else (rule,)
    return Attack(name, rules, (_USER, add("saved_views", VIEW | bad)), (_USER, _VIEW))


def _two(rule: str, bad: dict[str, str], good: dict[str, str], name: str) -> Attack:
    return Attack(
        name,
        (rule,),
        (_USER, _VIEW, add("saved_views", VIEW | bad)),
        (_USER, _VIEW, add("saved_views", VIEW | good)),
    )


VIEWS: list[Attack] = [
    _bad("saved_view_page_known", {"page": "'odd'"}, "a view of an unknown page"),
    _bad("saved_view_is_named", {"name": "''"}, "a view without a name"),
    _bad("saved_view_column_types", {"is_shared": "'maybe'"}, "a view that is maybe shared"),
    _bad("saved_views.user_id", {"user_id": "999"}, "a view of nobody"),
    _two(
        "saved_view_once_per_name",
        {"is_default": "FALSE"},
        {"is_default": "FALSE", "name": "'Others'"},
        "two views of one name",
    ),
    _two(
        "saved_view_one_default",
        {"name": "'Others'"},
        {"name": "'Others'", "page": "'events'"},
        "two views with which a page begins",
    ),
]
