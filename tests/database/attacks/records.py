"""What a job tells while it runs, and what the audit found: rows that the estate has none of."""

from __future__ import annotations

from tests.database.attacks.attack import IMAGES, NOW, Attack, Statements, change
from tests.database.attacks.rows import CBT_ROW, WRITING_IMAGE
from tests.database.scratch import A_TYPE

SAMPLE = {
    **{"job_id": "{a_running}", "attempt": "1", "at": NOW, "seconds": "1"},
    **{"bytes_transferred": "1", "bytes_per_second": "1"},
}
LINE = {
    **{"job_id": "{a_running}", "attempt": "1", "at": NOW, "level": "'info'", "message": "'x'"},
}
PLACE = {
    **{
        "kind": "'host_sessions'",
        "resource": "'esx-01:902'",
        "number": "1",
        "job_id": "{a_running}",
        "holder": "'x'",
    },
    **{"token": "'00000000000000000000000000000001'", "acquired_at": NOW, "expires_at": NOW},
}
LIMIT = {
    **{
        "kind": "'vcenter_jobs'",
        "resource": "'{vcenter}'",
        "vcenter_id": "{vcenter}",
        "value": "4",
    },
    **{"repository_id": "NULL", "set_by": "'x'", "updated_at": NOW},
}
OF_REPOSITORY = LIMIT | {
    **{"kind": "'repository_jobs'", "resource": "'{r1}'", "vcenter_id": "NULL"},
    "repository_id": "{r1}",
}
WINDOW = {
    **{"vcenter_id": "{vcenter}", "days": "127", "from_minute": "0", "to_minute": "1440"},
    **{"time_zone": "'UTC'", "bytes_per_second": "1048576", "set_by": "'x'", "updated_at": NOW},
}
DAMAGE = {
    **{"image_id": "{d_done_image1}", "code": "'image_file_missing'", "what": "'x'"},
    **{"found_by": "'job'", "needs_deep_look": "false", "found_at": NOW, "cleared_at": "NULL"},
}
SIGN = {
    **{"repository_id": "{r1}", "host": "'vmrep-1'", "looked_at": NOW, "reached_at": "NULL"},
    **{"problem": "'Not mounted.'"},
}
INSTALLATION = {"id": "1", "generation": "3", "updated_at": NOW}
RUN = {
    **{"requested_by": "'x'", "deep": "false", "repair": "false", "outcome": "'ok'"},
    **{"finding_count": "0", "repaired_count": "0", "error_message": "''"},
    **{"created_at": NOW, "started_at": NOW, "completed_at": NOW, "updated_at": NOW},
}
FINDING = {
    **{"run_id": "1", "code": "'x'", "severity": "'error'", "context_id": "''", "vm_name": "''"},
    **{"job_id": "''", "what": "'x'", "remedy": "'x'", "repairable": "false", "repaired": "''"},
}


def _add(table: str, row: dict[str, str]) -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


ACTIVE_RUN = {"outcome": "'running'", "completed_at": "NULL"}
OF_RUN = _add("integrity_runs", {"id": "1"} | RUN)
GOOD = _add("integrity_findings", FINDING)


def _attack(table: str, row: dict[str, str], rules: Statements, bad: dict, name: str) -> Attack:
    return Attack(name, rules, (_add(table, row | bad),), (_add(table, row),))


