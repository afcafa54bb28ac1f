"""Events of VMs: what their constraints refuse. What their triggers do is attacked in
`tests/contexts/test_event_chains.py`."""

from __future__ import annotations

from tests.database.attacks.attack import Attack
from tests.database.attacks.rows import EVENT_ROW
from tests.database.scratch import A_TYPE
from tests.database.sql import copy

_NEXT = {
    "number": "(SELECT head.number + 1 FROM context_event_heads AS head"
    " WHERE head.vm_context_id = context_events.vm_context_id)",
    "digest": f"'{'f' * 64}'",
}


def _odd(name: str, *rules: str, **bad: str) -> Attack:
    """One that follows the newest, but for `bad`."""
    return Attack(
        name,
        rules,
        (copy("context_events", EVENT_ROW, **_NEXT | bad),),
        (copy("context_events", EVENT_ROW, **_NEXT),),
    )


EVENTS = [
    _odd("an event of another VM's job", "event_job_is_of_its_context", job_id="{b_pending}"),
    _odd("an event by nobody", "event_says_who_and_why", actor="''"),
    _odd("an event with an invalid time", "event_column_types", A_TYPE, created_at="'once'"),
    _odd("two events that follow the same one", "event_followed_by_one", number="number"),
    Attack(
        "a head of an odd type",
        ("event_head_column_types", "context_event_heads.vm_context_id"),
        (
            "INSERT INTO context_event_heads (vm_context_id, number, digest)"
            f" VALUES ({{three_bytes}}, 0, '{'0' * 64}')",
        ),
        (copy("context_events", EVENT_ROW, **_NEXT),),
    ),
]
