"""Rows of every table, made through the services: what the attacks are aimed at.

`python -m tests.database.estate` fills the empty, migrated database of DATABASE_URL and prints the
keys that attacks name, as one JSON object.

    vm a    two disks; a full and an incremental recovery point; a failed job; a running job
    vm b    one disk; a recovery point; a pending job
    vm c    never replicated
    vm d    two disks; a recovery point; idle
    vm e    a cancelled job and nothing else
"""

from __future__ import annotations

import json
import uuid

import django


def main() -> None:
    django.setup()
    from replication import messages

    messages.send = lambda *message: None  # no broker listens here
    print(json.dumps(_fill()))


def _fill() -> dict[str, object]:
    from django.utils import timezone

    from contexts.models import VMContext
    from replication.models import PointSnapshot, RecoveryPointHold
    from tests import factories

    vcenter = factories.vcenter("estate", host_uuid=str(uuid.uuid4()))
    repository, other = factories.repository("first"), factories.repository("second")

    def vm(name: str, disks: int) -> VMContext:
        records = [factories.disk_record(2000 + number) for number in range(disks)]
        return factories.context(name, at=vcenter, keep_in=repository, disks=records)

    a, b, c, d, e = vm("a", 2), vm("b", 1), vm("c", 1), vm("d", 2), vm("e", 1)
    keys: dict[str, object] = {"vcenter": vcenter.pk, "r1": repository.pk, "r2": other.pk}
    keys |= {"a": a.pk, "b": b.pk, "c": c.pk, "d": d.pk, "e": e.pk}
    old, done = factories.completed_job(a), factories.completed_job(a)
    factories.discovery(vcenter, "failed", error_message="The vCenter did not answer.")
    factories.discovery(vcenter, "running")
    for name, job in (
        ("a_old", old),
        ("a_done", done),
        ("a_failed", factories.failed_job(a)),
        ("a_running", factories.running_job(a)),
        ("b_done", factories.completed_job(b)),
        ("b_pending", factories.pending_job(b)),
        ("d_done", factories.completed_job(d)),
        ("e_cancelled", factories.cancelled_job(e)),
    ):
        keys[name] = job.pk
        for number, image in enumerate(job.images.order_by("disk__device_key"), start=1):
            keys[f"{name}_image{number}"] = image.pk
            keys[f"{image.vm_context.vm_name}_disk{number}"] = image.disk_id
        if hasattr(job, "recovery_point"):
            keys[f"{name}_point"] = job.recovery_point.pk
    RecoveryPointHold.objects.create(
        recovery_point=old.recovery_point, kind="pin", owner="ops", expires_at=timezone.now()
    )
    PointSnapshot.objects.create(
        recovery_point=old.recovery_point, moref="snapshot-1", is_current=True
    )
    return keys


if __name__ == "__main__":
    main()
