"""What a context says of itself."""

from __future__ import annotations

from tests.database.attacks.attack import (
    CONTEXTS,
    Attack,
    change,
    insert,
)
from tests.database.attacks.rows import (
    VM_A,
    VM_C,
    VM_D,
)
from tests.database.sql import update

CONTEXT = [
    change(
        *(CONTEXTS, VM_D, "context_counters_add_up"),
        "total_jobs_run = total_jobs_run + 1",
        "total_jobs_run = total_jobs_run + 1, failed_jobs = failed_jobs + 1",
        "a job is counted only in the total",
    ),
    change(
        *(CONTEXTS, VM_A, "context_counters_add_up"),
        "failed_jobs = failed_jobs + 1",
        "failed_jobs = failed_jobs + 1, total_jobs_run = total_jobs_run + 1",
        "a failed job is counted, but not in the total",
    ),
    *(
        change(
            *(CONTEXTS, VM_A, f"{CONTEXTS}.{column}"),
            f"{column} = -1, total_jobs_run = total_jobs_run - {column} - 1",
            f"{column} = 1, total_jobs_run = total_jobs_run - {column} + 1",
            f"{column} is negative",
        )
        for column in ("failed_jobs", "cancelled_jobs")
    ),
    change(
        *(CONTEXTS, VM_D, "context_last_success_is_counted"),
        "successful_jobs = 0, failed_jobs = 1",
        "successful_jobs = 1, failed_jobs = 0",
        "a last successful job without a success",
    ),
    change(
        *(CONTEXTS, VM_A, f"{CONTEXTS}.disk_count"),
        "disk_count = -1, capacity_bytes = NULL",
        "disk_count = 1, capacity_bytes = NULL",
        "a VM with a negative number of disks",
    ),
    change(
        *(CONTEXTS, VM_A, "context_capacity_possible"),
        "capacity_bytes = -1",
        "capacity_bytes = 1",
        "a VM whose disks have a negative size",
    ),
    change(
        *(CONTEXTS, VM_A, "context_capacity_possible"),
        "disk_count = 0, capacity_bytes = 1",
        "disk_count = 0, capacity_bytes = NULL",
        "a VM without disks that has a size",
    ),
    change(
        *(CONTEXTS, VM_C, "context_transport_known"),
        *("transport = 'auto'", "transport = 'nfc'", "a VM read by no one transport"),
    ),
    change(
        *(CONTEXTS, VM_C, "context_status_known"),
        "current_status = 'excellent'",
        "current_status = 'failed'",
        "a context with an unknown status",
    ),
    change(
        *(CONTEXTS, VM_C, "context_replicating_has_a_job"),
        "current_status = 'replicating'",
        "current_status = 'discovered'",
        "a context is replicating without a job",
    ),
    change(
        *(CONTEXTS, VM_A, "context_replicating_has_a_job"),
        "current_status = 'failed'",
        "current_status = 'replicating'",
        "a context with an active job is not replicating",
    ),
    change(
        *(CONTEXTS, VM_C, "context_ready_has_had_a_success"),
        "current_status = 'ready_for_failover'",
        "current_status = 'failed'",
        "a context that never succeeded is ready for failover",
    ),
    change(
        *(CONTEXTS, VM_C, "context_has_identity"),
        "vmware_vm_id = ''",
        "vmware_vm_id = 'another'",
        "a context without an instance UUID",
    ),
    insert(
        *(CONTEXTS, VM_C, "context_has_identity"),
        {"context_id": "''", "vmware_vm_id": "'another'"},
        {"context_id": "'ctx-new'", "vmware_vm_id": "'another'"},
        "a context with an empty key",
    ),
    insert(
        *(CONTEXTS, VM_C, "context_identity_once"),
        {"context_id": "'ctx-new'"},
        {"context_id": "'ctx-new'", "vmware_vm_id": "'another'"},
        "a second context of a VM",
    ),
    change(
        *(CONTEXTS, VM_C, "context_specs_possible"),
        "cpu_count = -1",
        "cpu_count = NULL",
        "a VM with a negative number of CPUs",
    ),
    change(
        *(CONTEXTS, VM_C, "context_rpo_target_possible"),
        "rpo_target_seconds = 0",
        "rpo_target_seconds = 1",
        "a target that no recovery point meets",
    ),
    change(
        *(CONTEXTS, VM_C, "context_rpo_target_possible"),
        "rpo_target_seconds = 99999999",
        "rpo_target_seconds = 31622400",
        "a target of three years",
    ),
    change(
        *(CONTEXTS, VM_C, f"{CONTEXTS}.vcenter_id"),
        "vcenter_id = 999999",
        "vcenter_id = {vcenter}",
        "a context of a vCenter that does not exist",
    ),
    Attack(
        "a context in a repository that does not exist",
        (f"{CONTEXTS}.repository_id", "context_repository_is_there"),
        (update(CONTEXTS, "repository_id = 999999", VM_C),),
        (update(CONTEXTS, "repository_id = {r2}", VM_C),),
    ),
]
