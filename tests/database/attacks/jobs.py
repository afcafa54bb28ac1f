"""What jobs, their steps and CBT history say of themselves."""

from __future__ import annotations

from tests.database.attacks.attack import (
    JOBS,
    NOW,
    change,
    insert,
)
from tests.database.attacks.rows import (
    CBT_ROW,
    INCREMENTAL_ROW,
    STEP_ROW,
)

JOB = [
    change(JOBS, "id = {" + job + "}", rule, bad, good, name)
    for job, rule, bad, good, name in (
        *(
            (
                *("a_running", "job_progress_possible"),
                *(f"bytes_transferred = {bad}", f"bytes_transferred = {good}", name),
            )
            for bad, good, name in (
                ("-1", "0", "a job has read a negative number of bytes"),
                ("total_bytes + 1", "total_bytes", "a job has read more than its plan"),
            )
        ),
        (
            *("b_pending", "job_progress_has_a_total"),
            *("bytes_transferred = 1", "bytes_transferred = 1, total_bytes = 1"),
            "a job has read something without a plan",
        ),
        (
            *("a_running", "job_speed_possible"),
            *("transfer_speed_bps = -1", "transfer_speed_bps = 0", "a job goes backwards"),
        ),
        (
            *("a_old", "job_completed_is_whole"),
            "bytes_transferred = bytes_transferred - 1",
            "bytes_transferred = 1, total_bytes = 1",
            "a job completed without reading everything",
        ),
        (
            *("a_old", "job_completed_is_whole"),
            *("error_message = 'x'", "error_message = ''", "a job completed with an error"),
        ),
        (
            *("a_failed", "job_failed_says_why"),
            *("error_message = ''", "error_message = 'x'", "a job failed without a reason"),
        ),
        (
            *("a_failed", "job_code_is_of_a_failure"),
            *("error_code = ''", "error_code = 'x'", "a job failed with an empty code"),
        ),
        (
            *("a_old", "job_code_is_of_a_failure"),
            *("error_code = 'x'", "error_code = NULL", "a completed job has a failure's code"),
        ),
        (
            *("a_failed", "job_ended_has_its_time"),
            *("completed_at = NULL", f"completed_at = {NOW}", "a job ended without a time"),
        ),
        (
            *("a_running", "job_ended_has_its_time"),
            *(f"completed_at = {NOW}", "completed_at = NULL", "a running job has ended"),
        ),
        (
            *("a_failed", "job_attempt_possible"),
            *("attempt = 0", "attempt = 2", "a job's attempt number zero"),
        ),
        (
            *("a_failed", "job_says_what_and_for_whom"),
            *("requested_by = ''", "requested_by = 'x'", "a job that nobody requested"),
        ),
        (
            *("a_running", "job_running_has_begun"),
            *("worker_name = ''", "worker_name = 'host:1'", "a job runs on no worker"),
        ),
        (
            *("a_running", "job_running_has_begun"),
            *("started_at = NULL", f"started_at = {NOW}", "a running job that has not begun"),
        ),
        (
            *("a_running", "job_transport_known"),
            *("transport = 'auto'", "transport = 'nfc'", "a job that read by no one transport"),
        ),
        (
            *("a_running", "job_waits_only_while_pending"),
            "waits_for_kind = 'host_sessions', waits_for = 'esx-01:902'",
            "worker_name = 'esx-01'",
            "a job runs and waits for a host",
        ),
        (
            *("a_failed", "job_says_what_it_waits_for"),
            *("waits_for = 'esx-01:902'", "worker_name = 'esx-01'"),
            "a job waits for something of no kind",
        ),
        (
            *("a_running", "job_cancel_says_who_asked"),
            f"cancel_requested_at = {NOW}",
            f"cancel_requested_at = {NOW}, cancel_requested_by = 'x'",
            "a cancellation that nobody requested",
        ),
        (
            *("a_failed", "job_status_known"),
            "status = 'paused', error_code = NULL",
            "status = 'cancelled', error_code = NULL",
            "a job with an unknown status",
        ),
        (
            *("a_failed", "job_trigger_known"),
            *("trigger = 'magic'", "trigger = 'api'", "a job with an unknown trigger"),
        ),
        (
            *("a_failed", "job_request_known"),
            *("requested_sync = 'some'", "requested_sync = 'initial'"),
            "a job is asked for what nobody knows",
        ),
        (
            *("a_failed", "job_type_known"),
            "replication_type = 'partial'",
            "replication_type = 'initial'",
            "a job with an unknown type",
        ),
        (
            *("a_failed", "replication_jobs.repository_id"),
            *("repository_id = 999999", "repository_id = {r2}"),
            "a job into a repository that does not exist",
        ),
    )
]


