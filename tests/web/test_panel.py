"""The context panel in each of its states, and its tabs with what was recorded."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape

from django.db.models.functions import Now
from django.utils import timezone

from contexts.models import DiscoveredVM, VMContext
from replication.engine.extent_map import BUCKETS, FULL
from replication.models import (
    CBTHistory,
    JobSample,
    JobStep,
    RecoveryPoint,
    ReplicationJob,
    VMSnapshot,
)
from replication.states import SnapshotState, StepStatus
from tests import factories
from tests.web.conftest import text
from vmrep.web.panel import TABS
from vmrep.web.tabs.points import PER_PAGE

MIB = factories.MIB
LONG_HOSTILE_NAME = "<img src=x onerror=alert(1)>\u202e" + "x" * 200
FIRST_HALF = bytes([FULL]) * (BUCKETS // 2) + bytes(BUCKETS // 2)


def panel(web, context: VMContext, tab: str = "", **more) -> str:
    page = text(web.get("/virtual-machines/", {"vm": context.pk, "tab": tab, **more}))
    return page[page.index('id="panel"') :]


def samples(job: ReplicationJob, *rates: int) -> None:
    for number, rate in enumerate(rates, start=1):
        JobSample.objects.create(
            job=job,
            attempt=1,
            at=(job.started_at or timezone.now()) + timedelta(seconds=2 * number),
            seconds=2.0,
            bytes_transferred=MIB * number,
            bytes_per_second=rate,
        )


def button(shown: str, name: str) -> str:
    """The opening tag of the button of that name."""
    icon = "(?:<svg[^>]*><use[^>]*></use></svg>)?"
    found = re.search(rf'<button [^>]*class="([^"]*)"[^>]*>{icon}{name}</button>', shown)
    assert found, name
    return found[1]


def test_the_first_replication_is_the_main_button_and_says_its_size(web):
    shown = panel(web, factories.context())
    assert "btn-primary" in button(shown, "Replicate now")
    assert "The first one is a full copy, up to 64 MiB." in shown


def test_a_protected_vm_is_not_urged(web):
    context = factories.context()
    factories.completed_job(context)
    assert "btn-primary" not in button(panel(web, context), "Replicate now")


def test_a_vm_past_its_target_is(web):
    context = factories.context()
    factories.completed_job(context, consistent_at=timezone.now() - timedelta(hours=2))
    VMContext.objects.update(rpo_target_seconds=3600)
    shown = panel(web, context)
    assert "btn-primary" in button(shown, "Replicate now")
    assert "past its RPO target of 1 h" in shown


def test_after_a_failure_it_is_replicated_again_and_the_name_is_not_said_twice(web):
    context = factories.context("web-01")
    factories.failed_job(context, why="web-01 cannot be replicated. It is a template. Convert it.")
    shown = panel(web, context, "network")
    assert "btn-primary" in button(shown, "Replicate again")
    assert "It is a template. Convert it." in shown
    assert "web-01 cannot be replicated" not in shown


def test_a_vm_that_is_gone_leads_to_discovery(web):
    context = factories.context()
    DiscoveredVM.objects.update(gone_at=timezone.now())
    shown = panel(web, context)
    assert "Gone from" in shown
    assert "Go to Discovery" in shown
    assert "Replicate now" not in shown


def test_a_changed_identity_is_to_be_decided(web):
    context = factories.context("web-01")
    known = DiscoveredVM.objects.get()
    DiscoveredVM.objects.update(gone_at=timezone.now())
    factories.discovered_vm(
        "web-01", at=context.vcenter, moref=known.moref, bios_uuid=known.bios_uuid
    )
    VMContext.objects.update(vmx_path="[ds] a.vmx")
    DiscoveredVM.objects.update(vmx_path="[ds] a.vmx")
    shown = panel(web, context)
    assert "Its identity has changed" in shown
    assert shown.count("Compare and decide") == 2  # where it is told, and as the next action
    assert "Replicate now" not in shown


def test_a_snapshot_that_is_left_at_the_vm_is_shown_with_the_reason(web):
    context = factories.context()
    factories.completed_job(context)
    VMSnapshot.objects.update(
        state=SnapshotState.CREATED, removed_at=None, problem="<b>The host</b> is away."
    )
    shown = panel(web, context)
    assert "1 vmrep snapshot is left on the VM" in shown
    assert "could not be removed: &lt;b&gt;The host&lt;/b&gt; is away." in shown


def test_the_snapshot_of_the_running_job_is_not_left_over(web):
    context = factories.context()
    factories.running_job(context)
    assert "left on the VM" not in panel(web, context)


def test_a_job_that_completed_with_warnings_says_so_and_why(web):
    context = factories.context()
    job = factories.completed_job(context)
    assert "Completed with warnings" not in panel(web, context, "jobs")
    JobStep.objects.filter(job=job, name="snapshot").update(
        status=StepStatus.WARNING, message="Not quiesced."
    )
    shown = panel(web, context, "jobs")
    assert "Completed with warnings" in shown
    assert "Snapshot: Not quiesced." in shown


def test_a_job_that_waits_for_its_repository_says_so_as_the_queue_does(web):
    context = factories.context()
    job = factories.pending_job(context)
    reason = "Waiting for the repository: /srv/vmrep has no marker."
    ReplicationJob.objects.filter(pk=job.pk).update(current_operation=reason)
    shown = panel(web, context)
    assert reason in shown
    assert "Waiting for a worker" not in shown


def test_a_job_between_two_attempts_counts_down_and_claims_no_speed(web):
    context = factories.context()
    job = factories.running_job(context, planned_bytes=50 * MIB, done_bytes=48 * MIB)
    ReplicationJob.objects.filter(pk=job.pk).update(
        status="pending",
        attempt=2,
        next_attempt_at=timezone.now() + timedelta(seconds=30),
        error_message="The connection broke.",
        transfer_speed_bps=None,
        current_operation="Waiting for the next attempt",
    )
    shown = panel(web, context)
    assert re.search(r'Attempt 2 begins in <span data-countdown="(30|29)">', shown)
    assert "The connection broke." in shown
    assert ">96 %<" not in shown.replace("\n", "").split('id="progress"')[1].split("<progress")[0]
    assert "left</span>" not in shown


def test_a_running_job_has_its_chart_with_figures_for_everyone(web):
    context = factories.context()
    job = factories.running_job(context)
    samples(job, 4 * MIB, 8 * MIB)
    shown = panel(web, context)
    data = json.loads(unescape(re.search(r'data-chart="([^"]+)"', shown)[1]))
    assert data == [[0, 2, 4], [4 * MIB, 4 * MIB, 8 * MIB]]
    assert "6 MiB/s on average, 8 MiB/s at most, over 4 s" in shown
    assert 'class="rate-line"' in shown


def test_without_samples_there_is_no_empty_chart(web):
    context = factories.context()
    factories.running_job(context)
    assert "data-chart=" not in panel(web, context)


def test_ended_jobs_have_small_charts_in_the_history(web):
    context = factories.context()
    for _ in range(2):
        samples(factories.completed_job(context), MIB, 2 * MIB)
    shown = panel(web, context, "jobs")
    assert shown.count("rate-small") == 2


def test_cancelling_is_asked_about_once_bytes_have_moved(web):
    context = factories.context()
    job = factories.running_job(context, planned_bytes=50 * MIB, done_bytes=34 * MIB)
    shown = panel(web, context)
    assert '<dialog class="dialog" id="cancel-job-dialog"' in shown
    assert "34 MiB of 50 MiB have been copied" in shown
    assert "The source VM is not changed" in shown
    assert f'href="/jobs/{job.pk}/cancel/confirm/"' in shown


def test_a_job_that_moved_nothing_is_cancelled_at_once(web):
    context = factories.context()
    job = factories.pending_job(context)
    shown = panel(web, context)
    assert "cancel-job-dialog" not in shown
    assert f'action="/jobs/{job.pk}/cancel/"' in shown


def test_changes_are_drawn_per_disk_as_bars_and_as_maps(web):
    context = factories.context(disks=[factories.disk_record(2000), factories.disk_record(2001)])
    factories.completed_job(context, planned_bytes=32 * MIB)
    factories.completed_job(context, planned_bytes=4 * MIB)
    CBTHistory.objects.update(extent_map=FIRST_HALF, extent_count=3)
    shown = panel(web, context, "cbt")
    assert shown.count('<svg class="bars"') == 2
    assert "32 MiB initial, 4 MiB incremental" in shown
    assert "the full height is 4 MiB" in shown
    assert shown.count('<svg class="map"') == 2 * 3  # together, and each of the two syncs
    assert "128 of 256 areas are touched, the longest piece from 0 B to 32 MiB" in shown
    assert '<rect class="map-run" x="0" width="128"' in shown


def test_a_sync_that_was_not_committed_is_drawn_as_that(web):
    context = factories.context()
    factories.completed_job(context)
    CBTHistory.objects.update(sync_success=False)
    shown = panel(web, context, "cbt")
    assert "bars-lost" in shown
    assert "not committed" in shown


def test_recovery_points_are_a_timeline_by_days(web, tmp_path):
    context = factories.context(keep_in=factories.repository("here", path=tmp_path / "here"))
    today = timezone.now().replace(hour=12)
    for days in (0, 0, 1):
        factories.recovery_point(context, consistent_at=today - timedelta(days=days))
    RecoveryPoint.objects.filter(pk=RecoveryPoint.objects.first().pk).update(quiesced=False)
    shown = panel(web, context, "points")
    assert len(re.findall(r"<h3 ", shown)) == 2
    assert shown.count("crash-consistent") == 1
    assert shown.count("quiesced: guest file systems at rest") == 2
    assert "Not available now" not in shown


def test_points_in_a_repository_that_is_away_are_marked(web):
    context = factories.context()  # its folder does not exist
    factories.recovery_point(context)
    shown = panel(web, context, "points")
    assert "Not available now" in shown
    assert f"The repository {context.repository.name} is not available" in shown


def test_a_damaged_point_says_what_it_has(web):
    context = factories.context()
    damaged = factories.recovery_point(context)
    factories.recovery_point(context)
    RecoveryPoint.objects.filter(pk=damaged.pk).update(damaged_at=timezone.now(), damage="A <b>")
    tab = text(web.get("/virtual-machines/", {"vm": context.pk, "tab": "points"}))
    assert tab.count("<span>Damaged</span>") == 1
    assert "A &lt;b&gt;" in tab


def test_many_recovery_points_come_in_pages(web):
    context = factories.context()
    for _ in range(PER_PAGE + 2):
        factories.completed_job(context, planned_bytes=MIB)
    first = panel(web, context, "points")
    assert first.count('class="timeline-point') == PER_PAGE
    assert f"1–{PER_PAGE} of {PER_PAGE + 2}" in first
    assert panel(web, context, "points", points="2").count('class="timeline-point') == 2
    assert panel(web, context, "points", points="nonsense").count('class="timeline-point') == 50


def test_the_menu_offers_what_can_be_done_now(web):
    context = factories.context()
    assert "Remove from management" in panel(web, context)
    assert "Delete replica data" not in panel(web, context)
    factories.completed_job(context)
    assert "Delete replica data" in panel(web, context)
    factories.running_job(context)
    assert "Remove from management" not in panel(web, context)


def test_long_hostile_names_are_text_in_every_tab_and_state(web):
    context = factories.context(
        LONG_HOSTILE_NAME,
        disks=[factories.disk_record(label=LONG_HOSTILE_NAME, datastore=LONG_HOSTILE_NAME)],
    )
    factories.completed_job(context)
    factories.failed_job(context, why=f"{LONG_HOSTILE_NAME}: no.")
    JobStep.objects.update(status=StepStatus.WARNING, message=LONG_HOSTILE_NAME, completed_at=Now())
    VMSnapshot.objects.update(
        state=SnapshotState.CREATED, removed_at=None, problem=LONG_HOSTILE_NAME
    )
    samples(factories.running_job(context), MIB)
    for tab in TABS:
        assert "<img" not in panel(web, context, tab.key), tab.key


def test_the_number_of_queries_does_not_grow_with_disks_points_and_samples(web, queries):
    vcenter, repository = factories.vcenter(), factories.repository()

    def with_history(disks: int, jobs: int) -> str:
        records = [factories.disk_record(2000 + number) for number in range(disks)]
        context = factories.context(at=vcenter, keep_in=repository, disks=records)
        for _ in range(jobs):
            samples(factories.completed_job(context), MIB, MIB)
        samples(factories.running_job(context), MIB, MIB)
        return context.pk

    def counted(vm: str, tab: str) -> int:
        return queries(lambda: web.get("/virtual-machines/", {"vm": vm, "tab": tab}))

    small, large = with_history(1, 1), with_history(4, 8)
    for tab in TABS:
        least = [counted(vm, tab.key) for vm in (small, large)]
        if least[0] != least[1]:
            # What a process remembers for seconds may have been asked for again in between.
            more = [[counted(vm, tab.key) for _ in range(2)] for vm in (small, large)]
            least = [min(one, *others) for one, others in zip(least, more, strict=True)]
        assert least[0] == least[1], tab.key
