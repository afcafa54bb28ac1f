"""The context panel and its tabs."""

from __future__ import annotations

import pytest
from django.utils import timezone

from contexts.models import VMContext
from contexts.vsphere.specs import SPEC_FIELDS
from replication.models import CBTHistory, JobStep, ReplicationJob
from replication.states import StepStatus
from tests import factories
from tests.web.conftest import HTMX, text
from vmrep.web.panel import TABS

MIB = factories.MIB
TAB_KEYS = [tab.key for tab in TABS]


def panel(web, context: VMContext, tab: str = "") -> str:
    """The panel of the whole page, from its heading on."""
    page = text(web.get("/virtual-machines/", {"vm": context.pk, "tab": tab}))
    return page[page.index('id="panel"') :]


def test_it_names_the_vm_and_its_context(web):
    context = factories.context("pgtest1")
    shown = panel(web, context)
    assert "pgtest1" in shown
    assert context.pk in shown
    assert "Replicate now" in shown


def test_a_link_to_a_vm_that_is_not_there_shows_the_list_and_says_so(web):
    factories.context("pgtest1")
    for headers in ({}, HTMX):
        answer = web.get("/virtual-machines/", {"vm": "ctx-nothing"}, headers=headers)
        assert answer.status_code == 200
        assert "There is no VM context ctx-nothing" in text(answer)
        assert "pgtest1" in text(answer)
        assert 'id="panel"' not in text(answer)


def test_every_spec_is_shown_and_unknown_is_unknown(web):
    shown = panel(web, factories.context("pgtest1", cpu_count=None, memory_mb=None))
    for spec in SPEC_FIELDS:
        assert f">{spec.label}</dt>" in shown
    assert '>CPUs</dt><dd class="lines"><span class="unknown">unknown</span></dd>' in shown
    assert '>Memory</dt><dd class="lines"><span class="unknown">unknown</span></dd>' in shown


def test_zero_and_false_are_not_unknown(web):
    shown = panel(web, factories.context("pgtest1", snapshot_count=0, is_template=False))
    assert '>Snapshots</dt><dd class="lines">0</dd>' in shown
    assert '>Template</dt><dd class="lines">no</dd>' in shown


def test_memory_has_a_unit_that_people_read(web):
    assert '>Memory</dt><dd class="lines">4 GiB</dd>' in panel(web, factories.context())


def test_notes_with_markup_are_text(web):
    shown = panel(web, factories.context(annotation="<img src=x onerror=alert(1)>\nsecond line"))
    assert "<img src=x" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown


def test_a_tab_that_does_not_exist_is_the_first(web):
    assert 'aria-current="page">Overview' in panel(web, factories.context(), "nothing")


def test_a_tab_of_a_new_vm_says_what_is_missing(web):
    context = factories.context(disks=[], networks=[])
    for tab in TAB_KEYS:
        assert f"tab={tab}" in panel(web, context, tab)


def test_a_tab_shows_hostile_names_as_text(web):
    hostile = factories.HOSTILE_NAME
    context = factories.context(
        hostile,
        disks=[factories.disk_record(label=hostile, vmdk_path=f"[{hostile}] x.vmdk")],
        networks=[factories.nic_record(network_name=hostile)],
    )
    factories.completed_job(context)
    factories.failed_job(context, why=f"{hostile} did not answer.")
    for tab in TAB_KEYS:
        assert "<script>alert" not in panel(web, context, tab), tab


def test_progress_counts_the_bytes_of_the_plan(web):
    context = factories.context(disks=[factories.disk_record(capacity_bytes=128 * MIB)])
    factories.running_job(context, planned_bytes=100 * MIB, done_bytes=68 * MIB)
    shown = panel(web, context)
    assert "68 %" in shown
    assert "68 MiB of 100 MiB" in shown
    assert "4 MiB/s" in shown
    assert "about 8 s left" in shown
    assert "5 Transfer" in shown
    assert "Cancel" in shown
    assert "Replicate now" not in shown


def test_it_is_never_100_percent_before_the_commit(web):
    context = factories.context(disks=[factories.disk_record(capacity_bytes=128 * MIB)])
    factories.running_job(context, planned_bytes=100 * MIB, done_bytes=100 * MIB)
    page = text(web.get("/virtual-machines/", {"vm": context.pk}))
    assert "99 %" in page
    assert "100 %" not in page
    assert 'value="100"' not in page


