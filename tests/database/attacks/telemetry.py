"""What a job tells while it runs. These rows are made here: no service makes them in the estate."""

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


def _add(table: str, row: dict[str, str]) -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def _attack(table: str, row: dict[str, str], rules: Statements, bad: dict, name: str) -> Attack:
    return Attack(name, rules, (_add(table, row | bad),), (_add(table, row),))


TELEMETRY = [
    *(
        _attack("job_samples", SAMPLE, rules, bad, name)
        for rules, bad, name in (
            (("sample_figures_possible",), {"bytes_transferred": "-1"}, "a sample below nothing"),
            (("sample_figures_possible",), {"attempt": "0"}, "a sample of attempt zero"),
            (("sample_figures_are_finite",), {"bytes_per_second": "1e300"}, "an endless rate"),
            (("sample_column_types", A_TYPE), {"at": "'then'"}, "a sample's time that is none"),
            (("job_samples.job_id",), {"job_id": "'none'"}, "a sample of no job"),
        )
    ),
    *(
        _attack("job_log_lines", LINE, rules, bad, name)
        for rules, bad, name in (
            (("log_level_known",), {"level": "'shout'"}, "a log line's level that nobody knows"),
            (("log_attempt_possible",), {"attempt": "0"}, "a log line of attempt zero"),
            (("log_column_types", A_TYPE), {"at": "'then'"}, "a log line's time that is none"),
            (("job_log_lines.job_id",), {"job_id": "'none'"}, "a log line of no job"),
        )
    ),
    change(
        *("cbt_history", CBT_ROW, "cbt_map_is_whole_and_has_its_scale"),
        *("extent_map = 'abc'", "extent_map = NULL", "CBT history with a piece of a map"),
    ),
    change(
        *(IMAGES, WRITING_IMAGE, "image_map_is_whole"),
        *("extent_map = 'abc'", "extent_map = NULL", "an image with a piece of a map"),
    ),
]
