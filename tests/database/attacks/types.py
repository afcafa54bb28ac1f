"""Values that are not of their column's type."""

from __future__ import annotations

from tests.database.attacks.attack import (
    CONTEXTS,
    IMAGES,
    JOBS,
    NOW,
    POINTS,
    Attack,
)
from tests.database.attacks.rows import (
    CBT_ROW,
    DISCOVERED_ROW,
    DISK_ROW,
    FAILED_DISCOVERY,
    LEASE_ROW,
    NIC_ROW,
    REPOSITORY_ROW,
    SNAPSHOT_ROW,
    STEP_ROW,
    VCENTER_ROW,
    VM_D,
    WRITING_IMAGE,
)
from tests.database.scratch import A_TYPE
from tests.database.sql import update

TYPES = [
    Attack(name, (rule, A_TYPE), (update(table, bad, key),), (update(table, good, key),))
    for table, key, rule, bad, good, name in (
        (
            *(CONTEXTS, VM_D, "context_column_types", "failed_jobs = 'many'", "failed_jobs = 0"),
            "a counter that is not a number",
        ),
        (
            *(CONTEXTS, VM_D, "context_column_types", "disk_count = 'many'", "disk_count = 1"),
            "a number of disks that is not a number",
        ),
        (
            *(CONTEXTS, VM_D, "context_column_types"),
            *("capacity_bytes = 'big'", "capacity_bytes = 1", "a VM whose size is not a number"),
        ),
        (
            *(CONTEXTS, VM_D, "context_column_types"),
            *("newest_recovery_point_at = 'lately'", f"newest_recovery_point_at = {NOW}"),
            "a newest recovery point with an invalid time",
        ),
        (
            *(CONTEXTS, VM_D, "context_column_types"),
            *("last_job_failed = 'partly'", "last_job_failed = true"),
            "a last job that neither failed nor not",
        ),
        (
            *(JOBS, "id = {a_failed}", "job_column_types", "attempt = 'first'", "attempt = 1"),
            "a job whose attempt is not a number",
        ),
        (
            *(JOBS, "id = {a_failed}", "job_column_types"),
            *(f"requested_by = '{'x' * 151}'", f"requested_by = '{'x' * 150}'"),
            "a text that is longer than its column",
        ),
        (
            *("job_steps", STEP_ROW, "step_column_types"),
            *("started_at = 'some day'", f"started_at = {NOW}", "a step with an invalid time"),
        ),
        (
            *("cbt_history", CBT_ROW, "cbt_column_types"),
            *("sync_success = 'mostly'", "sync_success = true", "neither success nor failure"),
        ),
        (
            *("context_leases", LEASE_ROW, "lease_column_types"),
            *("expires_at = 'never'", f"expires_at = {NOW}", "a lease with an invalid time"),
        ),
        (
            *("vm_snapshots", SNAPSHOT_ROW, "snapshot_column_types"),
            *("quiesced = 'maybe'", "quiesced = NULL", "a snapshot that is maybe quiesced"),
        ),
        (
            *(POINTS, "id = {d_done_point}", "point_column_types"),
            *("quiesced = '2'", "quiesced = '1'", "a recovery point that is quiesced twice"),
        ),
        (
            *(IMAGES, WRITING_IMAGE, "image_column_types"),
            *(
                "allocated_bytes = 'much'",
                "allocated_bytes = 1",
                "a file whose size is not a number",
            ),
        ),
        (
            *("recovery_point_snapshots", "is_current", "point_snapshot_column_types"),
            *("taken_at = 'once'", "taken_at = NULL", "a VM's snapshot of no time"),
        ),
        (
            *("recovery_point_holds", "kind = 'pin'", "hold_column_types"),
            *("expires_at = 'never'", "expires_at = NULL", "a hold with an invalid time"),
        ),
        (
            *("vm_disks", DISK_ROW, "disk_column_types"),
            *("capacity_bytes = 'big'", "capacity_bytes = 1", "a disk whose size is not a number"),
        ),
        (
            *("vm_network_adapters", NIC_ROW, "adapter_column_types"),
            *("connected = 'perhaps'", "connected = NULL", "an adapter that may be connected"),
        ),
        (
            *("discovered_vms", DISCOVERED_ROW, "discovered_vm_column_types"),
            *("seen_at = 'lately'", f"seen_at = {NOW}", "a discovered VM with an invalid time"),
        ),
        (
            *("discoveries", FAILED_DISCOVERY, "discovery_column_types"),
            *("vms_seen = 'all'", "vms_seen = 1", "a discovery whose count is not a number"),
        ),
        (
            *("vcenters", VCENTER_ROW, "vcenter_column_types"),
            *("created_at = 'ever'", f"created_at = {NOW}", "a vCenter with an invalid time"),
        ),
        (
            *("repositories", REPOSITORY_ROW, "repository_column_types"),
            *("uuid = 'x'", "uuid = '00000000000000000000000000000001'"),
            "a repository with an invalid UUID",
        ),
    )
]
