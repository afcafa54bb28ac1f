"""--repair mends what has one safe meaning, says what it did, and touches nothing else."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from django.db import connection

from contexts.models import ContextEvent, VMContext
from replication.integrity import runs
from replication.integrity.findings import CODES, Scope
from replication.models import IntegrityRun, JobStep, ReplicationJob, VMSnapshot
from replication.services import start
from replication.sync import runner
from tests.integrity.conftest import (
    LAWLESS,
    Copy,
    by_its_checks_and_by_all,
    checked,
    checked_but_for_rules,
    codes,
    finds,
    looking_only,
)
from tests.integrity.damages.doing import (
    ALSO,
    BROKEN,
    DAMAGES,
    active_job,
    change,
    newest_job,
    oldest_job,
)

pytestmark = pytest.mark.django_db(transaction=True)
REPAIRABLE = sorted(name for name, code in CODES.items() if code.repairable)


def repair() -> IntegrityRun:
    connection.close()
    return runs.run_now(Scope(), actor="ops", repair=True)


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@by_its_checks_and_by_all(REPAIRABLE)
def test_what_is_repairable_is_gone_after_the_repair(
    name: str, by_all: bool, lawless: Copy
) -> None:
    files = files_below(lawless.folder)
    DAMAGES[name](lawless)
    with nullcontext() if by_all else looking_only(finds(name, *ALSO[name])):
        run = repair()
        left = codes(checked_but_for_rules() if by_all else checked())
    mended = run.findings.exclude(repaired="")
    assert name in set(mended.values_list("code", flat=True))
    assert run.repaired_count == mended.count()
    assert name not in left
    assert not left & {also for also in ALSO[name] if CODES[also].repairable}
    assert files_below(lawless.folder) == files


def test_a_repair_keeps_the_rules_that_the_database_has(whole: Copy) -> None:
    """What a database with all its rules lets in is mended within them."""
    vm = whole.vm
    older = oldest_job(vm).pk
    change(vm, last_successful_job_id=older, total_jobs_run=1, successful_jobs=1)
    run = repair()
    assert run.outcome == "ok"
    vm.refresh_from_db()
    assert (vm.total_jobs_run, vm.successful_jobs) == (2, 2)
    assert vm.last_successful_job_id == newest_job(vm).pk
    assert checked() == []


def test_a_changed_context_has_an_event_that_says_what_was_set(whole: Copy) -> None:
    change(whole.vm, total_jobs_run=1, successful_jobs=1)
    repair()
    event = ContextEvent.objects.filter(vm_context=whole.vm).latest("id")
    assert event.actor == "check_integrity"
    assert "successful_jobs from 1 to 2" in event.why


def test_a_figure_that_is_put_right_is_told_in_the_vms_events(lawless: Copy) -> None:
    change(lawless.vm, disk_count=3, capacity_bytes=1)
    repair()
    assert (lawless.vm.disk_count, lawless.vm.capacity_bytes) == (1, 64 << 20)
    event = ContextEvent.objects.filter(vm_context=lawless.vm).latest("id")
    assert event.actor == "check_integrity"
    assert "disk_count from 3 to 1, capacity_bytes from 1 to 67108864" in event.why
    assert event.why.startswith(("Disk count differs: ", "Capacity differs: "))


def test_counters_above_the_rows_are_right_and_stay(whole: Copy) -> None:
    """Old failed jobs may have been deleted; they stay counted."""
    change(whole.vm, total_jobs_run=7, failed_jobs=5)
    assert checked() == []
    repair()
    assert whole.vm.failed_jobs == 5


def test_a_repair_never_lowers_a_part_of_the_counters(lawless: Copy) -> None:
    change(lawless.vm, total_jobs_run=90, failed_jobs=5)
    repair()
    vm = lawless.vm
    assert (vm.total_jobs_run, vm.successful_jobs, vm.failed_jobs) == (7, 2, 5)


def test_an_ended_current_job_is_unlinked_and_the_vm_can_be_replicated_again(
    lawless: Copy,
) -> None:
    DAMAGES["current_job_not_active"](lawless)
    repair()
    assert lawless.vm.current_job_id is None
    assert lawless.vm.current_status == "ready_for_failover"
    job = start.start(lawless.vm, trigger="manual", requested_by="ops")
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert job.status == "completed", job.error_message


def test_a_stray_active_job_becomes_the_current_one_and_can_end(lawless: Copy) -> None:
    job = active_job(lawless.vm, "job-stray")
    repair()
    assert lawless.vm.current_job_id == job.pk
    assert lawless.vm.current_status == "replicating"
    assert runner.run_next() == job.pk
    assert lawless.vm.current_job_id is None
    # No trigger follows the new point.
    assert codes(checked_but_for_rules()) <= LAWLESS | {
        "newest_point_differs",
        "usable_point_differs",
    }


def test_of_two_active_jobs_none_is_chosen(lawless: Copy) -> None:
    BROKEN["job_one_active_per_context"](lawless)
    before = VMContext.objects.filter(pk=lawless.vm.pk).values().get()
    run = repair()
    assert VMContext.objects.filter(pk=lawless.vm.pk).values().get() == before
    broken = run.findings.filter(code="row_breaks_rule", what__contains="job_one_active")
    assert broken.get().repaired == ""


def test_only_the_ended_attempts_steps_are_interrupted(whole: Copy) -> None:
    DAMAGES["running_step_of_ended_job"](whole)
    repair()
    assert JobStep.objects.filter(status="running").count() == 0
    assert JobStep.objects.filter(status="interrupted").count() == 1


def test_a_snapshot_is_never_removed_only_its_row_is_settled(whole: Copy) -> None:
    DAMAGES["snapshot_row_without_snapshot"](whole)
    run = repair()
    assert run.outcome == "ok"
    assert not VMSnapshot.objects.exclude(state="removed").exists()
    (finding,) = run.findings.all()
    assert finding.repaired.startswith("Marked the row of vmrep:job-")


def test_a_repair_that_is_refused_says_so(whole: Copy) -> None:
    """The database's own rules stand above the repair."""
    change(whole.vm, total_jobs_run=1, successful_jobs=1)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "CREATE TRIGGER no BEFORE UPDATE ON vm_replication_contexts"
                " BEGIN SELECT RAISE(ABORT, 'not now'); END"
            )
        else:
            cursor.execute(
                "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE 'not now' USING ERRCODE = 'integrity_constraint_violation'; END $$"
            )
            cursor.execute(
                "CREATE TRIGGER no BEFORE UPDATE ON vm_replication_contexts"
                " FOR EACH ROW EXECUTE FUNCTION no()"
            )
    run = repair()
    assert run.outcome == "findings"
    assert "not now" in run.findings.get(code="counters_differ").remedy
    assert ReplicationJob.objects.count() == 4
