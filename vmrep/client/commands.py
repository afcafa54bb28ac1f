"""What each command does. It answers whether all is well: false if a job failed."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import cast

from vmrep.client import finding, login
from vmrep.client.client import Client
from vmrep.client.errors import ClientError
from vmrep.client.generated import models
from vmrep.client.output import Output
from vmrep.client.shown import ago, safe, size, span

Wanted = argparse.Namespace
VM_FIELDS = (
    *("context_id", "vm_name", "vcenter", "current_status", "protection", "rpo_seconds"),
    *("rpo_target_seconds", "newest_recovery_point_at", "current_job", "capacity_bytes"),
)


def vms(wanted: Wanted, output: Output) -> bool:
    with login.current().client() as client:
        found = list(
            client.all_vm_contexts(
                status=wanted.status,
                protection=wanted.protection,
                search=wanted.search,
                ordering=["vm_name"],
                fields=None if output.as_json else VM_FIELDS,
            )
        )
    if not output.result(found):
        output.table(
            ["NAME", "VCENTER", "PROTECTION", "NEWEST POINT", "TARGET", "SIZE", "NOW"],
            [
                [
                    each["vm_name"],
                    each["vcenter"]["name"],
                    each["protection"],
                    ago(each["newest_recovery_point_at"]),
                    span(each["rpo_target_seconds"]),
                    size(each["capacity_bytes"]),
                    _now(each["current_job"]),
                ]
                for each in found
            ],
        )
    return True


def _now(job: models.JobProgress | None) -> str:
    if job is None:
        return ""
    percent = job["progress_percent"]
    return job["status"] if percent is None else f"{job['status']} {percent} %"


def vm(wanted: Wanted, output: Output) -> bool:
    with login.current().client() as client:
        found = finding.vm(client, wanted.name, wanted.vcenter)
    if output.result(found):
        return True
    one = found["context"]
    output.facts(
        [
            ("name", one["vm_name"]),
            ("context ID", one["context_id"]),
            ("vCenter", one["vcenter"]["name"]),
            ("path", one["vm_path"]),
            ("power", one["power_state"]),
            ("status", one["current_status"]),
            ("protection", one["protection"]),
            ("newest point", ago(one["newest_recovery_point_at"])),
            ("RPO target", span(one["rpo_target_seconds"])),
            ("next run", one["next_run_at"]),
            ("repository", one["repository"]["name"] if one["repository"] else None),
            ("disks", f"{len(found['disks'])}, {size(one['capacity_bytes']) or 'of unknown size'}"),
            ("recovery points", len(found["recovery_points"])),
            ("now", _now(cast(models.JobProgress | None, found["current_job"]))),
        ]
    )
    return True


def points(wanted: Wanted, output: Output) -> bool:
    with login.current().client() as client:
        found = finding.vm(client, wanted.name, wanted.vcenter)["recovery_points"]
    if not output.result(found):
        output.table(
            ["ID", "TAKEN", "STATE", "QUIESCED", "STORED", "PINNED BY", "COMMENT"],
            [
                [
                    each["id"],
                    each["consistent_at"],
                    "damaged" if each["damaged_at"] else each["state"],
                    "yes" if each["quiesced"] else "no",
                    size(each["stored_bytes"]),
                    each["pinned_by"],
                    each["comment"],
                ]
                for each in found
            ],
        )
    return True


def jobs(wanted: Wanted, output: Output) -> bool:
    with login.current().client() as client:
        vm_id = None
        if wanted.vm:
            vm_id = finding.vm(client, wanted.vm, wanted.vcenter)["context"]["context_id"]
        rows = client.all_replications(status=wanted.status, vm=vm_id)
        found = list(islice(rows, wanted.limit))
    if not output.result(found):
        output.table(
            ["ID", "VM", "STATUS", "TYPE", "BEGUN", "TOOK", "READ", "ERROR"],
            [
                [
                    each["id"],
                    each["source_vm_name"],
                    each["status"],
                    each["replication_type"],
                    ago(each["started_at"]),
                    span(each["duration_seconds"]),
                    size(each["bytes_transferred"]),
                    each["error_message"],
                ]
                for each in found
            ],
        )
    return True


def replicate(wanted: Wanted, output: Output) -> bool:
    with login.current().client() as client:
        context_id = finding.vm(client, wanted.name, wanted.vcenter)["context"]["context_id"]
        body: models.Sync = {"requested_sync": wanted.sync}
        return _ended(client, client.post_vm_context_replications(context_id, body), wanted, output)


def job(wanted: Wanted, output: Output) -> bool:
    with login.current().client() as client:
        return _ended(client, client.get_replication(wanted.id), wanted, output)


def retry(wanted: Wanted, output: Output) -> bool:
    with login.current().client() as client:
        return _ended(client, client.post_replication_retry(wanted.id), wanted, output)


def cancel(wanted: Wanted, output: Output) -> bool:
    with login.current().client() as client:
        found = client.post_replication_cancel(wanted.id)
    if not output.result(found):
        is_over = found["status"] == "cancelled"
        output.say(f"Job {wanted.id} is cancelled." if is_over else "Its worker is asked to stop.")
    return True


def _ended(client: Client, found: models.JobDetail, wanted: Wanted, output: Output) -> bool:
    """Shows the job; with --wait once it has ended, however long the user has patience."""
    if wanted.wait:
        try:
            found = client.wait_for_job(
                found["id"],
                seconds=wanted.timeout,
                on_look=lambda it: output.progress(_progress(it)),
            )
        except KeyboardInterrupt:
            output.tell(f"Job {found['id']} goes on: vmrep job {found['id']} --wait")
            raise
    failed = found["status"] in ("failed", "cancelled")
    if not output.result(found):
        output.progress("")
        output.facts(
            [
                ("job", found["id"]),
                ("VM", found["source_vm_name"]),
                ("status", found["status"]),
                ("type", found["replication_type"]),
                ("doing", found["current_operation"] if not failed else None),
                ("waits for", found["waiting_for"]),
                ("progress", _percent(found["progress_percent"])),
                ("read", size(found["bytes_transferred"])),
                ("took", span(found["duration_seconds"])),
                ("error", found["error_message"]),
                ("code", found["error_code"]),
            ]
        )
    return not failed


def _percent(number: int | None) -> str | None:
    return None if number is None else f"{number} %"


def _progress(found: models.JobDetail) -> str:
    parts = [
        safe(found["source_vm_name"]),
        found["status"],
        found["current_operation"],
        _percent(found["progress_percent"]),
        found["waiting_for"],
    ]
    return "  ".join(str(part) for part in parts if part)


def policies(wanted: Wanted, output: Output) -> bool:
    with login.current().client() as client:
        found = list(client.all_policies())
    if not output.result(found):
        output.table(
            ["ID", "NAME", "TARGET", "CALENDAR", "APPLIES TO", "VMS"],
            [
                [
                    each["id"],
                    each.get("name"),
                    span(each.get("rpo_target_seconds")),
                    each["cron_in_words"],
                    ", ".join(scope["place"] for scope in each["scopes"]),
                    each["vm_count"],
                ]
                for each in found
            ],
        )
    return True


def vcenters(wanted: Wanted, output: Output) -> bool:
    with login.current().client() as client:
        found = list(client.all_vcenters())
    if not output.result(found):
        output.table(
            ["ID", "NAME", "ADDRESS", "VMS", "MANAGED", "LAST DISCOVERY"],
            [
                [
                    each["id"],
                    each["name"],
                    f"{each['host']}:{each['port']}",
                    each["vm_count"],
                    each["context_count"],
                    each["last_discovery"]["status"] if each["last_discovery"] else "never",
                ]
                for each in found
            ],
        )
    return True


def discover(wanted: Wanted, output: Output) -> bool:
    with login.current().client() as client:
        vcenter = finding.vcenter(client, wanted.vcenter)
        client.post_vcenter_discovery(vcenter["id"])
        output.progress(f"Reading {vcenter['name']} …")
        done = client.wait_for_discovery(vcenter["id"], seconds=wanted.timeout)
        found = list(client.all_vcenter_discovery(vcenter["id"]))
    if done["status"] != "completed":
        raise ClientError(f"The discovery failed: {done['error_message']}")
    if not output.result(found):
        output.progress("")
        output.table(
            ["NAME", "PATH", "POWER", "MANAGED", "CANNOT BE REPLICATED BECAUSE"],
            [
                [
                    each["vm_name"],
                    each["vm_path"],
                    each["power_state"],
                    "yes" if each["managed_context_id"] else "no",
                    each["identity_problem"]
                    or "; ".join(why["reason"] for why in each.get("refusals", [])),
                ]
                for each in found
            ],
        )
    return True


def take(wanted: Wanted, output: Output) -> bool:
    with login.current().client() as client:
        taken: list[models.ContextRow] = []
        common: models.Take = {}
        if wanted.repository:
            common["repository_id"] = finding.repository(client, wanted.repository)["id"]
        if wanted.target:
            common["rpo_target_seconds"] = wanted.target
        if wanted.vcenter:
            common["vcenter_host"] = wanted.vcenter
        for name in wanted.name:
            answer = client.post_vm_contexts({**common, "vm_name": name})
            taken += answer["contexts"]
    if not output.result(taken):
        for each in taken:
            output.say(f"{each['vm_name']} is under management ({each['context_id']}).")
    return True


def release(wanted: Wanted, output: Output) -> bool:
    with login.current().client() as client:
        context = finding.vm(client, wanted.name, wanted.vcenter)["context"]
        found = client.post_vm_context_release(context["context_id"], {})
    if not output.result(found):
        output.say(
            f"{context['vm_name']} is no longer under management;"
            f" {found['recovery_points_kept']} recovery points are kept."
        )
    return True


def pauses(wanted: Wanted, output: Output) -> bool:
    with login.current().client() as client:
        found = list(client.all_pauses())
    if not output.result(found):
        output.table(
            ["ID", "PAUSED", "UNTIL", "BY", "REASON"],
            [
                [
                    each["id"],
                    each["subject"],
                    each.get("until") or "somebody ends it",
                    each["paused_by"],
                    each.get("reason"),
                ]
                for each in found
            ],
        )
    return True


def pause(wanted: Wanted, output: Output) -> bool:
    until = wanted.until
    if wanted.length:
        until = (datetime.now(UTC) + timedelta(seconds=wanted.length)).isoformat()
    with login.current().client() as client:
        body = _subject(client, wanted)
        body["until"] = until
        body["reason"] = wanted.reason
        found = client.post_pauses(body)
    if not output.result(found):
        output.say(f"Paused: {found['subject']}, until {found.get('until') or 'somebody ends it'}.")
    return True


def resume(wanted: Wanted, output: Output) -> bool:
    with login.current().client() as client:
        subject = _subject(client, wanted)
        found = [
            each
            for each in client.all_pauses()
            if all(each.get(name) == value for name, value in subject.items())
        ]
        if not found:
            raise finding.NotTheOne("That is not paused by itself; “vmrep pauses” lists what is.")
        for each in found:
            client.delete_pause(each["id"])
    if not output.result(found):
        output.say(f"Resumed: {found[0]['subject']}.")
    return True


def _subject(client: Client, wanted: Wanted) -> models.NewPause:
    """What a pause is of. Raises ClientError unless exactly one thing is named."""
    if wanted.name and not (wanted.all or wanted.policy):
        one = finding.vm(client, wanted.name, wanted.vcenter)["context"]
        return {"kind": "vm", "context_id": one["context_id"]}
    given = [bool(each) for each in (wanted.all, wanted.policy, wanted.vcenter)]
    if wanted.name or sum(given) != 1:
        raise ClientError("Name one VM, or give --vcenter, --policy or --all, and no other.")
    if wanted.policy:
        return {"kind": "policy", "policy_id": finding.policy(client, wanted.policy)["id"]}
    if wanted.vcenter:
        return {"kind": "vcenter", "vcenter_id": finding.vcenter(client, wanted.vcenter)["id"]}
    return {"kind": "all"}
