"""What the files of lists have in each column: figures and times as they are stored, so that a
spreadsheet can calculate with them; states in the words of the pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django_tables2.utils import Accessor

from replication.models import Repository
from replication.policies import telling
from replication.policies.effective import place_of
from replication.policies.values import GROUPS, says
from replication.retention.verdicts import Verdict
from replication.selectors import pauses
from replication.selectors.schedules import next_run
from replication.storage import looks
from replication.storage.looks import StorageState
from vmrep.accounts.users import role_of
from vmrep.web.bulk_forms import title
from vmrep.web.looks import LOOKS
from vmrep.web.tables import (
    AuditTable,
    BulkActionTable,
    BulkItemTable,
    Column,
    DiscoveredVMTable,
    EventTable,
    JobTable,
    OccurrenceTable,
    RemovedVMTable,
    Table,
    VMTable,
)
from vmrep.web.templatetags.groups import run_words
from vmrep.web.templatetags.vmrep import status_word, total_capacity

Cell = Callable[[Any], object]
Cells = dict[str, Cell]
"""By heading, what a row has there."""


def at(path: str) -> Cell:
    """The value of a field, also of a related row: `vm_context__vcenter__name`."""
    accessor = Accessor(path)
    return lambda row: accessor.resolve(row, quiet=True)


def _word(kind: str, field: str) -> Cell:
    """The page's word for a state."""
    return lambda row: LOOKS[kind][str(getattr(row, field))].word if getattr(row, field) else ""


def _status(field: str) -> Cell:
    """What an event was before or after."""
    return lambda event: status_word(getattr(event, field))


def _taking(vm: Any) -> str:
    """What keeps a discovered VM from being protected."""
    if vm.gone_at:
        return "Disappeared"
    if vm.managed_context_id and not vm.probable_context_id:
        return "Managed"
    if vm.identity_problem:
        return f"Cannot be taken: {vm.identity_problem}"
    if vm.probable_context_id:
        return "Identity changed"
    if vm.refusals:
        why = "; ".join(each.get("summary") or each["reason"] for each in vm.refusals)
        return f"Would be refused: {why}"
    return "Can be taken"


def _next_run(vm: Any) -> Any:
    due = next_run(vm)
    return due.due_at if due else None


def _took(job: Any) -> int | None:
    if job.started_at is None or job.completed_at is None:
        return None
    return round((job.completed_at - job.started_at).total_seconds())


_KEY = {"ID": at("pk")}
_OF_VM = {"VM": at("vm_context__vm_name"), "Context ID": at("vm_context_id")}