STEP = [
    *(
        change("job_steps", STEP_ROW, rule, bad, good, name)
        for rule, bad, good, name in (
            ("step_attempt_possible", "attempt = 0", "attempt = 2", "a step of attempt zero"),
            ("step_name_known", "name = 'dance'", "name = 'verify'", "an unknown step"),
            (
                *("step_status_known", "status = 'odd'", "status = 'warning'"),
                "a step with an unknown status",
            ),
            (
                *("step_ended_has_its_time", "completed_at = NULL", f"completed_at = {NOW}"),
                "a step ended without a time",
            ),
        )
    ),
    insert(
        *("job_steps", STEP_ROW, "step_once_per_attempt"),
        *({}, {"attempt": "2"}, "a step twice in an attempt"),
    ),
    insert(
        *("job_steps", STEP_ROW, "job_steps.job_id"),
        *({"job_id": "'job-none'"}, {"job_id": "{a_done}", "attempt": "2"}),
        "a step of a job that does not exist",
    ),
]


_GOOD_CBT = {"job_id": "{a_failed}"}
CBT = [
    insert(
        *("cbt_history", CBT_ROW, "cbt_disk_is_of_its_context"),
        *({"job_id": "{a_failed}", "disk_id": "{d_disk1}"}, _GOOD_CBT),
        "CBT history of another VM's disk",
    ),
    insert(
        *("cbt_history", CBT_ROW, "cbt_disk_is_of_its_context cbt_history.disk_id"),
        *({"job_id": "{a_failed}", "disk_id": "999999"}, _GOOD_CBT),
        "CBT history of a disk that does not exist",
    ),
    insert(
        *("cbt_history", CBT_ROW, "cbt_job_is_of_its_context"),
        *({"job_id": "{e_cancelled}"}, _GOOD_CBT, "CBT history of another VM's job"),
    ),
    insert(
        *("cbt_history", CBT_ROW, "cbt_job_is_of_its_context cbt_history.job_id"),
        *({"job_id": "'job-none'"}, _GOOD_CBT, "CBT history of a job that does not exist"),
    ),
    insert(
        *("cbt_history", CBT_ROW, "cbt_once_per_disk_and_job"),
        *({}, _GOOD_CBT, "CBT history twice"),
    ),
    *(
        change("cbt_history", key, rule, bad, good, name)
        for key, rule, bad, good, name in (
            (
                *(CBT_ROW, "cbt_figures_possible", "sync_duration_seconds = -1"),
                *("sync_duration_seconds = 0", "a copy that took negative time"),
            ),
            (
                *(CBT_ROW, "cbt_duration_is_finite", "sync_duration_seconds = 1e300"),
                *("sync_duration_seconds = 1e3", "a copy that took forever"),
            ),
            (
                *(CBT_ROW, "cbt_blocks_hold_the_bytes", "blocks_changed = 0"),
                *("blocks_changed = 0, bytes_transferred = 0", "bytes without blocks"),
            ),
            (
                *(CBT_ROW, "cbt_blocks_hold_the_bytes", "bytes_transferred = 0"),
                *("bytes_transferred = 0, sync_success = false", "blocks without bytes"),
            ),
            (
                *(CBT_ROW, "cbt_sync_type_known", "sync_type = 'odd'", "sync_type = 'checksum'"),
                "an unknown sync type in CBT history",
            ),
            (
                *(INCREMENTAL_ROW, "cbt_incremental_has_change_ids", "previous_change_id = NULL"),
                *("previous_change_id = 'x/1'", "an incremental sync without a previous change ID"),
            ),
        )
    ),
]
