"""A job's own page: disks, rates, maps, log, events, and the question before it is cancelled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from replication.engine.extent_map import BUCKETS, FULL
from replication.models import CBTHistory, DiskImage, JobLogLine, JobSample, JobStep, ReplicationJob
from replication.services import job_log
from replication.states import FIRST_SYNC, LogLevel, StepName, StepStatus
from tests import factories
from tests.web.conftest import HTMX, text

MIB = factories.MIB
HALF = bytes([FULL]) * (BUCKETS // 2) + bytes(BUCKETS // 2)


def page(web, job: ReplicationJob, **query) -> str:
    return text(web.get(f"/jobs/{job.pk}/", query))


def transfer_step(job: ReplicationJob, seconds: float, attempt: int = 1) -> None:
    begin = timezone.now()
    JobStep.objects.update_or_create(
        job=job,
        attempt=attempt,
        name=StepName.TRANSFER,
        defaults={
            "status": StepStatus.COMPLETED,
            "started_at": begin,
            "completed_at": begin + timedelta(seconds=seconds),
        },
    )


def test_the_rate_of_an_ended_job_is_that_of_its_transfers(web):
    job = factories.completed_job(factories.context(), planned_bytes=32 * MIB)
    transfer_step(job, 1.0)
    transfer_step(job, 3.0, attempt=2)
    assert "<dt>Rate</dt><dd>8 MiB/s</dd>" in page(web, job)


def test_a_job_that_read_nothing_has_no_rate_and_took_no_dash(web):
    job = factories.pending_job(factories.context())
    shown = page(web, job)
    assert "<dt>Rate</dt><dd>–</dd>" in shown
    assert "Took" not in shown
    assert "there is no plan" in shown


def test_each_disk_has_plan_extents_change_ids_and_its_map(web):
    context = factories.context()
    factories.completed_job(context)
    job = factories.completed_job(context, planned_bytes=4 * MIB)
    CBTHistory.objects.filter(job=job).update(extent_map=HALF, extent_count=17)
    DiskImage.objects.filter(job=job).update(extent_count=17)
    shown = page(web, job)
    image = DiskImage.objects.get(job=job)
    assert "4 MiB of 4 MiB" in shown
    assert '<td class="number hide-4">17</td>' in shown
    assert image.previous_change_id in shown
    assert image.change_id in shown
    assert "128 of 256 areas are touched" in shown


@pytest.mark.parametrize(
    ("note", "tone"),
    [
        (FIRST_SYNC, "muted"),
        (f"{FIRST_SYNC} Without change tracking, the whole disk is read.", "warn"),
        ("The disk has grown. The whole disk is compared.", "warn"),
    ],
)
def test_a_note_on_a_disk_warns_unless_it_only_says_that_it_is_the_first(web, note, tone):
    job = factories.completed_job(factories.context())
    DiskImage.objects.update(plan_note=note)
    assert f'<div class="tone-{tone}">{note}</div>' in page(web, job)


def test_a_running_job_has_its_maps_already(web):
    job = factories.running_job(factories.context())
    DiskImage.objects.update(extent_map=HALF, extent_count=2)
    assert "128 of 256 areas are touched" in page(web, job)


def test_a_job_whose_images_are_gone_still_tells_its_disks(web):
    job = factories.running_job(factories.context(), planned_bytes=8 * MIB, done_bytes=3 * MIB)
    image = DiskImage.objects.get()
    web.post(f"/jobs/{job.pk}/cancel/")
    ReplicationJob.objects.filter(pk=job.pk).update(status="pending")
    web.post(f"/jobs/{job.pk}/cancel/")
    DiskImage.objects.all().delete()
    shown = page(web, job)
    assert "3 MiB copied" in shown
    assert image.change_id in shown


def test_throughput_is_drawn_and_can_be_read_as_a_table(web):
    job = factories.completed_job(factories.context())
    for number in range(1, 41):
        JobSample.objects.create(
            job=job,
            attempt=1,
            at=job.started_at + timedelta(seconds=2 * number),
            seconds=2.0,
            bytes_transferred=number * MIB,
            bytes_per_second=number * MIB,
        )
    shown = page(web, job)
    assert "data-chart=" in shown
    assert "40 MiB/s at most" in shown
    table = shown[shown.index("table-small") :].split("</table>")[0]
    assert 5 <= table.count("<tr>") <= 13


def test_the_log_is_in_order_with_the_newest_at_the_end(web):
    job = factories.completed_job(factories.context())
    for number in range(3):
        job_log.write(job.pk, 1, f"line {number}")
    shown = page(web, job)
    assert shown.index("line 0") < shown.index("line 1") < shown.index("line 2")


def test_the_log_can_be_cut_down_to_warnings_and_errors(web):
    job = factories.completed_job(factories.context())
    for level in LogLevel:
        job_log.write(job.pk, 1, f"a line of level {level}", level)
    shown = page(web, job, log="warning")
    assert "a line of level warning" in shown
    assert "a line of level error" in shown
    assert "a line of level info" not in shown
    assert "a line of level info" in page(web, job, log="nonsense")


def test_hostile_lines_are_made_harmless(web):
    job = factories.completed_job(factories.context())
    job_log.write(job.pk, 1, "<script>alert(1)</script>\x1b[2J\u202egnp.exe\nforged line")
    shown = page(web, job)
    assert "<script>alert" not in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert r"\x1b[2J\u202egnp.exe\nforged line" in shown


def test_a_new_line_is_news_for_a_poll_even_after_the_end(web, monkeypatch):
    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    job = factories.completed_job(factories.context())
    shown = page(web, job)
    version = shown.split('id="live"')[1].split('data-version="')[1].split('"')[0]
    headers = {**HTMX, "X-Vmrep-Version": version}
    assert web.get(f"/jobs/{job.pk}/", headers=headers).status_code == 204
    job_log.write(job.pk, 1, "The snapshot is removed.")
    assert web.get(f"/jobs/{job.pk}/", headers=headers).status_code == 200


def test_warnings_stand_above_everything_else(web):
    job = factories.completed_job(factories.context())
    JobStep.objects.filter(job=job, name="prepare").update(
        status=StepStatus.WARNING, message="A snapshot could not be removed: it is locked."
    )
    shown = page(web, job)
    assert "Completed with warnings" in shown
    assert shown.index("The recovery point was made, with warnings:") < shown.index(
        'id="facts-title"'
    )
    assert "Prepare: A snapshot could not be removed: it is locked." in shown


def test_events_of_this_job_and_no_others_are_shown(web):
    context = factories.context()
    factories.failed_job(context, why="The first one failed.")
    job = factories.completed_job(context)
    shown = page(web, job)
    assert "replication completed" in shown
    assert "The first one failed." not in shown


def test_without_script_cancelling_is_asked_about_on_a_page_of_its_own(web):
    job = factories.running_job(factories.context("web-01"), planned_bytes=8 * MIB)
    shown = text(web.get(f"/jobs/{job.pk}/cancel/confirm/"))
    assert "Cancel the replication of web-01?" in shown
    assert f'action="/jobs/{job.pk}/cancel/"' in shown
    assert "8 MiB of 8 MiB have been copied" in shown
    job.refresh_from_db()
    assert job.cancel_requested_at is None


def test_there_is_nothing_to_ask_about_an_ended_job(web):
    job = factories.completed_job(factories.context())
    answer = web.get(f"/jobs/{job.pk}/cancel/confirm/")
    assert (answer.status_code, answer["Location"]) == (302, f"/jobs/{job.pk}/")
    assert web.get("/jobs/job-nothing/cancel/confirm/").status_code == 404


def test_the_number_of_queries_does_not_grow_with_disks_lines_and_samples(web, queries):
    one = factories.completed_job(factories.context())
    records = [factories.disk_record(2000 + number) for number in range(5)]
    many = factories.completed_job(factories.context(disks=records))
    for number in range(30):
        job_log.write(many.pk, 1, f"line {number}")
    JobLogLine.objects.update(level=LogLevel.WARNING)
    web.get(f"/jobs/{one.pk}/")
    assert queries(lambda: web.get(f"/jobs/{one.pk}/")) == queries(
        lambda: web.get(f"/jobs/{many.pk}/")
    )


@pytest.mark.parametrize("state", ["pending", "running", "completed", "failed", "cancelled"])
def test_every_end_has_its_page(web, state):
    job = getattr(factories, f"{state}_job")(factories.context("web-01"))
    shown = page(web, job)
    assert "Replication of" in shown
    assert ("Cancel" in shown.split('id="facts-title"')[0]) == (
        state in ("pending", "running", "cancelled")
    )


def waited_for_long(attempts: int) -> ReplicationJob:
    job = factories.completed_job(factories.context("web"))
    ReplicationJob.objects.filter(pk=job.pk).update(attempt=attempts, fruitful_attempts=attempts)
    JobStep.objects.bulk_create(
        JobStep(
            job=job,
            attempt=attempt,
            name=StepName.PREPARE,
            status=StepStatus.INTERRUPTED,
            message=f"waited {attempt} times",
            started_at=timezone.now(),
            completed_at=timezone.now(),
        )
        for attempt in range(2, attempts + 1)
    )
    return job


@pytest.mark.parametrize(
    ("attempts", "told"),
    [(10, ""), (11, "1 earlier attempt not"), (150, "140 earlier attempts not")],
)
def test_of_many_attempts_the_last_are_listed_and_the_others_counted(web, attempts, told):
    job = waited_for_long(attempts)
    for shown in (
        page(web, job),
        text(web.get("/virtual-machines/", {"vm": job.vm_context_id, "tab": "jobs"})),
    ):
        assert ("earlier attempt" in shown) is bool(told)
        assert told in shown
        assert f"waited {attempts} times" in shown
        assert ("waited 2 times" in shown) is (attempts < 12)
        assert shown.count("waited ") <= 10


def test_a_warning_that_every_attempt_repeats_is_shown_once(web):
    job = waited_for_long(50)
    steps = JobStep.objects.filter(job=job, name=StepName.PREPARE)
    steps.update(status=StepStatus.WARNING, message="Change tracking is off.")
    steps.filter(attempt=1).update(message="Only once.")
    callout = page(web, job).partition("with warnings:")[2].partition('id="steps-title"')[0]
    assert callout.count("Change tracking is off.") == 1
    assert callout.count("Only once.") == 1


def test_the_admin_lists_the_steps_of_the_last_attempts(web):
    job = waited_for_long(150)
    user = factories.user("root", is_staff=True, is_superuser=True)
    web.force_login(user)
    shown = text(web.get(f"/admin/replication/replicationjob/{job.pk}/change/"))
    assert "waited 150 times" in shown
    assert "waited 140 times" not in shown
    assert "steps of the last 10 attempts" in shown.lower()