def test_a_plan_without_bytes_is_not_finished_either(web):
    context = factories.context()
    factories.running_job(context, planned_bytes=0, done_bytes=0)
    assert "99 %" in panel(web, context)


def test_each_disk_has_its_bar(web):
    context = factories.context(disks=[factories.disk_record(2000), factories.disk_record(2001)])
    factories.running_job(context, planned_bytes=10 * MIB, done_bytes=5 * MIB)
    shown = panel(web, context)
    assert shown.count("5 MiB of 10 MiB") == 2
    assert "10 MiB of 20 MiB" in shown


def test_a_job_without_a_plan_claims_no_progress(web):
    context = factories.context()
    factories.pending_job(context)
    shown = panel(web, context)
    assert "Waiting for a worker" in shown
    assert '<progress class="bar " max="100" aria-label="Progress">' in shown


def test_a_second_attempt_tells_why_there_is_one(web):
    context = factories.context()
    job = factories.running_job(context)
    ReplicationJob.objects.filter(pk=job.pk).update(
        attempt=2, error_message="The connection broke."
    )
    shown = panel(web, context)
    assert "This is attempt 2" in shown
    assert "The connection broke." in shown


def test_a_cancelled_job_that_still_runs_says_so(web):
    context = factories.context()
    job = factories.running_job(context)
    ReplicationJob.objects.filter(pk=job.pk).update(
        cancel_requested_at=timezone.now(), cancel_requested_by="ops"
    )
    assert "Cancelling…" in panel(web, context)


def test_the_last_failure_is_shown_beside_a_good_recovery_point(web):
    context = factories.context()
    factories.completed_job(context)
    factories.failed_job(context, why="The datastore is full. Make room.")
    shown = panel(web, context)
    assert "The last replication failed" in shown
    assert "The datastore is full. Make room." in shown
    assert "Ready" in shown


def test_a_failure_is_forgiven_by_the_next_success(web):
    context = factories.context()
    factories.failed_job(context, why="The datastore is full.")
    factories.completed_job(context)
    assert "The last replication failed" not in panel(web, context)


def test_jobs_have_steps_type_bytes_and_errors(web):
    context = factories.context()
    completed = factories.completed_job(context, planned_bytes=32 * MIB)
    factories.failed_job(context, why="No such host.")
    JobStep.objects.filter(job=completed, name="snapshot").update(
        status=StepStatus.WARNING, message="Not quiesced."
    )
    shown = panel(web, context, "jobs")
    assert "Initial · 32 MiB" in shown
    assert "No such host." in shown
    assert "Not quiesced." in shown


def test_a_disk_that_is_not_protected_says_why(web):
    context = factories.context(
        disks=[factories.disk_record(), factories.disk_record(2001, disk_mode="independent_x")]
    )
    shown = panel(web, context, "disks")
    assert "Not protected" in shown
    assert "independent" in shown


def test_the_cbt_history_says_why_a_disk_was_not_incremental(web):
    context = factories.context()
    factories.completed_job(context, planned_bytes=130 * 1024)
    CBTHistory.objects.update(note="The change ID is of another epoch.")
    shown = panel(web, context, "cbt")
    assert "3 blocks" in shown
    assert "another epoch" in shown


def test_recovery_points_tell_their_moment_and_size(web):
    context = factories.context()
    point = factories.recovery_point(context)
    shown = panel(web, context, "points")
    assert f"{point.consistent_at:%Y-%m-%d %H:%M:%S} UTC" in shown
    assert point.images.get().locator in shown


def test_a_vm_that_was_let_go_can_be_read_but_not_replicated(web):
    context = factories.context()
    VMContext.objects.update(unmanaged_at=timezone.now())
    shown = panel(web, context)
    assert "not under management" in shown
    assert "Replicate now" not in shown


@pytest.mark.slow
def test_the_number_of_queries_does_not_grow_with_the_history(web, queries):
    disks = [factories.disk_record(2000 + number) for number in range(3)]
    context = factories.context(disks=disks)
    factories.completed_job(context)

    def counted() -> dict[str, int]:
        return {
            tab: queries(
                lambda tab=tab: web.get("/virtual-machines/", {"vm": context.pk, "tab": tab})
            )
            for tab in TAB_KEYS
        }

    counted()  # what a process remembers is there then
    one = counted()
    for _ in range(8):
        factories.completed_job(context)
    assert counted() == one
