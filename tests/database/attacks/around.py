"""Leases, events, snapshots and holds."""

from __future__ import annotations

from tests.database.attacks.attack import (
    NOW,
    change,
    insert,
)
from tests.database.attacks.rows import (
    LEASE_ROW,
    SNAPSHOT_ROW,
)

POINT_OF_SNAPSHOT = "recovery_point_snapshots.recovery_point_id"
AROUND = [
    *(
        change(table, key, rule, bad, good, name)
        for table, key, rule, bad, good, name in (
            (
                *("context_leases", LEASE_ROW, "lease_job_is_of_its_context"),
                *("job_id = {b_pending}", "job_id = {a_running}", "a lease for another VM's job"),
            ),
            (
                *("context_leases", LEASE_ROW, "lease_holder_kind_known"),
                *("holder_kind = 'odd'", "holder_kind = 'retention'"),
                "a lease with an unknown kind of holder",
            ),
            (
                *("context_leases", LEASE_ROW, "lease_of_a_job_names_it", "job_id = NULL"),
                *("job_id = NULL, holder_kind = 'deletion'", "a job's lease that names no job"),
            ),
            (
                *("context_leases", LEASE_ROW, "lease_has_a_holder"),
                *("holder = ''", "holder = 'x'", "a lease that nobody holds"),
            ),
            (
                *("vm_snapshots", SNAPSHOT_ROW, "snapshot_job_is_of_its_context"),
                *("job_id = {b_pending}", "job_id = {a_done}", "a snapshot for another VM's job"),
            ),
            (
                *("vm_snapshots", SNAPSHOT_ROW, "snapshot_state_known"),
                *("state = 'odd'", "state = 'intended'", "a snapshot with an unknown state"),
            ),
            (
                *("vm_snapshots", SNAPSHOT_ROW, "snapshot_created_has_reference"),
                *("moref = ''", "moref = 'x'", "a snapshot that was made but has no reference"),
            ),
            (
                *("vm_snapshots", SNAPSHOT_ROW, "snapshot_removed_has_its_time"),
                *("state = 'removed'", f"state = 'removed', removed_at = {NOW}"),
                "a snapshot removed without a time",
            ),
            (
                *("vm_snapshots", SNAPSHOT_ROW, "snapshot_is_named"),
                *("name = ''", "name = 'x'", "a snapshot without a name"),
            ),
            (
                *("recovery_point_snapshots", "is_current", POINT_OF_SNAPSHOT),
                *("recovery_point_id = 999999", "recovery_point_id = {d_done_point}"),
                "a VM's snapshot at a recovery point that does not exist",
            ),
            (
                *("recovery_point_holds", "kind = 'pin'", "hold_kind_known"),
                *("kind = 'odd'", "kind = 'verify'", "a hold with an unknown kind"),
            ),
            (
                *("recovery_point_holds", "kind = 'pin'", "hold_has_an_owner"),
                *("owner = ''", "owner = 'x'", "a hold without an owner"),
            ),
            (
                *("recovery_point_holds", "kind = 'pin'", "recovery_point_holds.recovery_point_id"),
                *("recovery_point_id = 999999", "recovery_point_id = {d_done_point}"),
                "a hold of a recovery point that does not exist",
            ),
        )
    ),
    insert(
        *("context_leases", LEASE_ROW, "context_leases.vm_context_id"),
        {"token": "'00000000000000000000000000000001'"},
        {
            "token": "'00000000000000000000000000000001'",
            **{"vm_context_id": "{c}", "job_id": "NULL", "holder_kind": "'clean_up'"},
        },
        "a second lease of a context",
    ),
    insert(
        *("vm_snapshots", SNAPSHOT_ROW, "vm_snapshots.name"),
        *({}, {"name": "'vmrep:x:1'"}, "two snapshots of the same name"),
    ),
]
