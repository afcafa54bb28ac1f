"""Recovery points that are read back: rows that the estate has none of."""

from __future__ import annotations

from tests.database.attacks.attack import NOW, Attack
from tests.database.attacks.removals import add
from tests.database.scratch import A_TYPE

VERIFICATION = {
    **{"id": "1", "recovery_point_id": "{a_old_point}", "vm_context_id": "{a}"},
    **{"trigger": "'manual'", "requested_by": "'ops'", "state": "'waiting'", "problem": "''"},
    **{"total_bytes": "100", "done_bytes": "50", "read_bytes": "20", "position": "1"},
    **{"offset_bytes": "50", "chain_digest": "''", "damage_count": "0", "worker_name": "''"},
    **{"attempts": "0", "cancelled_by": "''", "created_at": NOW, "updated_at": NOW},
}
DAMAGE = {
    **{"id": "1", "verification_id": "1", "disk_id": "{a_disk1}", "what": "'4,096 bytes at 0'"},
    **{"offset_bytes": "0", "length_bytes": "4096"},
}
_ENDED = {"state": "'verified'", "ended_at": NOW}


def _verification(
    rules: tuple[str, ...], bad: dict[str, str], name: str, good: dict[str, str] | None = None
) -> Attack:
    twin = add("point_verifications", VERIFICATION | (good or {}))
    return Attack(name, rules, (add("point_verifications", VERIFICATION | bad),), (twin,))


def _damage(
    rules: tuple[str, ...], bad: dict[str, str], name: str, good: dict[str, str] | None = None
) -> Attack:
    verification = add("point_verifications", VERIFICATION)
    twin = (verification, add("verification_damages", DAMAGE | (good or {})))
    return Attack(name, rules, (verification, add("verification_damages", DAMAGE | bad)), twin)


VERIFICATIONS = [
    *(
        _verification((rule,), bad, name, good)
        for rule, bad, name, good in (
            (
                *("verification_state_known", {"state": "'odd'", "ended_at": NOW}),
                *("a verification in an unknown state", _ENDED),
            ),
            (
                *("verification_ended_has_its_time", {"state": "'verified'"}),
                *("a verification that ended never", _ENDED),
            ),
            (
                *("verification_ended_has_its_time", {"ended_at": NOW}),
                *("a verification that ended and goes on", None),
            ),
            (
                *("verification_says_who_asked", {"requested_by": "''"}),
                *("a verification that nobody asked for", None),
            ),
            (
                *("verification_says_who_asked", {"trigger": "'odd'"}),
                *("a verification for an unknown reason", None),
            ),
            (
                *("verification_figures_possible", {"done_bytes": "101"}),
                *("a verification of more than there is", {"done_bytes": "100"}),
            ),
            (
                *("verification_figures_possible", {"read_bytes": "51"}),
                *("a verification that read more than it compared", {"read_bytes": "50"}),
            ),
            (
                *("verification_point_is_of_its_context", {"vm_context_id": "{b}"}),
                *("a verification of another VM's recovery point", None),
            ),
        )
    ),
    _verification(
        *(("verification_column_types", A_TYPE), {"next_attempt_at": "'soon'"}),
        *("a verification tried again at no time", {"next_attempt_at": NOW}),
    ),
    Attack(
        "two verifications of a VM at once",
        ("verification_one_per_vm",),
        (
            add("point_verifications", VERIFICATION),
            add("point_verifications", VERIFICATION | {"id": "2", "state": "'running'"}),
        ),
        (
            add("point_verifications", VERIFICATION),
            add("point_verifications", VERIFICATION | {"id": "2"} | _ENDED),
        ),
    ),
    *(
        _damage(rules, bad, name, good)
        for rules, bad, name, good in (
            (("verification_damage_says_what",), {"what": "''"}, "a damage without words", None),
            (
                *(("verification_damage_has_a_place_or_none",), {"length_bytes": "NULL"}),
                *(
                    "a damage from some place on",
                    {"offset_bytes": "NULL", "length_bytes": "NULL"},
                ),
            ),
            (
                *(("verification_damage_has_a_place_or_none",), {"offset_bytes": "-1"}),
                *("a damage before the disk", None),
            ),
            (
                *(("verification_damages.verification_id",), {"verification_id": "2"}),
                *("a damage that no verification found", None),
            ),
            (
                *(("verification_damage_column_types", A_TYPE), {"offset_bytes": "'there'"}),
                *("a damage at no number", None),
            ),
        )
    ),
]
