"""Who is alive: rows that the estate has none of."""

from __future__ import annotations

from tests.database.attacks.attack import NOW, Attack, Statements
from tests.database.scratch import A_TYPE

LIFE = {
    **{"kind": "'worker'", "name": "'vm:1'", "queues": "'copies'", "slots": "2", "version": "'1'"},
    **{"started_at": NOW, "seen_at": NOW},
}
HEARD = {"vcenter_id": "{vcenter}", "host": "'vm'", "looked_at": NOW, "problem": "''"}
HEARD["answer_seconds"] = "NULL"
INCIDENT = {
    **{"kind": "'worker_dead'", "subject": "'copies'", "what": "'x'", "vcenter_id": "NULL"},
    "repository_id": "NULL",
    "began_at": NOW,
}


def add(table: str, row: dict[str, str]) -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def add_attack(table: str, row: dict[str, str], rules: Statements, bad: dict, name: str) -> Attack:
    return Attack(name, rules, (add(table, row | bad),), (add(table, row),))


def twice(table: str, row: dict[str, str], rule: str, but: dict[str, str], name: str) -> Attack:
    """The same row twice; with these values it is another one."""
    first = add(table, row)
    return Attack(name, (rule,), (first, first), (first, add(table, row | but)))


TALLY = {
    **{"kind": "'job'", "vcenter_id": "{vcenter}", "outcome": "'failed'", "replication_type": "''"},
    **{"error_code": "''", "at_most_seconds": "10", "count": "1", "microseconds": "1"},
    "bytes": "0",
}

HEALTH = [
    *(
        add_attack("signs_of_life", LIFE, rules, bad, name)
        for rules, bad, name in (
            (("life_kind_known",), {"kind": "'ghost'"}, "a sign of an unknown kind of process"),
            (("life_is_named",), {"name": "''"}, "a sign of nobody"),
            (("sign_of_life_column_types", A_TYPE), {"seen_at": "'lately'"}, "a sign's odd time"),
        )
    ),
    twice(
        *("signs_of_life", LIFE, "life_once_per_process", {"name": "'vm:2'"}),
        "two signs of one process",
    ),
    *(
        add_attack("vcenter_signs", HEARD, rules, bad, name)
        for rules, bad, name in (
            (("vcenter_sign_names_its_host",), {"host": "''"}, "a look at a vCenter from nowhere"),
            (
                *(("vcenter_sign_column_types", A_TYPE), {"looked_at": "'lately'"}),
                "a look at a vCenter with an invalid time",
            ),
            (
                ("vcenter_sign_answer_possible",),
                {"answer_seconds": "-1"},
                "an answer of a vCenter before it was asked",
            ),
            (("vcenter_signs.vcenter_id",), {"vcenter_id": "999"}, "a look at no vCenter"),
        )
    ),
    twice(
        *("vcenter_signs", HEARD, "vcenter_sign_once_per_host", {"host": "'other'"}),
        "two looks at a vCenter from one machine",
    ),
    *(
        add_attack("incidents", INCIDENT, rules, bad, name)
        for rules, bad, name in (
            (("incident_kind_known",), {"kind": "'odd'"}, "an unknown kind of incident"),
            (("incident_says_what",), {"what": "''"}, "an incident that says nothing"),
            (("incident_column_types", A_TYPE), {"began_at": "'then'"}, "an incident's odd time"),
            (("incidents.vcenter_id",), {"vcenter_id": "999"}, "an incident of no vCenter"),
            (
                *(("incidents.repository_id",), {"repository_id": "999"}),
                "an incident of no repository",
            ),
        )
    ),
    twice(
        *("incidents", INCIDENT, "incident_open_once", {"ended_at": NOW}),
        "the same incident twice at once",
    ),
    *(
        add_attack("tallies", TALLY, rules, bad, name)
        for rules, bad, name in (
            (("tally_kind_known",), {"kind": "'odd'", "outcome": "''"}, "a tally of an odd kind"),
            (("tally_outcome_is_of_jobs",), {"outcome": "'running'"}, "a tally of running jobs"),
            (("tally_outcome_is_of_jobs",), {"kind": "'nfc_read'"}, "a read that failed as a job"),
            (("tally_figures_possible",), {"count": "0"}, "a tally of nothing"),
            (("tally_figures_possible",), {"microseconds": "-1"}, "a tally of negative times"),
            (("tally_column_types", A_TYPE), {"microseconds": "'many'"}, "a tally of “many”"),
            (("tallies.vcenter_id",), {"vcenter_id": "999"}, "a tally of no vCenter"),
        )
    ),
]
