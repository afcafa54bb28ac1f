"""The audit trail: what its constraints refuse. What its triggers do is attacked in
`tests/trail/test_append_only.py`."""

from __future__ import annotations

from tests.database.attacks.attack import NOW, Attack, Statements
from tests.database.scratch import A_TYPE

_EVENT = {
    **{"number": "number + 1", "previous_digest": "digest", "digest": f"'{'f' * 64}'"},
    **{"seal": "'x'", "at": NOW, "verb": "'add'", "outcome": "'done'", "actor": "'eve'"},
    **{"via": "'page'", "kind": "'vm'", "object_id": "'k'", "object_name": "''", "address": "''"},
    **{"vm_context_id": "''", "folder": "''", "job_id": "''", "request_id": "''"},
    **{"old": "'{{}}'", "new": "'{{}}'"},
}


def _event(**bad: str) -> str:
    """One that follows the head."""
    row = _EVENT | bad
    columns, values = ", ".join(row), ", ".join(row.values())
    return f"INSERT INTO audit_events ({columns}) SELECT {values} FROM audit_head"


def _prune(also: str) -> str:
    """What only pruning may do to the head, and something else with it."""
    return (
        f"UPDATE audit_head SET {also}, pruned_through = 1,"
        " pruned_digest = (SELECT digest FROM audit_events WHERE number = 1)"
    )


def _odd(name: str, rules: Statements, **bad: str) -> Attack:
    return Attack(name, rules, (_event(**bad),), (_event(),))


TRAIL = [
    _odd("an act of nobody", ("audit_event_says_who_and_what",), actor="''"),
    _odd("an act that is none", ("audit_event_says_who_and_what",), verb="''"),
    _odd("an act with an unknown outcome", ("audit_event_outcome_known",), outcome="'maybe'"),
    _odd("an act that came in nowhere", ("audit_event_via_known",), via="'window'"),
    _odd("an act at no time", ("audit_event_column_types", A_TYPE), at="'once'"),
    _odd(
        "two events that follow the same one",
        ("audit_event_followed_by_one",),
        previous_digest="(SELECT previous_digest FROM audit_events ORDER BY number DESC LIMIT 1)",
    ),
    Attack("another head", ("audit_head_only_one",), (_prune("id = 2"),), (_prune("id = 1"),)),
    Attack(
        "a head of an odd type",
        ("audit_head_column_types", A_TYPE),
        (_prune("id = 'one'"),),
        (_prune("id = 1"),),
    ),
]
