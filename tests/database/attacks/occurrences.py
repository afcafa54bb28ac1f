"""How protection went, and what is told: rows that the estate has few of."""

from __future__ import annotations

from tests.database.attacks.attack import NOW, Attack
from tests.database.attacks.health import add_attack, twice
from tests.database.scratch import A_TYPE

SPELL = {
    **{"vm_context_id": "{c}", "state": "'broken'", "is_told": "TRUE"},
    "began_at": NOW,
}
OCCURRENCE = {
    **{"kind": "'broken'", "key": "'broken:1'", "what": "'x'", "at": NOW},
    **dict.fromkeys(
        ("vm_context_id", "job_id", "vcenter_id", "repository_id", "policy_id"), "NULL"
    ),
}

OCCURRENCES: list[Attack] = [
    *(
        add_attack("protection_spells", SPELL, rules, bad, name)
        for rules, bad, name in (
            (("spell_state_known",), {"state": "'odd'"}, "a spell of an unknown state"),
            (
                ("protection_spell_column_types", A_TYPE),
                {"began_at": "'then'"},
                "a spell's odd time",
            ),
            (("protection_spells.vm_context_id",), {"vm_context_id": "'none'"}, "a spell of no VM"),
        )
    ),
    twice(
        *("protection_spells", SPELL, "spell_one_open_per_context", {"vm_context_id": "{e}"}),
        "two open spells of one VM",
    ),
    *(
        add_attack("occurrences", OCCURRENCE, rules, bad, name)
        for rules, bad, name in (
            (("occurrence_kind_known",), {"kind": "'odd'"}, "an unknown kind of occurrence"),
            (("occurrence_says_what",), {"what": "''"}, "an occurrence that says nothing"),
            (("occurrence_says_what",), {"key": "''"}, "an occurrence without a key"),
            (("occurrence_column_types", A_TYPE), {"at": "'then'"}, "an occurrence's odd time"),
            *(
                ((f"occurrences.{name}",), {name: missing}, f"an occurrence of no {what}")
                for name, missing, what in (
                    ("vm_context_id", "'none'", "VM"),
                    ("job_id", "'none'", "job"),
                    ("vcenter_id", "999", "vCenter"),
                    ("repository_id", "999", "repository"),
                    ("policy_id", "999", "policy"),
                )
            ),
        )
    ),
    twice(
        *("occurrences", OCCURRENCE, "occurrences.key", {"key": "'broken:2'"}),
        "the same occurrence twice",
    ),
]
