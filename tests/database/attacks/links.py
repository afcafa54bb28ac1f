"""Jobs and their contexts: orphans, active, current and last successful jobs."""

from __future__ import annotations

from tests.database.attacks.attack import (
    CONTEXTS,
    JOBS,
    NEW,
    NOW,
    Attack,
    insert,
)
from tests.database.sql import copy, delete, update

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
    delete(table, "vm_context_id = {e}") for table in ("vm_disks", "vm_network_adapters")
)
DELETE_JOB_OF_E = (
    delete("job_log_lines", "job_id = {e_cancelled}"),
    delete(JOBS, "id = {e_cancelled}"),
)
WHATEVER = update(JOBS, "current_operation = 'x'", "id = {d_done}")

ORPHANS = [
    insert(
        JOBS,
        "id = {a_failed}",
        "replication_jobs.vm_context_id job_belongs_to_a_context",
        {"id": NEW, "vm_context_id": "NULL"},
        {"id": NEW},
        "a job without a context",
    ),
    insert(
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
            update("context_events", "job_id = NULL", "job_id = {e_cancelled}"),
            update(JOBS, "vm_context_id = 'ctx-none'", "id = {e_cancelled}"),
        ),
        (
            update("context_events", "job_id = NULL", "job_id = {e_cancelled}"),
            update(JOBS, "vm_context_id = {c}", "id = {e_cancelled}"),
        ),
    ),
    Attack(
        "a context is deleted under its job",
        ("replication_jobs.vm_context_id", "job_belongs_to_a_context"),
        (*CLEAR_E, delete(CONTEXTS, "context_id = {e}")),
        (*CLEAR_E, *DELETE_JOB_OF_E, delete(CONTEXTS, "context_id = {e}")),
    ),
    Attack(
        "a context gets another key under its job",
        (
            *("replication_jobs.vm_context_id", "job_belongs_to_a_context"),
            *("context_events.vm_context_id", "context_event_heads.vm_context_id"),
        ),
        (*CLEAR_E, update(CONTEXTS, "context_id = 'ctx-new'", "context_id = {e}")),
        (*CLEAR_E, update(CONTEXTS, "context_id = {e}", "context_id = {e}")),
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
        (
            update(
                JOBS,
                "status = 'pending', completed_at = NULL, error_code = NULL",
                "id = {a_failed}",
            ),
        ),
        (REVIVE_E, CURRENT_E),
    ),
    Attack(
        "an active job that is not the current one",
        ("job_active_is_current",),
        (copy(JOBS, "id = {b_pending}", id=NEW, vm_context_id="{c}"),),
        ACTIVE_JOB_OF_C,
    ),
    Attack(
        "a context drops its active job",
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
            update("context_events", "job_id = NULL", "job_id = {b_pending}"),
            delete(JOBS, "id = {b_pending}"),
        ),
        (
            update("context_events", "job_id = NULL", "job_id = {b_pending}"),
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
