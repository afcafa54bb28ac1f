"""What a stranger with the database's own client may try, and which rule has to refuse it.

Each attack is plain SQL for SQLite and PostgreSQL alike, aimed at the estate's rows: `{a_failed}`
is that job's key. It has a twin: as like to it as can be, but allowed, so that the attack is
refused for its sense and not for a slip in its text.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.database.scratch import A_TYPE
from tests.database.sql import copy, delete, update

Statements = tuple[str, ...]


@dataclass(frozen=True)
class Attack:
    """`rules`: the first one must be broken; the others are broken as well, and a database that
    names only one rule (PostgreSQL), or is told in another order, may name one of them."""

    name: str
    rules: Statements
    statements: Statements
    twin: Statements


def _change(table: str, key: str, rule: str, bad: str, good: str, name: str) -> Attack:
    """One row gets impossible values; the twin gives it possible ones."""
    return Attack(name, (rule,), (update(table, bad, key),), (update(table, good, key),))


def _insert(table: str, key: str, rules: str, bad: dict, good: dict, name: str) -> Attack:
    """A row like an existing one, but impossible; the twin is possible."""
    return Attack(
        name, tuple(rules.split()), (copy(table, key, **bad),), (copy(table, key, **good),)
    )


NOW = "CURRENT_TIMESTAMP"
JOBS, CONTEXTS = "replication_jobs", "vm_replication_contexts"
POINTS, IMAGES = "recovery_points", "disk_images"
NEW = "'job-new'"
START_C = update(
    CONTEXTS,
    "current_job_id = 'job-new', current_status = 'replicating', total_jobs_run = 1",
    "context_id = {c}",
)
ACTIVE_JOB_OF_C = (copy(JOBS, "id = {b_pending}", id=NEW, vm_context_id="{c}"), START_C)
FAIL_B = update(
    JOBS, f"status = 'failed', error_message = 'x', completed_at = {NOW}", "id = {b_pending}"
)
LET_GO_B = update(
    CONTEXTS,
    "current_job_id = NULL, current_status = 'ready_for_failover', failed_jobs = 1",
    "context_id = {b}",
)
REVIVE_E = update(JOBS, "status = 'pending', completed_at = NULL", "id = {e_cancelled}")
CURRENT_E = update(
    CONTEXTS,
    "current_job_id = {e_cancelled}, current_status = 'replicating', cancelled_jobs = 0",
    "context_id = {e}",
)
CLEAR_E = tuple(
    delete(table, "vm_context_id = {e}")
    for table in ("vm_disks", "vm_network_adapters", "context_events")
)
WHATEVER = update(JOBS, "current_operation = 'x'", "id = {d_done}")

ORPHANS = [
    _insert(
        JOBS,
        "id = {a_failed}",
        "replication_jobs.vm_context_id job_belongs_to_a_context",
        {"id": NEW, "vm_context_id": "NULL"},
        {"id": NEW},
        "a job without a context",
    ),
    _insert(
        JOBS,
        "id = {a_failed}",
        "replication_jobs.vm_context_id job_belongs_to_a_context",
        {"id": NEW, "vm_context_id": "'ctx-none'"},
        {"id": NEW, "vm_context_id": "{c}"},
        "a job of a context that does not exist",
    ),
    Attack(
        "a job is moved to a context that does not exist",
        (
            "replication_jobs.vm_context_id",
            "event_job_is_of_its_context",
            "job_belongs_to_a_context",
        ),
        (
            delete("context_events", "job_id = {e_cancelled}"),
            update(JOBS, "vm_context_id = 'ctx-none'", "id = {e_cancelled}"),
        ),
        (
            delete("context_events", "job_id = {e_cancelled}"),
            update(JOBS, "vm_context_id = {c}", "id = {e_cancelled}"),
        ),
    ),
    Attack(
        "a context is deleted under its job",
        ("replication_jobs.vm_context_id", "job_belongs_to_a_context"),
        (*CLEAR_E, delete(CONTEXTS, "context_id = {e}")),
        (*CLEAR_E, delete(JOBS, "id = {e_cancelled}"), delete(CONTEXTS, "context_id = {e}")),
    ),
    Attack(
        "a context gets another key under its job",
        ("replication_jobs.vm_context_id", "job_belongs_to_a_context"),
        (*CLEAR_E, update(CONTEXTS, "context_id = 'ctx-new'", "context_id = {e}")),
        (
            *CLEAR_E,
            delete(JOBS, "id = {e_cancelled}"),
            update(CONTEXTS, "context_id = 'ctx-new'", "context_id = {e}"),
        ),
    ),
]

ACTIVE = [
    Attack(
        "a second active job of a context",
        ("job_one_active_per_context", "job_active_is_current"),
        (copy(JOBS, "id = {b_pending}", id=NEW),),
        ACTIVE_JOB_OF_C,
    ),
    Attack(
        "an ended job becomes active again beside another",
        ("job_one_active_per_context", "job_active_is_current"),
        (update(JOBS, "status = 'pending', completed_at = NULL", "id = {a_failed}"),),
        (REVIVE_E, CURRENT_E),
    ),
    Attack(
        "an active job that is not the current one",
        ("job_active_is_current",),
        (copy(JOBS, "id = {b_pending}", id=NEW, vm_context_id="{c}"),),
        ACTIVE_JOB_OF_C,
    ),
    Attack(
        "a context lets go of its active job",
        ("job_active_is_current",),
        (LET_GO_B,),
        (LET_GO_B, FAIL_B),
    ),
    Attack(
        "an ended job becomes active unnoticed",
        ("job_active_is_current",),
        (REVIVE_E,),
        (REVIVE_E, CURRENT_E),
    ),
]

CURRENT = [
    Attack(
        "the current job is another context's",
        (
            "context_current_job_is_active_and_its_own",
            "job_active_is_current",
            f"{CONTEXTS}.current_job_id",
        ),
        (LET_GO_B, START_C.replace(NEW, "{b_pending}")),
        (*ACTIVE_JOB_OF_C, LET_GO_B, FAIL_B),
    ),
    Attack(
        "the current job does not exist",
        ("context_current_job_is_active_and_its_own", f"{CONTEXTS}.current_job_id"),
        (START_C,),
        ACTIVE_JOB_OF_C,
    ),
    Attack(
        "the current job is not active",
        ("context_current_job_is_active_and_its_own",),
        (CURRENT_E,),
        (REVIVE_E, CURRENT_E),
    ),
    Attack(
        "the current job ends and stays current",
        ("context_current_job_is_active_and_its_own",),
        (FAIL_B,),
        (FAIL_B, LET_GO_B),
    ),
    Attack(
        "the current job is deleted",
        ("context_current_job_is_active_and_its_own", f"{CONTEXTS}.current_job_id"),
        (
            delete("context_events", "job_id = {b_pending}"),
            delete(JOBS, "id = {b_pending}"),
        ),
        (
            delete("context_events", "job_id = {b_pending}"),
            delete(JOBS, "id = {b_pending}"),
            LET_GO_B,
        ),
    ),
    Attack(
        "two contexts have the same current job",
        (f"{CONTEXTS}.current_job_id",),
        (START_C.replace(NEW, "{b_pending}"),),
        ACTIVE_JOB_OF_C,
    ),
]

_LAST = "context_last_success_completed_and_its_own"
_OLD_IS_LAST = update(CONTEXTS, "last_successful_job_id = {a_old}", "context_id = {a}")
LAST_SUCCESSFUL = [
    Attack(
        "the last successful job is another context's",
        (_LAST,),
        (update(CONTEXTS, "last_successful_job_id = {a_old}", "context_id = {d}"),),
        (_OLD_IS_LAST,),
    ),
    Attack(
        "the last successful job does not exist",
        (_LAST, f"{CONTEXTS}.last_successful_job_id"),
        (update(CONTEXTS, "last_successful_job_id = 'job-none'", "context_id = {a}"),),
        (_OLD_IS_LAST,),
    ),
    Attack(
        "the last successful job did not complete",
        (_LAST,),
        (update(CONTEXTS, "last_successful_job_id = {a_failed}", "context_id = {a}"),),
        (_OLD_IS_LAST,),
    ),
    Attack(
        "the last successful job is still active",
        (_LAST,),
        (update(CONTEXTS, "last_successful_job_id = {a_running}", "context_id = {a}"),),
        (_OLD_IS_LAST,),
    ),
    Attack(
        "the last successful job is failed afterwards",
        (_LAST, "point_job_completed"),
        (update(JOBS, "status = 'failed', error_message = 'x'", "id = {d_done}"),),
        (WHATEVER,),
    ),
    Attack(
        "two contexts have the same last successful job",
        (f"{CONTEXTS}.last_successful_job_id",),
        (update(CONTEXTS, "last_successful_job_id = {a_done}", "context_id = {d}"),),
        (_OLD_IS_LAST,),
    ),
]

_A, _C, _D = "context_id = {a}", "context_id = {c}", "context_id = {d}"
CONTEXT = [
    _change(
        *(CONTEXTS, _D, "context_counters_add_up"),
        "total_jobs_run = total_jobs_run + 1",
        "total_jobs_run = total_jobs_run + 1, failed_jobs = failed_jobs + 1",
        "a job is counted in the total only",
    ),
    _change(
        *(CONTEXTS, _A, "context_counters_add_up"),
        "failed_jobs = failed_jobs + 1",
        "failed_jobs = failed_jobs + 1, total_jobs_run = total_jobs_run + 1",
        "a failed job is counted that no total knows",
    ),
    *(
        _change(
            *(CONTEXTS, _A, f"{CONTEXTS}.{column}"),
            f"{column} = -1, total_jobs_run = total_jobs_run - {column} - 1",
            f"{column} = 1, total_jobs_run = total_jobs_run - {column} + 1",
            f"{column} is negative",
        )
        for column in ("failed_jobs", "cancelled_jobs")
    ),
    _change(
        *(CONTEXTS, _D, "context_last_success_is_counted"),
        "successful_jobs = 0, failed_jobs = 1",
        "successful_jobs = 1, failed_jobs = 0",
        "a last successful job without a success",
    ),
    _change(
        *(CONTEXTS, _C, "context_status_known"),
        "current_status = 'excellent'",
        "current_status = 'failed'",
        "a context's status that nobody knows",
    ),
    _change(
        *(CONTEXTS, _C, "context_replicating_has_a_job"),
        "current_status = 'replicating'",
        "current_status = 'discovered'",
        "a context replicates without a job",
    ),
    _change(
        *(CONTEXTS, _A, "context_replicating_has_a_job"),
        "current_status = 'failed'",
        "current_status = 'replicating'",
        "a context with an active job does not replicate",
    ),
    _change(
        *(CONTEXTS, _C, "context_ready_has_had_a_success"),
        "current_status = 'ready_for_failover'",
        "current_status = 'failed'",
        "a context that never succeeded is ready for failover",
    ),
    _change(
        *(CONTEXTS, _C, "context_has_identity"),
        "vmware_vm_id = ''",
        "vmware_vm_id = 'another'",
        "a context without an instance UUID",
    ),
    _insert(
        *(CONTEXTS, _C, "context_has_identity"),
        {"context_id": "''", "vmware_vm_id": "'another'"},
        {"context_id": "'ctx-new'", "vmware_vm_id": "'another'"},
        "a context with an empty key",
    ),
    _insert(
        *(CONTEXTS, _C, "context_identity_once"),
        {"context_id": "'ctx-new'"},
        {"context_id": "'ctx-new'", "vmware_vm_id": "'another'"},
        "a second context of a VM",
    ),
    _change(
        *(CONTEXTS, _C, "context_specs_possible"),
        "cpu_count = -1",
        "cpu_count = NULL",
        "a VM with less than no CPU",
    ),
    _change(
        *(CONTEXTS, _C, f"{CONTEXTS}.vcenter_id"),
        "vcenter_id = 999999",
        "vcenter_id = {vcenter}",
        "a context of a vCenter that does not exist",
    ),
    _change(
        *(CONTEXTS, _C, f"{CONTEXTS}.repository_id"),
        "repository_id = 999999",
        "repository_id = {r2}",
        "a context in a repository that does not exist",
    ),
]

JOB = [
    _change(JOBS, "id = {" + job + "}", rule, bad, good, name)
    for job, rule, bad, good, name in (
        *(
            (
                *("a_running", "job_progress_possible"),
                *(f"bytes_transferred = {bad}", f"bytes_transferred = {good}", name),
            )
            for bad, good, name in (
                ("-1", "0", "a job has read less than nothing"),
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
            "a job completed without having read all",
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
            *("a_failed", "job_ended_has_its_time"),
            *("completed_at = NULL", f"completed_at = {NOW}", "a job ended at no time"),
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
            *("requested_by = ''", "requested_by = 'x'", "a job that nobody wanted"),
        ),
        (
            *("a_running", "job_running_has_begun"),
            *("worker_name = ''", "worker_name = 'host:1'", "a job runs on no worker"),
        ),
        (
            *("a_running", "job_running_has_begun"),
            *("started_at = NULL", f"started_at = {NOW}", "a job runs that has not begun"),
        ),
        (
            *("a_running", "job_cancel_says_who_asked"),
            f"cancel_requested_at = {NOW}",
            f"cancel_requested_at = {NOW}, cancel_requested_by = 'x'",
            "a job is to be cancelled for nobody",
        ),
        (
            *("a_failed", "job_status_known"),
            *("status = 'paused'", "status = 'cancelled'", "a job's status that nobody knows"),
        ),
        (
            *("a_failed", "job_trigger_known"),
            *("trigger = 'magic'", "trigger = 'api'", "a job's trigger that nobody knows"),
        ),
        (
            *("a_failed", "job_type_known"),
            "replication_type = 'partial'",
            "replication_type = 'initial'",
            "a job's type that nobody knows",
        ),
        (
            *("a_failed", "replication_jobs.repository_id"),
            *("repository_id = 999999", "repository_id = {r2}"),
            "a job into a repository that does not exist",
        ),
    )
]

_STEP = "job_id = {a_failed} AND name = 'prepare'"
STEP = [
    *(
        _change("job_steps", _STEP, rule, bad, good, name)
        for rule, bad, good, name in (
            ("step_attempt_possible", "attempt = 0", "attempt = 2", "a step of attempt zero"),
            ("step_name_known", "name = 'dance'", "name = 'verify'", "a step that nobody knows"),
            (
                *("step_status_known", "status = 'odd'", "status = 'warning'"),
                "a step's status that nobody knows",
            ),
            (
                *("step_ended_has_its_time", "completed_at = NULL", f"completed_at = {NOW}"),
                "a step ended at no time",
            ),
        )
    ),
    _insert(
        *("job_steps", _STEP, "step_once_per_attempt"),
        *({}, {"attempt": "2"}, "a step twice in an attempt"),
    ),
    _insert(
        *("job_steps", _STEP, "job_steps.job_id"),
        *({"job_id": "'job-none'"}, {"job_id": "{a_done}", "attempt": "2"}),
        "a step of a job that does not exist",
    ),
]

_CBT = "job_id = {a_old} AND disk_id = {a_disk1}"
_INCREMENTAL = "job_id = {a_done} AND disk_id = {a_disk1}"
_GOOD_CBT = {"job_id": "{a_failed}"}
CBT = [
    _insert(
        *("cbt_history", _CBT, "cbt_disk_is_of_its_context"),
        *({"job_id": "{a_failed}", "disk_id": "{d_disk1}"}, _GOOD_CBT),
        "CBT history of another VM's disk",
    ),
    _insert(
        *("cbt_history", _CBT, "cbt_disk_is_of_its_context cbt_history.disk_id"),
        *({"job_id": "{a_failed}", "disk_id": "999999"}, _GOOD_CBT),
        "CBT history of a disk that does not exist",
    ),
    _insert(
        *("cbt_history", _CBT, "cbt_job_is_of_its_context"),
        *({"job_id": "{e_cancelled}"}, _GOOD_CBT, "CBT history of another VM's job"),
    ),
    _insert(
        *("cbt_history", _CBT, "cbt_job_is_of_its_context cbt_history.job_id"),
        *({"job_id": "'job-none'"}, _GOOD_CBT, "CBT history of a job that does not exist"),
    ),
    _insert(
        *("cbt_history", _CBT, "cbt_once_per_disk_and_job"),
        *({}, _GOOD_CBT, "CBT history twice"),
    ),
    *(
        _change("cbt_history", key, rule, bad, good, name)
        for key, rule, bad, good, name in (
            (
                *(_CBT, "cbt_figures_possible", "sync_duration_seconds = -1"),
                *("sync_duration_seconds = 0", "a copy in less than no time"),
            ),
            (
                *(_CBT, "cbt_duration_is_finite", "sync_duration_seconds = 1e300"),
                *("sync_duration_seconds = 1e3", "a copy that took for ever"),
            ),
            (
                *(_CBT, "cbt_blocks_hold_the_bytes", "blocks_changed = 0"),
                *("blocks_changed = 0, bytes_transferred = 0", "bytes without blocks"),
            ),
            (
                *(_CBT, "cbt_blocks_hold_the_bytes", "bytes_transferred = 0"),
                *("bytes_transferred = 0, sync_success = false", "blocks without bytes"),
            ),
            (
                *(_CBT, "cbt_sync_type_known", "sync_type = 'odd'", "sync_type = 'checksum'"),
                "a sync type in CBT history that nobody knows",
            ),
            (
                *(_INCREMENTAL, "cbt_incremental_has_change_ids", "previous_change_id = NULL"),
                *("previous_change_id = 'x/1'", "an incremental sync since nothing"),
            ),
        )
    ),
]

_LEASE = "vm_context_id = {a}"
_EVENT = "job_id = {a_running}"
_SNAPSHOT = "job_id = {a_running}"
AROUND = [
    *(
        _change(table, key, rule, bad, good, name)
        for table, key, rule, bad, good, name in (
            (
                *("context_leases", _LEASE, "lease_job_is_of_its_context"),
                *("job_id = {b_pending}", "job_id = {a_running}", "a lease for another VM's job"),
            ),
            (
                *("context_leases", _LEASE, "lease_holder_kind_known"),
                *("holder_kind = 'odd'", "holder_kind = 'retention'"),
                "a lease's holder that nobody knows",
            ),
            (
                *("context_leases", _LEASE, "lease_of_a_job_names_it", "job_id = NULL"),
                *("job_id = NULL, holder_kind = 'deletion'", "a job's lease that names none"),
            ),
            (
                *("context_leases", _LEASE, "lease_has_a_holder"),
                *("holder = ''", "holder = 'x'", "a lease that nobody holds"),
            ),
            (
                *("context_events", _EVENT, "event_job_is_of_its_context"),
                *("job_id = {b_pending}", "job_id = NULL", "an event of another VM's job"),
            ),
            (
                *("context_events", _EVENT, "event_says_who_and_why"),
                *("actor = ''", "actor = 'x'", "an event by nobody"),
            ),
            (
                *("vm_snapshots", _SNAPSHOT, "snapshot_job_is_of_its_context"),
                *("job_id = {b_pending}", "job_id = {a_done}", "a snapshot for another VM's job"),
            ),
            (
                *("vm_snapshots", _SNAPSHOT, "snapshot_state_known"),
                *("state = 'odd'", "state = 'intended'", "a snapshot's state that nobody knows"),
            ),
            (
                *("vm_snapshots", _SNAPSHOT, "snapshot_created_has_reference"),
                *("moref = ''", "moref = 'x'", "a snapshot that was made and has no reference"),
            ),
            (
                *("vm_snapshots", _SNAPSHOT, "snapshot_removed_has_its_time"),
                *("state = 'removed'", f"state = 'removed', removed_at = {NOW}"),
                "a snapshot removed at no time",
            ),
            (
                *("vm_snapshots", _SNAPSHOT, "snapshot_is_named"),
                *("name = ''", "name = 'x'", "a snapshot without a name"),
            ),
            (
                *("recovery_point_holds", "kind = 'pin'", "hold_kind_known"),
                *("kind = 'odd'", "kind = 'verify'", "a hold's kind that nobody knows"),
            ),
            (
                *("recovery_point_holds", "kind = 'pin'", "hold_has_an_owner"),
                *("owner = ''", "owner = 'x'", "a hold for nobody"),
            ),
            (
                *("recovery_point_holds", "kind = 'pin'", "recovery_point_holds.recovery_point_id"),
                *("recovery_point_id = 999999", "recovery_point_id = {d_done_point}"),
                "a hold of a recovery point that does not exist",
            ),
        )
    ),
    _insert(
        *("context_leases", _LEASE, "context_leases.vm_context_id"),
        {"token": "'00000000000000000000000000000001'"},
        {
            "token": "'00000000000000000000000000000001'",
            **{"vm_context_id": "{c}", "job_id": "NULL", "holder_kind": "'clean_up'"},
        },
        "a second lease of a context",
    ),
    _insert(
        *("vm_snapshots", _SNAPSHOT, "vm_snapshots.name"),
        *({}, {"name": "'vmrep:x:1'"}, "two snapshots of the same name"),
    ),
]

_EXPIRE_D = update(POINTS, "state = 'expired'", "id = {d_done_point}")
_EXPIRE_OLD = update(POINTS, "state = 'expired'", "id = {a_old_point}")
_SPARE = {"locator": "'x.qcow2'", "recovery_point_id": "NULL", "state": "'deleting'"}
_IMAGE1, _IMAGE2 = "id = {d_done_image1}", "id = {d_done_image2}"
_NEW_JOB = copy(JOBS, "id = {a_old}", id=NEW)
WHOLE = "point_has_an_image_of_each_disk"
POINT = [
    Attack(
        "a recovery point without images",
        (WHOLE,),
        (_NEW_JOB, copy(POINTS, "id = {a_old_point}", job_id=NEW)),
        (_NEW_JOB, copy(POINTS, "id = {a_old_point}", job_id=NEW, state="'expired'")),
    ),
    Attack(
        "a recovery point that is being expired without images",
        (WHOLE,),
        (_NEW_JOB, copy(POINTS, "id = {a_old_point}", job_id=NEW, state="'expiring'")),
        (_NEW_JOB, copy(POINTS, "id = {a_old_point}", job_id=NEW, state="'writing'")),
    ),
    Attack(
        "a recovery point loses its last image",
        (WHOLE,),
        (update(IMAGES, "state = 'deleting'", "id = {a_old_image2}"),),
        (update(IMAGES, "state = 'deleting'", "id = {a_old_image2}"), _EXPIRE_OLD),
    ),
    Attack(
        "a recovery point loses its first image",
        ("image_has_the_one_before_it",),
        (update(IMAGES, "state = 'deleting'", _IMAGE1),),
        (
            update(IMAGES, "state = 'deleting'", "recovery_point_id = {d_done_point}"),
            _EXPIRE_D,
        ),
    ),
    Attack(
        "an image of a recovery point is deleted",
        (WHOLE,),
        (delete(IMAGES, _IMAGE2),),
        (delete(IMAGES, _IMAGE2), _EXPIRE_D),
    ),
    Attack(
        "all images of a recovery point are deleted",
        (WHOLE,),
        (delete(IMAGES, _IMAGE1), delete(IMAGES, _IMAGE2)),
        (delete(IMAGES, _IMAGE1), delete(IMAGES, _IMAGE2), _EXPIRE_D),
    ),
    Attack(
        "an image leaves its recovery point",
        (WHOLE,),
        (update(IMAGES, "recovery_point_id = NULL, state = 'deleting'", _IMAGE2),),
        (update(IMAGES, "recovery_point_id = NULL, state = 'deleting'", _IMAGE2), _EXPIRE_D),
    ),
    Attack(
        "a recovery point claims more disks than it has images",
        (WHOLE, "image_agrees_with_its_point"),
        (update(POINTS, "disk_count = 3", "id = {d_done_point}"),),
        (update(POINTS, "disk_count = 2", "id = {d_done_point}"),),
    ),
    Attack(
        "a recovery point claims fewer disks than it has images",
        ("image_agrees_with_its_point",),
        (update(POINTS, "disk_count = 1", "id = {d_done_point}"),),
        (
            update(POINTS, "disk_count = 1", "id = {d_done_point}"),
            update(IMAGES, "of_disks = 1", _IMAGE1),
            update(IMAGES, "recovery_point_id = NULL, state = 'deleting'", _IMAGE2),
        ),
    ),
    Attack(
        "a recovery point of a job that did not complete",
        ("point_job_completed",),
        (update(JOBS, "status = 'failed', error_message = 'x'", "id = {a_old}"),),
        (
            update(JOBS, "status = 'failed', error_message = 'x'", "id = {a_old}"),
            update(POINTS, "state = 'writing'", "id = {a_old_point}"),
            update(IMAGES, "state = 'deleting'", "recovery_point_id = {a_old_point}"),
        ),
    ),
    Attack(
        "a recovery point by another VM's job",
        ("point_job_is_of_its_context",),
        (
            copy(JOBS, "id = {b_done}", id=NEW),
            copy(POINTS, "id = {a_old_point}", job_id=NEW, state="'writing'"),
        ),
        (_NEW_JOB, copy(POINTS, "id = {a_old_point}", job_id=NEW, state="'writing'")),
    ),
    Attack(
        "two recovery points of a job",
        (f"{POINTS}.job_id",),
        (copy(POINTS, "id = {a_old_point}", state="'writing'"),),
        (_NEW_JOB, copy(POINTS, "id = {a_old_point}", job_id=NEW, state="'writing'")),
    ),
    *(
        _change(POINTS, "id = {d_done_point}", rule, bad, good, name)
        for rule, bad, good, name in (
            (
                *("point_state_known", "state = 'odd'", "state = 'expired'"),
                "a recovery point's state that nobody knows",
            ),
            (
                *("point_has_disks", "disk_count = 0", "disk_count = 2"),
                "a recovery point of no disks",
            ),
        )
    ),
]

_WRITING = "id = {a_running_image1}"
_CHILD = "id = {a_done_image1}"
IMAGE = [
    *(
        _insert(IMAGES, _IMAGE1, rules, {**_SPARE, **bad}, {**_SPARE, **good}, name)
        for rules, bad, good, name in (
            (
                "image_point_is_of_its_context image_agrees_with_its_point",
                {"recovery_point_id": "{b_done_point}"},
                {},
                "an image in another VM's recovery point",
            ),
            (
                *("image_disk_is_of_its_context", {"disk_id": "{b_disk1}"}, {}),
                "an image of another VM's disk",
            ),
            (
                *("image_job_is_of_its_context", {"job_id": "{b_done}"}, {}),
                "an image by another VM's job",
            ),
            (
                *("image_disk_once_per_point", {"recovery_point_id": "{d_done_point}"}, {}),
                "a disk twice in a recovery point",
            ),
            (
                *("image_committed_has_point", {"state": "'committed'"}, {}),
                "a committed image in no recovery point",
            ),
            (
                "image_in_a_point_is_not_written",
                {"recovery_point_id": "{d_done_point}", "state": "'writing'"},
                {"state": "'writing'"},
                "an image of a recovery point is still written",
            ),
            (
                "image_locator_once",
                {"locator": "(SELECT locator FROM disk_images WHERE id = {d_done_image2})"},
                {},
                "two images in the same file",
            ),
        )
    ),
    *(
        Attack(
            name, tuple(rules.split()), (update(IMAGES, bad, key),), (update(IMAGES, good, key),)
        )
        for key, rules, bad, good, name in (
            (
                *(_CHILD, "image_agrees_with_its_point", "job_id = {a_old}", "job_id = {a_done}"),
                "an image by another job than its recovery point's",
            ),
            (
                *(_IMAGE1, "image_agrees_with_its_point"),
                *("repository_id = {r2}", "repository_id = {r1}"),
                "an image in another repository than its recovery point",
            ),
            (
                *(_CHILD, "image_parent_is_of_the_same_disk"),
                *("parent_id = {a_old_image2}", "parent_id = {a_old_image1}"),
                "an image upon another disk's",
            ),
            (
                *(_CHILD, "image_parent_is_of_the_same_disk"),
                *("parent_id = {d_done_image1}", "parent_id = NULL"),
                "an image upon another VM's",
            ),
            (
                *(_CHILD, "image_parent_is_of_the_same_disk disk_images.parent_id"),
                *("parent_id = 999999", "parent_id = {a_old_image1}"),
                "an image upon one that does not exist",
            ),
            (
                *(_CHILD, "image_initial_is_a_root", "sync_type = 'initial'"),
                *("sync_type = 'initial', parent_id = NULL", "an initial image upon another"),
            ),
            (
                *(_CHILD, "image_incremental_has_change_ids"),
                *("previous_change_id = NULL", "previous_change_id = 'x/1'"),
                "an incremental image since nothing",
            ),
            (
                *(_IMAGE2, "image_position_once_per_point", "position = 1", "position = 2"),
                "two images are one number",
            ),
            (
                *(_IMAGE2, "image_of_a_point_has_its_number", "position = 3", "position = 2"),
                "an image beyond the number of disks",
            ),
            (
                *(_IMAGE2, "image_of_a_point_has_its_number", "position = NULL", "position = 2"),
                "an image of a recovery point without a number",
            ),
            (
                *(_IMAGE2, "image_of_a_point_has_its_number", "of_disks = NULL", "of_disks = 2"),
                "an image of a recovery point of nobody knows how many",
            ),
            (
                *(_WRITING, "image_sizes_possible", "transferred_bytes = planned_bytes + 1"),
                *("transferred_bytes = planned_bytes", "an image got more than was planned"),
            ),
            (
                *(_WRITING, "image_figures_possible image_sizes_possible"),
                *("checkpoint_bytes = capacity_bytes + 1", "checkpoint_bytes = capacity_bytes"),
                "a checkpoint beyond the disk",
            ),
            (
                *(_WRITING, "image_figures_possible", "planned_bytes = capacity_bytes + 1"),
                *("planned_bytes = capacity_bytes", "a plan beyond the disk"),
            ),
            (
                *(_WRITING, "image_figures_possible", "allocated_bytes = -1"),
                *("allocated_bytes = 0", "a file of less than nothing"),
            ),
            (
                *(_WRITING, "image_figures_possible", "attempt = 0", "attempt = 2"),
                "an image of attempt zero",
            ),
            (
                *(_WRITING, "image_figures_possible", "locator = ''", "locator = 'x'"),
                "an image in no file",
            ),
            (
                *(_WRITING, "image_sizes_possible", "checkpoint_bytes = -1"),
                *("checkpoint_bytes = 0", "a checkpoint before the disk"),
            ),
            (
                *(_IMAGE1, "image_committed_is_whole", "transferred_bytes = planned_bytes - 1"),
                *("transferred_bytes = planned_bytes", "a committed image with a gap"),
            ),
            (
                *(_WRITING, "image_state_known", "state = 'odd'", "state = 'deleting'"),
                "an image's state that nobody knows",
            ),
            (
                *(_IMAGE1, "image_sync_type_known", "sync_type = 'odd'", "sync_type = 'checksum'"),
                "an image's sync type that nobody knows",
            ),
        )
    ),
]

_DISK = "id = {d_disk1}"
_NIC = "vm_context_id = {c}"
_DISCOVERED = "vm_name = 'a'"
_RUNNING_DISCOVERY, _FAILED_DISCOVERY = "status = 'running'", "status = 'failed'"
_VCENTER, _REPOSITORY = "id = {vcenter}", "id = {r1}"
INVENTORY = [
    *(
        _change(table, key, rule, bad, good, name)
        for table, key, rule, bad, good, name in (
            (
                *("vm_disks", _DISK, "disk_capacity_possible"),
                *("capacity_bytes = 0", "capacity_bytes = NULL", "a disk of no size"),
            ),
            (
                *("vm_disks", _DISK, "disk_id_is_its_key", "device_key = 2999"),
                *("device_key = 2999, disk_id = 'disk-2999'", "a disk under another key"),
            ),
            (
                *("vm_network_adapters", _NIC, "adapter_id_is_its_key", "device_key = 4999"),
                *("device_key = 4999, adapter_id = 'nic-4999'", "an adapter under another key"),
            ),
            (
                *("discovered_vms", _DISCOVERED, "discovered_vm_identity_or_reason"),
                *("vmware_vm_id = NULL", "vmware_vm_id = NULL, identity_problem = 'x'"),
                "a discovered VM without identity and reason",
            ),
            (
                *("discovered_vms", _DISCOVERED, "discovered_vm_specs_possible"),
                *("memory_mb = -1", "memory_mb = NULL", "a discovered VM of negative memory"),
            ),
            (
                *("discoveries", _FAILED_DISCOVERY, "discovery_status_known"),
                *("status = 'odd'", "status = 'completed'"),
                "a discovery's status that nobody knows",
            ),
            (
                *("discoveries", _FAILED_DISCOVERY, "discovery_ended_has_its_time"),
                *("completed_at = NULL", f"completed_at = {NOW}", "a discovery ended at no time"),
            ),
            (
                *("discoveries", _FAILED_DISCOVERY, "discovery_failed_says_why"),
                *("error_message = ''", "error_message = 'x'", "a discovery failed for no reason"),
            ),
            (
                *("vcenters", _VCENTER, "vcenter_port_possible"),
                *("port = 65536", "port = 65535", "a port that does not exist"),
            ),
            (
                *("vcenters", _VCENTER, "vcenter_trust_mode_known"),
                *("trust_mode = 'blind'", "trust_mode = 'insecure'"),
                "a trust mode that nobody knows",
            ),
            (
                *("vcenters", _VCENTER, "vcenter_transport_known"),
                *("transport = 'pigeon'", "transport = 'vddk'", "a transport that nobody knows"),
            ),
            (
                *("vcenters", _VCENTER, "vcenter_pin_has_fingerprint", "trust_mode = 'pin'"),
                "trust_mode = 'pin', fingerprint_sha256 = 'AA'",
                "a pin without a fingerprint",
            ),
            (
                *("vcenters", _VCENTER, "vcenter_is_named"),
                *("host = ''", "host = 'x'", "a vCenter without an address"),
            ),
            (
                *("repositories", _REPOSITORY, "repository_kind_known"),
                *("kind = 'cloud'", "kind = 'directory'", "a repository's kind that nobody knows"),
            ),
            (
                *("repositories", _REPOSITORY, "repository_is_named"),
                *("name = ''", "name = 'x'", "a repository without a name"),
            ),
        )
    ),
    *(
        _insert(table, key, rule, bad, good, name)
        for table, key, rule, bad, good, name in (
            (
                *("vm_disks", _DISK, "disk_key_once_per_context", {}, {"removed_at": NOW}),
                "a disk twice",
            ),
            (
                *("vm_network_adapters", _NIC, "adapter_key_once_per_context"),
                *({}, {"removed_at": NOW}, "an adapter twice"),
            ),
            (
                *("discovered_vms", _DISCOVERED, "discovered_vm_identity_once"),
                *({"moref": "'vm-new'"}, {"moref": "'vm-new'", "vmware_vm_id": "'new'"}),
                "a discovered VM twice",
            ),
            (
                *("discovered_vms", _DISCOVERED, "discovered_vm_moref_once"),
                *({"vmware_vm_id": "'new'"}, {"moref": "'vm-new'", "vmware_vm_id": "'new'"}),
                "two discovered VMs under one reference",
            ),
            (
                *("discoveries", _RUNNING_DISCOVERY, "discovery_one_active_per_vcenter"),
                *({}, {"status": "'completed'", "completed_at": NOW}),
                "two discoveries of a vCenter at once",
            ),
            (
                *("vcenters", _VCENTER, "vcenter_address_once", {"name": "'new'"}),
                *({"name": "'new'", "port": "444"}, "two vCenters at one address"),
            ),
        )
    ),
]

TYPES = [
    Attack(name, (rule, A_TYPE), (update(table, bad, key),), (update(table, good, key),))
    for table, key, rule, bad, good, name in (
        (
            *(CONTEXTS, _D, "context_column_types", "failed_jobs = 'many'", "failed_jobs = 0"),
            "a counter that is no number",
        ),
        (
            *(JOBS, "id = {a_failed}", "job_column_types", "attempt = 'first'", "attempt = 1"),
            "a job's attempt that is no number",
        ),
        (
            *(JOBS, "id = {a_failed}", "job_column_types"),
            *(f"requested_by = '{'x' * 151}'", f"requested_by = '{'x' * 150}'"),
            "a text that is longer than its column",
        ),
        (
            *("job_steps", _STEP, "step_column_types"),
            *("started_at = 'yesterday'", f"started_at = {NOW}", "a step's time that is none"),
        ),
        (
            *("cbt_history", _CBT, "cbt_column_types"),
            *("sync_success = 'mostly'", "sync_success = true", "neither success nor failure"),
        ),
        (
            *("context_leases", _LEASE, "lease_column_types"),
            *("expires_at = 'never'", f"expires_at = {NOW}", "a lease's time that is none"),
        ),
        (
            *("context_events", _EVENT, "event_column_types"),
            *("created_at = 'once'", f"created_at = {NOW}", "an event's time that is none"),
        ),
        (
            *("vm_snapshots", _SNAPSHOT, "snapshot_column_types"),
            *("quiesced = 'maybe'", "quiesced = NULL", "a snapshot that may be at rest"),
        ),
        (
            *(POINTS, "id = {d_done_point}", "point_column_types"),
            *("quiesced = '2'", "quiesced = '1'", "a recovery point twice at rest"),
        ),
        (
            *(IMAGES, _WRITING, "image_column_types"),
            *("allocated_bytes = 'much'", "allocated_bytes = 1", "a file's size that is no number"),
        ),
        (
            *("recovery_point_holds", "kind = 'pin'", "hold_column_types"),
            *("expires_at = 'never'", "expires_at = NULL", "a hold's time that is none"),
        ),
        (
            *("vm_disks", _DISK, "disk_column_types"),
            *("capacity_bytes = 'big'", "capacity_bytes = 1", "a disk's size that is no number"),
        ),
        (
            *("vm_network_adapters", _NIC, "adapter_column_types"),
            *("connected = 'perhaps'", "connected = NULL", "an adapter that may be connected"),
        ),
        (
            *("discovered_vms", _DISCOVERED, "discovered_vm_column_types"),
            *("seen_at = 'lately'", f"seen_at = {NOW}", "a discovered VM's time that is none"),
        ),
        (
            *("discoveries", _FAILED_DISCOVERY, "discovery_column_types"),
            *("vms_seen = 'all'", "vms_seen = 1", "a discovery's count that is no number"),
        ),
        (
            *("vcenters", _VCENTER, "vcenter_column_types"),
            *("created_at = 'ever'", f"created_at = {NOW}", "a vCenter's time that is none"),
        ),
        (
            *("repositories", _REPOSITORY, "repository_column_types"),
            *("uuid = 'x'", "uuid = '00000000000000000000000000000001'"),
            "a repository's UUID that is none",
        ),
    )
]

ATTACKS: list[Attack] = [
    *ORPHANS,
    *ACTIVE,
    *CURRENT,
    *LAST_SUCCESSFUL,
    *CONTEXT,
    *JOB,
    *STEP,
    *CBT,
    *AROUND,
    *POINT,
    *IMAGE,
    *INVENTORY,
    *TYPES,
]