COLUMNS: dict[type[Table], dict[str, Cells]] = {
    VMTable: {
        "select": {"Context ID": at("pk")},
        "name": {"VM": at("vm_name"), "Path": at("vm_path")},
        "status": {"Status": _word("context", "current_status")},
        "rpo": {
            "Protection": _word("protection", "protection"),
            "Newest recovery point": at("newest_point_at"),
            "RPO target (s)": at("target_seconds"),
        },
        "last_job": {
            "Last job": _word("job", "newest_job_status"),
            "Last job ended": at("newest_job_completed_at"),
            "Last job copied (bytes)": at("newest_job_bytes"),
            "Last job failed because": at("newest_job_error"),
        },
        "next_run": {
            "Next run": _next_run,
            "Paused": at("is_paused"),
            "Passed over because": at("schedule__held_up"),
            "Over target expected at": at("schedule__breach_expected_at"),
        },
        "size": {"Size (bytes)": at("capacity_bytes")},
    },
    RemovedVMTable: {
        "name": {"Context ID": at("pk"), "VM": at("vm_name")},
        "stored": {"Kept on disk (bytes)": at("stored_bytes")},
    },
    DiscoveredVMTable: {
        "select": {"Reference": at("moref"), "Instance UUID": at("vmware_vm_id")},
        "name": {"VM": at("vm_name"), "Path": at("vm_path")},
        "protection": {"Protection": _taking, "Context ID": at("managed_context_id")},
        "memory": {"Memory (MiB)": at("memory_mb")},
        "disks": {
            "Disks": lambda vm: len(vm.disks),
            "Size (bytes)": lambda vm: total_capacity(vm.disks),
        },
    },
    JobTable: {
        "vm": {"Job": at("pk"), "VM": at("source_vm_name"), "Context ID": at("vm_context_id")},
        "status": {"Status": _word("job", "status"), "With warnings": at("has_warnings")},
        "progress": {
            "Copied (bytes)": at("bytes_transferred"),
            "Of (bytes)": at("total_bytes"),
            "Error": at("error_message"),
        },
        "took": {"Began": at("started_at"), "Ended": at("completed_at"), "Took (s)": _took},
    },
    BulkActionTable: {
        "what": _KEY | {"What": title},
        "state": {"State": _word("bulk", "state")},
        "progress": {
            "VMs": at("total"),
            "Done": at("done"),
            "Refused": at("refused"),
        },
        "asked_by": {"By": at("asked_by")},
        "when": {"Asked for": at("created_at"), "Ended": at("ended_at")},
    },
    BulkItemTable: {
        "vm": _OF_VM,
        "state": {"State": _word("bulk_item", "state")},
        "why": {"Reason": at("why")},
    },
    EventTable: {
        "when": _KEY | {"When": at("created_at")},
        "vm": _OF_VM,
        "why": {"What happened": at("reason")},
        "change": {"Before": _status("old"), "After": _status("new")},
        "actor": {"By": at("actor"), "Job": at("job_id")},
    },
    AuditTable: {
        "when": {"Number": at("number"), "Time": at("at")},
        "who": {
            "By": at("actor"),
            "User ID": at("user_id"),
            "Via": at("get_via_display"),
            "Address": at("address"),
            "Request ID": at("request_id"),
        },
        "what": {
            "Act": at("verb_label"),
            "Kind": at("kind_label"),
            "Object": at("object_name"),
            "Object ID": at("object_id"),
            "Context ID": at("vm_context_id"),
            "Job": at("job_id"),
        },
        "values": {"Before": at("old"), "After": at("new")},
        "outcome": {"Outcome": at("get_outcome_display"), "Digest": at("digest")},
    },
    OccurrenceTable: {
        "when": _KEY | {"When": at("created_at")},
        "kind": {"Kind": at("get_kind_display")},
        "what": _OF_VM | {"What happened": at("what"), "Job": at("job_id")},
    },
}


def of_columns(columns: Iterable[tuple[str, Column]], table: type[Table]) -> Cells:
    """The cells of the table's shown columns; of one that needs no words of its own, its value."""
    cells: Cells = {}
    for name, column in columns:
        plain = {str(column.verbose_name): at(str(column.accessor))}
        cells |= COLUMNS[table].get(name, plain)
    return cells


# ------------------------------------------------------------------ lists without sorted columns

VCENTERS: Cells = {
    **_KEY,
    "Name": at("name"),
    "Product": at("product"),
    "Address": lambda row: f"{row.host}:{row.port}",
    "User name": at("username"),
    "Certificate": at("get_trust_mode_display"),
    "Transport": at("get_transport_display"),
    "VMs": at("vm_count"),
    "Managed": at("context_count"),
    "Last discovery": at("discovery_completed_at"),
    "State of the discovery": _word("discovery", "discovery_status"),
    "Error of the discovery": at("discovery_error"),
    "Login refused": at("login_refused_at"),
}

POLICIES: Cells = {
    **_KEY,
    "Name": at("name"),
    "Applies to": lambda policy: "; ".join(place_of(scope) for scope in policy.scopes.all()),
    "Replicated": lambda policy: _said(policy, "when"),
    "Kept": lambda policy: _said(policy, "retention"),
    "VMs": at("vm_count"),
}

USERS: Cells = {
    **_KEY,
    "Name": at("username"),
    "Role": lambda user: role_of(user) or "",
    "Superuser": at("is_superuser"),
    "May log in": at("is_active"),
    "Sees": lambda user: "; ".join(
        f"{scope.vcenter_name}{scope.folder}" for scope in user.scopes.all()
    ),
    "Last login": at("last_login"),
}

GROUPS_OF_VMS: Cells = {
    "ID": at("group__pk"),
    "Name": at("group__name"),
    "Worst VM": lambda shown: LOOKS["protection"][shown.worst].word if shown.worst else "",
    "Last run": at("last_run__run__created_at"),
    "Outcome of the last run": lambda shown: run_words(shown.last_run) if shown.last_run else "",
    "VMs": lambda shown: "; ".join(each.vm.vm_name or each.vm.pk for each in shown.members),
}