RECORDS = [
    *(
        _attack("job_samples", SAMPLE, rules, bad, name)
        for rules, bad, name in (
            (
                ("sample_figures_possible",),
                {"bytes_transferred": "-1"},
                "a sample with negative bytes",
            ),
            (("sample_figures_possible",), {"attempt": "0"}, "a sample of attempt zero"),
            (("sample_figures_are_finite",), {"bytes_per_second": "1e300"}, "an infinite rate"),
            (("sample_column_types", A_TYPE), {"at": "'then'"}, "a sample with an invalid time"),
            (("job_samples.job_id",), {"job_id": "'none'"}, "a sample of no job"),
        )
    ),
    *(
        _attack("job_log_lines", LINE, rules, bad, name)
        for rules, bad, name in (
            (("log_level_known",), {"level": "'shout'"}, "a log line with an unknown level"),
            (("log_attempt_possible",), {"attempt": "0"}, "a log line of attempt zero"),
            (("log_column_types", A_TYPE), {"at": "'then'"}, "a log line with an invalid time"),
            (("job_log_lines.job_id",), {"job_id": "'none'"}, "a log line of no job"),
        )
    ),
    *(
        _attack("places", PLACE, rules, bad, name)
        for rules, bad, name in (
            (("place_kind_known",), {"kind": "'seats'"}, "a place of an unknown kind"),
            (("place_number_possible",), {"number": "0"}, "a place below the first"),
            (("place_has_resource_and_holder",), {"holder": "''"}, "a place that nobody holds"),
            (("place_column_types", A_TYPE), {"expires_at": "'never'"}, "a place's odd time"),
            (("places.job_id",), {"job_id": "'none'"}, "a place of no job"),
        )
    ),
    Attack(
        "one place of a resource twice",
        ("place_once_per_resource",),
        (_add("places", PLACE), _add("places", PLACE)),
        (_add("places", PLACE), _add("places", PLACE | {"number": "2"})),
    ),
    *(
        _attack("limits", LIMIT, rules, bad, name)
        for rules, bad, name in (
            (("limit_is_of_its_kind",), {"resource": "'999999'"}, "another vCenter's limit"),
            (("limit_is_of_its_kind",), {"vcenter_id": "NULL"}, "a limit of a vCenter's ID alone"),
            (("limit_is_of_its_kind",), {"kind": "'vms'"}, "a limit of an unknown kind"),
            (("limit_value_possible",), {"value": "0"}, "a limit that lets nothing begin"),
            (("limit_says_who_set_it",), {"set_by": "''"}, "a limit that nobody set"),
            (("limit_column_types", A_TYPE), {"updated_at": "'lately'"}, "a limit's odd time"),
            (
                *(("limits.vcenter_id",), {"vcenter_id": "999999", "resource": "'999999'"}),
                "a limit of no vCenter",
            ),
        )
    ),
    _attack(
        "limits",
        OF_REPOSITORY,
        ("limits.repository_id",),
        {"repository_id": "999999", "resource": "'999999'"},
        "a limit of no repository",
    ),
    Attack(
        "two limits of one resource",
        ("limit_once_per_resource",),
        (_add("limits", LIMIT), _add("limits", LIMIT | {"value": "5"})),
        (_add("limits", LIMIT), _add("limits", OF_REPOSITORY)),
    ),
    *(
        _attack("bandwidth_windows", WINDOW, rules, bad, name)
        for rules, bad, name in (
            (("bandwidth_days_possible",), {"days": "0"}, "a window on no day"),
            (("bandwidth_minutes_possible",), {"to_minute": "1441"}, "a window beyond its day"),
            (("bandwidth_rate_possible",), {"bytes_per_second": "0"}, "a window without a byte"),
            (("bandwidth_says_where_and_who",), {"time_zone": "''"}, "a window nowhere"),
            (("bandwidth_column_types", A_TYPE), {"updated_at": "'lately'"}, "a window's odd time"),
            (("bandwidth_windows.vcenter_id",), {"vcenter_id": "999999"}, "a window of no vCenter"),
        )
    ),
    *(
        _attack("image_damages", DAMAGE, rules, bad, name)
        for rules, bad, name in (
            (("image_damage_says_what",), {"what": "''"}, "a damage that says nothing"),
            (("image_damage_says_what",), {"code": "''"}, "a damage of no kind"),
            (("image_damage_finder_known",), {"found_by": "'luck'"}, "a damage found by chance"),
            (
                *(("image_damage_column_types", A_TYPE), {"needs_deep_look": "'maybe'"}),
                "a damage that a look may find gone",
            ),
            (("image_damages.image_id",), {"image_id": "999999"}, "a damage of no image"),
        )
    ),
    Attack(
        "one damage of an image twice",
        ("damage_once_per_image_and_code",),
        (_add("image_damages", DAMAGE), _add("image_damages", DAMAGE)),
        (_add("image_damages", DAMAGE), _add("image_damages", DAMAGE | {"cleared_at": NOW})),
    ),
    *(
        _attack("repository_signs", SIGN, rules, bad, name)
        for rules, bad, name in (
            (("repository_sign_names_its_host",), {"host": "''"}, "a sign seen from nowhere"),
            (
                *(("repository_sign_column_types", A_TYPE), {"reached_at": "'never'"}),
                "a sign with an invalid time",
            ),
            (
                *(("repository_signs.repository_id",), {"repository_id": "999999"}),
                "a sign of no repository",
            ),
        )
    ),
    Attack(
        "what a machine sees of a repository twice",
        ("repository_sign_once_per_host",),
        (_add("repository_signs", SIGN), _add("repository_signs", SIGN)),
        (_add("repository_signs", SIGN), _add("repository_signs", SIGN | {"host": "'vmrep-2'"})),
    ),
    *(
        _attack("installation", INSTALLATION, rules, bad, name)
        for rules, bad, name in (
            (("installation_is_one",), {"id": "2"}, "a second installation"),
            (
                *(("installation_column_types", A_TYPE), {"updated_at": "'lately'"}),
                "an installation changed at no time",
            ),
        )
    ),
    *(
        _attack("integrity_runs", RUN, rules, bad, name)
        for rules, bad, name in (
            (("integrity_outcome_known",), {"outcome": "'fine'"}, "an unknown outcome"),
            (
                *(("integrity_ended_has_its_time",), {"completed_at": "NULL"}),
                "an integrity check ended without a time",
            ),
            (
                *(("integrity_run_column_types", A_TYPE), {"finding_count": "'many'"}),
                "a count of findings that is not a number",
            ),
        )
    ),
    Attack(
        "two integrity checks at once",
        ("integrity_one_at_a_time",),
        (_add("integrity_runs", RUN | ACTIVE_RUN), _add("integrity_runs", RUN | ACTIVE_RUN)),
        (_add("integrity_runs", RUN | ACTIVE_RUN), _add("integrity_runs", RUN)),
    ),
    *(
        Attack(name, rules, (OF_RUN, _add("integrity_findings", FINDING | bad)), (OF_RUN, GOOD))
        for rules, bad, name in (
            (("integrity_severity_known",), {"severity": "'odd'"}, "an unknown severity"),
            (
                *(("integrity_finding_column_types", A_TYPE), {"repairable": "'maybe'"}),
                "a finding that may be repairable",
            ),
            (("integrity_findings.run_id",), {"run_id": "999"}, "a finding of no integrity check"),
        )
    ),
    change(
        *("cbt_history", CBT_ROW, "cbt_map_is_whole_and_has_its_scale"),
        *("extent_map = {three_bytes}", "extent_map = NULL", "CBT history with a piece of a map"),
    ),
    change(
        *(IMAGES, WRITING_IMAGE, "image_map_is_whole"),
        *("extent_map = {three_bytes}", "extent_map = NULL", "an image with a piece of a map"),
    ),
]
