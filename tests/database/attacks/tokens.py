"""API tokens and sessions: rows that the estate has none of."""

from __future__ import annotations

from tests.database.attacks.attack import NOW, Attack
from tests.database.attacks.health import add
from tests.database.attacks.views import USER
from tests.database.scratch import A_TYPE

TOKEN = {
    **{"user_id": "7", "name": "'nightly'", "scope": "'read'", "digest": f"'{'0' * 64}'"},
    **{"prefix": "'vmrep_abcdef'", "origin": "'page'", "created_at": NOW, "created_from": "''"},
    **{"expires_at": "NULL", "last_used_at": "NULL", "last_used_from": "''"},
}
_USER = add("auth_user", USER)
_TOKEN = add("api_tokens", TOKEN)


def _bad(rule: str, bad: dict[str, str], name: str) -> Attack:
    rules = (rule, A_TYPE) if rule.endswith("column_types") else (rule,)
    return Attack(name, rules, (_USER, add("api_tokens", TOKEN | bad)), (_USER, _TOKEN))


TOKENS: list[Attack] = [
    _bad("token_is_named", {"name": "''"}, "a token without a name"),
    _bad("token_scope_known", {"scope": "'all'"}, "a token of an unknown scope"),
    _bad("token_origin_known", {"origin": "'odd'"}, "a token of unknown origin"),
    _bad("token_has_a_digest", {"digest": "''"}, "a token that any key fits"),
    _bad("token_column_types", {"last_used_at": "'lately'"}, "a token of an odd use"),
    _bad("api_tokens.user_id", {"user_id": "999"}, "a token of nobody"),
    Attack(
        "two tokens of one key",
        ("api_tokens.digest",),
        (_USER, _TOKEN, add("api_tokens", TOKEN | {"name": "'other'"})),
        (_USER, _TOKEN, add("api_tokens", TOKEN | {"digest": f"'{'1' * 64}'"})),
    ),
]

SESSION = {
    **{"session_key": f"'{'0' * 64}'", "session_data": "''", "expire_date": NOW, "user_id": "7"},
    **{"signed_in_at": NOW, "last_seen_at": NOW, "address": "''", "user_agent": "''"},
}


def _bad_session(rules: tuple[str, ...], bad: dict[str, str], name: str) -> Attack:
    good = (_USER, add("sessions", SESSION))
    return Attack(name, rules, (_USER, add("sessions", SESSION | bad)), good)


SESSIONS: list[Attack] = [
    _bad_session(("sessions.user_id",), {"user_id": "999"}, "a session of nobody who is there"),
    _bad_session(
        ("session_column_types", A_TYPE), {"last_seen_at": "'lately'"}, "a session of an odd use"
    ),
]

IDENTITY = {
    **{"user_id": "7", "issuer": "'https://id.example.org'", "subject": "'ann'"},
    "created_at": NOW,
}
_IDENTITY = add("identities", IDENTITY)


def _bad_identity(rules: tuple[str, ...], bad: dict[str, str], name: str) -> Attack:
    return Attack(name, rules, (_USER, add("identities", IDENTITY | bad)), (_USER, _IDENTITY))


IDENTITIES: list[Attack] = [
    _bad_identity(("identities.user_id",), {"user_id": "999"}, "an identity of nobody"),
    _bad_identity(("identity_is_somebodys",), {"subject": "''"}, "an identity of no subject"),
    _bad_identity(
        ("identity_column_types", A_TYPE), {"created_at": "'lately'"}, "an identity's odd time"
    ),
    Attack(
        "two users of one identity",
        ("identity_is_one_users",),
        (_USER, _IDENTITY, _IDENTITY),
        (_USER, _IDENTITY, add("identities", IDENTITY | {"subject": "'bob'"})),
    ),
]