FINDINGS: Cells = {
    **_KEY,
    "Severity": at("get_severity_display"),
    "Code": at("code"),
    "VM": at("vm_name"),
    "Context ID": at("context_id"),
    "Job": at("job_id"),
    "What": at("what"),
    "Remedy": at("remedy"),
    "Repaired": at("repaired"),
}

INCIDENTS: Cells = {
    **_KEY,
    "Kind": at("get_kind_display"),
    "What": at("what"),
    "Began": at("began_at"),
    "Ended": at("ended_at"),
}

BREACHES: Cells = {
    "VM": at("vm_name"),
    "Context ID": at("context_id"),
    "Was": _word("protection", "state"),
    "From": at("began_at"),
    "Until": at("ended_at"),
    "On this day (s)": lambda breach: round(breach.seconds),
    "Oldest point (s)": lambda breach: _rounded(breach.worst_age_seconds),
    "Foretold before (s)": lambda breach: _rounded(breach.warned_seconds),
}

PAUSES: Cells = {
    **_KEY,
    "Paused": pauses.subject,
    "Context ID": at("vm_context_id"),
    "Until": at("until"),
    "Reason": at("reason"),
    "By": at("paused_by"),
    "Since": at("created_at"),
}

LIMITS: Cells = {
    "Kind": at("kind__label"),
    "Which": at("name"),
    "Limit": at("limit"),
    "Set": at("is_own"),
    "In use": at("in_use"),
    "Jobs waiting": at("waiting"),
}

DELIVERIES: Cells = {
    **_KEY,
    "Purpose": at("get_purpose_display"),
    "What": at("occurrence__what"),
    "VM": at("occurrence__vm_context__vm_name"),
    "State": _word("delivery", "state"),
    "Channel": at("channel__name"),
    "Attempts": at("attempts"),
    "Created": at("created_at"),
    "Sent": at("sent_at"),
    "What the other side said": at("answer"),
}


def _rounded(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


def _said(policy: Any, group: str) -> str:
    """What a policy says of a group of values; empty: it leaves them open."""
    values = {column: getattr(policy, column) for column in GROUPS[group]}
    return telling.group(group, values) if says(group, values) else ""


def repositories(rows: list[Repository]) -> Cells:
    """Of these, with what their folders look like now."""
    seen: dict[int, StorageState] = dict(
        zip([row.pk for row in rows], looks.look_at_all(rows), strict=True)
    )

    def of_folder(read: Callable[[StorageState], object]) -> Cell:
        return lambda row: read(seen[row.pk])

    return {
        **_KEY,
        "Name": at("name"),
        "Folder": lambda row: row.config.get("path"),
        "Problem": of_folder(lambda look: look.problem),
        "Free (bytes)": of_folder(lambda look: look.room and look.room.free_bytes),
        "Size (bytes)": of_folder(lambda look: look.room and look.room.total_bytes),
        "Stored (bytes)": at("stored_bytes"),
        "VMs": at("context_count"),
        "Recovery points": at("point_count"),
    }


VMS_OF_REPOSITORY: Cells = {
    "Context ID": at("pk"),
    "VM": at("vm_name"),
    "Kept now in": at("repository__name"),
    "Under management": lambda vm: vm.unmanaged_at is None,
    "Recovery points here": at("point_count"),
    "To be removed": at("going_count"),
    "Oldest": at("oldest_at"),
    "Newest": at("newest_at"),
    "Stored here (bytes)": at("stored_bytes"),
}

SIGNS: Cells = {
    "Machine": at("host"),
    "Looked": at("looked_at"),
    "Reached": at("reached_at"),
    "Free (bytes)": at("free_bytes"),
    "Problem": at("problem"),
}

SPACE: Cells = {
    "Hour": at("hour"),
    "Free (bytes)": at("free_bytes"),
    "Size (bytes)": at("total_bytes"),
    "Stored (bytes)": at("stored_bytes"),
}


def points(said: dict[int, Verdict]) -> Cells:
    """Of a VM's recovery points, with retention's verdicts."""

    def verdict(point: Any) -> str:
        found = said.get(point.pk)
        return found.words if found else ""

    return {
        **_KEY,
        **_OF_VM,
        "Consistent at": at("consistent_at"),
        "State": _word("recovery_point", "state"),
        "Retention": verdict,
        "Pinned by": at("pinned_by"),
        "Comment": at("comment"),
        "Damage": at("damage"),
        "Verified at": at("verified_at"),
        "Disks": at("disk_count"),
        "Stored (bytes)": at("stored_bytes"),
        "Job": at("job_id"),
    }
