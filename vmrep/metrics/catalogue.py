"""Every metric, once: its name, its kind, its labels, and what it means.

`python -m vmrep.metrics.catalogue` prints the table of docs/monitoring.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]
_VM = ("context", "vm", "vcenter")


@dataclass(frozen=True)
class Described:
    """A metric. A counter's name here is without its `_total`."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str

    @property
    def shown_name(self) -> str:
        return f"{self.name}_total" if self.kind == "counter" else self.name

    @property
    def series(self) -> list[str]:
        """The names of its series."""
        if self.kind == "histogram":
            return [f"{self.name}_{part}" for part in ("bucket", "sum", "count")]
        return [self.shown_name]


OF_VMS = (
    Described(
        "vmrep_vm_protection",
        "gauge",
        (*_VM, "state"),
        "1 for the state of protection that the VM has now: `protected`, `over_target`,"
        " `no_target`, `broken`, `unprotected`",
    ),
    Described(
        "vmrep_vm_usable_point_age_seconds",
        "gauge",
        _VM,
        "age of the newest recovery point that is not known to be damaged; missing if there is"
        " none",
    ),
    Described(
        "vmrep_vm_rpo_target_seconds",
        "gauge",
        _VM,
        "how old that may be; missing without a target",
    ),
    Described(
        "vmrep_vm_over_target_seconds",
        "gauge",
        _VM,
        "how much older it is than its target allows; 0: it is young enough; missing without a"
        " target or a point",
    ),
)
"""One series for each VM: left out with `?vms=no`."""

OF_ALL = (
    Described("vmrep_build", "gauge", ("version",), "1; which version answers"),
    Described("vmrep_vms", "gauge", ("vcenter", "state"), "VMs in each state of protection"),
    Described(
        "vmrep_jobs",
        "counter",
        ("vcenter", "outcome", "type", "code"),
        "replication jobs that ended. `outcome`: `completed`, `failed`, `cancelled`; `type`:"
        " `initial`, `incremental`, `checksum`; `code`: why it failed"
        " ([api.md](api.md#codes))",
    ),
    Described(
        "vmrep_job_read_bytes",
        "counter",
        ("vcenter", "outcome"),
        "bytes that ended jobs had read of disks",
    ),
    Described(
        "vmrep_job_duration_seconds",
        "histogram",
        ("vcenter", "outcome"),
        "from a job's first attempt to its end, waiting between attempts included",
    ),
    Described(
        "vmrep_jobs_active",
        "gauge",
        ("status",),
        "jobs that have not ended: `pending`, `running`",
    ),
    Described(
        "vmrep_vcenter_call_duration_seconds",
        "histogram",
        ("vcenter",),
        "how long vCenters took to answer the calls of jobs",
    ),
    Described(
        "vmrep_nfc_open_duration_seconds",
        "histogram",
        ("vcenter",),
        "ticket, connection and opening of a disk over NFC",
    ),
    Described(
        "vmrep_nfc_read_duration_seconds",
        "histogram",
        ("vcenter",),
        "how long ESXi hosts took to answer requests for parts of disks; several small parts may"
        " be one request",
    ),
    Described("vmrep_nfc_read_bytes", "counter", ("vcenter",), "bytes read by those requests"),
    Described(
        "vmrep_queue_waiting",
        "gauge",
        ("queue",),
        "what waits in the database for workers: of `copies` jobs, of `storage` recovery points"
        " that are to go, of `control` discoveries and VMs of bulk actions",
    ),
    Described(
        "vmrep_queue_oldest_waiting_seconds",
        "gauge",
        ("queue",),
        "for how long the oldest of it has waited; 0: nothing waits",
    ),
    Described(
        "vmrep_repository_up",
        "gauge",
        ("repository",),
        "1 if a worker can write to it",
    ),
    Described(
        "vmrep_repository_last_reached_timestamp_seconds",
        "gauge",
        ("repository",),
        "when a worker last could; missing: never",
    ),
    Described("vmrep_repository_size_bytes", "gauge", ("repository",), "of its file system"),
    Described("vmrep_repository_free_bytes", "gauge", ("repository",), "of its file system"),
    Described(
        "vmrep_repository_stored_bytes",
        "gauge",
        ("repository",),
        "of vmrep's images in it, noted once an hour",
    ),
    Described(
        "vmrep_vcenter_up", "gauge", ("vcenter",), "1 if it answers a worker (without a login)"
    ),
    Described(
        "vmrep_vcenter_last_answer_timestamp_seconds",
        "gauge",
        ("vcenter",),
        "when it last did; missing: never",
    ),
    Described(
        "vmrep_vcenter_answer_seconds",
        "gauge",
        ("vcenter",),
        "how long its last answer to that took",
    ),
    Described(
        "vmrep_process_up",
        "gauge",
        ("kind", "name", "queues"),
        "1 if a process (`worker`, `beat`, `web`) gave a sign of life in the last 26 seconds; 0 if"
        " it did not, although nobody ended it",
    ),
    Described(
        "vmrep_process_last_seen_timestamp_seconds",
        "gauge",
        ("kind", "name", "queues"),
        "its last sign of life",
    ),
    Described(
        "vmrep_worker_slots",
        "gauge",
        ("queue",),
        "how many tasks the queue's live workers run at once; 0: no worker lives",
    ),
    Described(
        "vmrep_tick_last_run_timestamp_seconds",
        "gauge",
        (),
        "when the tick last ran, which needs beat, Redis and a worker; missing: never",
    ),
    Described("vmrep_redis_up", "gauge", (), "1 if Redis answers the process that was asked"),
    Described(
        "vmrep_redis_last_answer_timestamp_seconds",
        "gauge",
        (),
        "when it last answered any process; missing: never",
    ),
    Described(
        "vmrep_troubles",
        "gauge",
        ("kind",),
        "what is needed and dead or short now, of each kind ([health.md](health.md))",
    ),
    Described(
        "vmrep_incidents_open", "gauge", ("kind",), "incidents that have begun and not ended"
    ),
    Described(
        "vmrep_notifications_waiting", "gauge", (), "messages that are to be sent, or sent again"
    ),
    Described(
        "vmrep_integrity_findings",
        "gauge",
        ("severity",),
        "faults that the last integrity check found and left",
    ),
    Described(
        "vmrep_integrity_last_check_timestamp_seconds",
        "gauge",
        (),
        "when that check ended; missing: none has",
    ),
    Described(
        "vmrep_audit_trail_intact",
        "gauge",
        (),
        "1 if that check found the chains of the audit trail and of VMs' events as they were"
        " written; missing without a check",
    ),
)

METRICS = {metric.name: metric for metric in (*OF_VMS, *OF_ALL)}


def table() -> Iterator[str]:
    """The table's lines, in Markdown."""
    yield "| metric | kind | labels | meaning |"
    yield "|---|---|---|---|"
    for metric in METRICS.values():
        labels = " ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.shown_name}` | {metric.kind} | {labels} | {metric.meaning} |"


if __name__ == "__main__":
    import sys

    sys.stdout.write("\n".join(table()) + "\n")
