"""Requests with a key: rows that the estate has none of."""

from __future__ import annotations

from tests.database.attacks.attack import NOW, Attack
from tests.database.attacks.health import add
from tests.database.attacks.views import USER
from tests.database.scratch import A_TYPE

REQUEST = {
    **{"user_id": "7", "key": "'build-4711'", "request_digest": "'ab12'", "status": "202"},
    **{"body": "'null'", "location": "''", "created_at": NOW},
}
_USER = add("auth_user", USER)
_REQUEST = add("api_keyed_requests", REQUEST)


def _bad(rule: str, bad: dict[str, str], name: str) -> Attack:
    rules = (rule, A_TYPE) if rule.endswith("column_types") else (rule,)
    return Attack(name, rules, (_USER, add("api_keyed_requests", REQUEST | bad)), (_USER, _REQUEST))


KEYED_REQUESTS: list[Attack] = [
    _bad("api_keyed_request_has_a_key", {"key": "''"}, "a keyed request without a key"),
    _bad("api_keyed_request_column_types", {"status": "'ok'"}, "a keyed request answered “ok”"),
    _bad("api_keyed_requests.user_id", {"user_id": "999"}, "a keyed request of nobody"),
    Attack(
        "two requests of one key",
        ("api_keyed_request_once",),
        (_USER, _REQUEST, add("api_keyed_requests", REQUEST | {"body": "'[]'"})),
        (_USER, _REQUEST, add("api_keyed_requests", REQUEST | {"key": "'build-4712'"})),
    ),
]
