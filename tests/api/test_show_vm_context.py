"""GET vm-contexts/{context_id}/: everything about one VM."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from contexts.models import VMContext, VMDisk, VMNetworkAdapter
from contexts.models.specs import SPEC_NAMES
from contexts.services import management, refresh
from contexts.vsphere.specs import SPEC_FIELDS
from replication.models import JobStep, RecoveryPoint, ReplicationJob
from tests import factories
from tests.factories import MIB

pytestmark = pytest.mark.any_database

KEYS = [
    *("context", "policy", "group", "current_job", "job_history", "disks", "networks"),
    *("cbt_history", "recovery_points"),
]

# A value for each spec that no default could be mistaken for.
SET = {
    spec.name: {"int": 7, "bool": True, "list": ["203.0.113.7"], "text": f"the {spec.name}"[:32]}[
        spec.kind
    ]
    for spec in SPEC_FIELDS
}


def shown(api, context):
    answer = api.get(f"vm-contexts/{context.pk}/")
    assert answer.status_code == 200
    return answer.json()


def columns(model) -> set[str]:
    """All columns of a table, less those that the database computes."""
    return {field.attname for field in model._meta.concrete_fields if not field.generated}


def test_it_has_every_part(api):
    assert list(shown(api, factories.context())) == KEYS


def test_it_has_every_column_of_the_context(api):
    assert columns(VMContext) <= set(shown(api, factories.context())["context"])


def test_it_has_every_column_of_disks_and_adapters(api):
    everything = shown(api, factories.context())
    own = {"id", "vm_context_id", "removed_at"}
    assert columns(VMDisk) - own <= set(everything["disks"][0])
    assert columns(VMNetworkAdapter) - own <= set(everything["networks"][0])


@pytest.mark.parametrize("name", SPEC_NAMES)
def test_a_spec_comes_through_as_the_vcenter_says_it(api, name):
    value = SET[name]
    context = factories.context(
        **{"vm_name": "vm", name: tuple(value) if isinstance(value, list) else value}
    )
    assert shown(api, context)["context"][name] == value


def test_an_unknown_spec_is_null(api):
    shown_specs = shown(api, factories.context(**dict.fromkeys(SPEC_NAMES)))["context"]
    assert {name: shown_specs[name] for name in SPEC_NAMES} == dict.fromkeys(SPEC_NAMES)


def test_a_changed_spec_is_shown_after_the_next_reading(api):
    context = factories.context(cpu_count=2, instance_uuid="52d5")
    record = factories.vm_record(cpu_count=16, instance_uuid="52d5")
    refresh.refresh([(context, record)])
    assert shown(api, context)["context"]["cpu_count"] == 16


def test_the_running_job_is_shown_live_with_steps_and_disks(api):
    context = factories.context(disks=[factories.disk_record(2000), factories.disk_record(2001)])
    job = factories.running_job(context, planned_bytes=8 * MIB, done_bytes=2 * MIB)
    current = shown(api, context)["current_job"]
    assert columns(ReplicationJob) <= set(current)
    assert current["id"] == job.pk
    assert (current["bytes_transferred"], current["total_bytes"]) == (4 * MIB, 16 * MIB)
    assert current["progress_percent"] == 25
    assert [step["name"] for step in current["steps"]] == [
        *("prepare", "tracking", "snapshot", "plan", "transfer")
    ]
    assert current["steps"][-1]["status"] == "running"
    assert [disk["disk_id"] for disk in current["disks"]] == ["disk-2000", "disk-2001"]
    assert {disk["progress_percent"] for disk in current["disks"]} == {25}


def test_the_history_holds_the_last_ten_jobs_newest_first(api):
    context = factories.context()
    jobs = [factories.cancelled_job(context) for _ in range(12)]
    history = shown(api, context)["job_history"]
    assert [job["id"] for job in history] == [job.pk for job in reversed(jobs[2:])]


def test_a_failed_job_says_why_and_where(api):
    context = factories.context()
    factories.failed_job(context, "The snapshot was refused.")
    (job,) = shown(api, context)["job_history"]
    assert job["error_message"] == "The snapshot was refused."
    assert job["steps"][-1]["name"] == "snapshot"
    assert job["steps"][-1]["status"] == "failed"


def test_a_disk_shows_its_last_sync(api):
    context = factories.context()
    factories.completed_job(context, planned_bytes=32 * MIB)
    job = factories.completed_job(context, planned_bytes=4 * MIB)
    (disk,) = shown(api, context)["disks"]
    image = job.images.get()
    assert disk["change_id"] == image.change_id
    assert (disk["last_sync_type"], disk["last_sync_bytes"]) == ("incremental", 4 * MIB)
    assert disk["stored_bytes"] == 36 * MIB
    assert disk["last_sync_at"] is not None


def test_an_image_that_is_not_committed_does_not_count(api):
    context = factories.context()
    factories.running_job(context)
    (disk,) = shown(api, context)["disks"]
    assert disk["change_id"] is None
    assert disk["stored_bytes"] == 0


def test_a_removed_disk_is_not_listed_but_its_history_is(api):
    context = factories.context(disks=[factories.disk_record(2000), factories.disk_record(2001)])
    factories.completed_job(context)
    context.disks.filter(device_key=2001).update(removed_at=timezone.now())
    everything = shown(api, context)
    assert [disk["disk_id"] for disk in everything["disks"]] == ["disk-2000"]
    assert {row["disk_id"] for row in everything["cbt_history"]} == {"disk-2000", "disk-2001"}


def test_the_cbt_history_holds_the_last_twenty_syncs(api):
    context = factories.context()
    for _ in range(21):
        factories.completed_job(context, planned_bytes=100_000)
    rows = shown(api, context)["cbt_history"]
    assert len(rows) == 20
    assert {row["sync_type"] for row in rows} == {"incremental"}
    assert rows[0]["blocks_changed"] == 2  # 100,000 bytes in blocks of 64 KiB
    assert rows[0]["previous_change_id"] == rows[1]["change_id"]


def test_recovery_points_are_shown_with_their_images(api):
    context = factories.context()
    factories.completed_job(context, planned_bytes=32 * MIB)
    factories.completed_job(context, planned_bytes=4 * MIB)
    newest, first = shown(api, context)["recovery_points"]
    assert (newest["stored_bytes"], newest["capacity_bytes"]) == (4 * MIB, 64 * MIB)
    assert first["stored_bytes"] == 32 * MIB
    assert newest["images"][0]["parent_id"] == first["images"][0]["id"]
    assert newest["quiesced"] is True


def test_an_expired_recovery_point_is_not_shown_and_does_not_protect(api):
    context = factories.context()
    factories.completed_job(context)
    RecoveryPoint.objects.update(state="expired")
    everything = shown(api, context)
    assert everything["recovery_points"] == []
    assert everything["context"]["protection"] == "unprotected"


def test_the_rpo_counts_from_the_moment_before_the_snapshot(api):
    context = factories.context()
    factories.completed_job(context, consistent_at=timezone.now() - timedelta(minutes=5))
    assert 300 <= shown(api, context)["context"]["rpo_seconds"] < 360


def test_a_vm_that_is_no_longer_managed_keeps_its_history(api):
    context = factories.context()
    factories.completed_job(context)
    management.release(context, actor="ops")
    everything = shown(api, context)
    assert everything["context"]["unmanaged_at"] is not None
    assert len(everything["recovery_points"]) == 1


def test_an_unknown_context_is_not_found(api):
    answer = api.get("vm-contexts/ctx-nobody-20250909-114231/")
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_vm"


def test_a_parameter_is_refused(api):
    answer = api.get(f"vm-contexts/{factories.context().pk}/?full=1")
    assert answer.status_code == 400
    assert "full" in answer.json()["errors"]


def test_it_cannot_be_written(api):
    context = factories.context()
    for method, status in ((api.put, 405), (api.patch, 400), (api.delete, 405)):
        answer = method(f"vm-contexts/{context.pk}/", {"current_status": "failed"})
        assert answer.status_code == status
    context.refresh_from_db()
    assert context.current_status == "discovered"


def test_the_number_of_queries_does_not_grow_with_the_history(api, queries):
    context = factories.context(disks=[factories.disk_record(2000)])
    factories.completed_job(context)
    few = factories.running_job(context)
    one = queries(lambda: api.get(f"vm-contexts/{context.pk}/"))

    other = factories.context(disks=[factories.disk_record(2000 + key) for key in range(8)])
    for _ in range(6):
        factories.completed_job(other)
        factories.failed_job(other)
    factories.running_job(other)
    assert queries(lambda: api.get(f"vm-contexts/{other.pk}/")) == one
    assert JobStep.objects.filter(job=few).count() > 1
