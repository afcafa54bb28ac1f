"""Runs: one at a time, kept, noticed when they die; the command and the tasks that start them."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.utils import timezone

from contexts.models import VMContext
from replication import tasks
from replication.errors import IntegrityCheckRunning
from replication.integrity import runs
from replication.integrity.findings import Scope
from replication.models import IntegrityFinding, IntegrityRun
from replication.scheduler import tick
from tests import factories
from tests.integrity.damages.doing import change

pytestmark = pytest.mark.django_db(transaction=True)


def damaged_context(vm_name: str = "pgtest1") -> VMContext:
    context = factories.context(vm_name, at=factories.vcenter(host="127.0.0.1", port=1))
    factories.failed_job(context)
    change(context, total_jobs_run=0, failed_jobs=0)
    return context


def command(*options: str) -> tuple[int, str]:
    """Exit code and output."""
    out = StringIO()
    try:
        call_command("check_integrity", *options, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def running(**columns: Any) -> IntegrityRun:
    run = IntegrityRun.objects.create(
        requested_by="ops", outcome="running", started_at=timezone.now()
    )
    IntegrityRun.objects.filter(pk=run.pk).update(**columns)
    return run


def test_a_run_without_findings_is_ok() -> None:
    run = runs.run_now(Scope(), actor="ops")
    assert (run.outcome, run.finding_count, run.repaired_count) == ("ok", 0, 0)
    assert run.completed_at is not None


def test_a_run_keeps_its_findings_with_context_and_remedy() -> None:
    context = damaged_context()
    run = runs.run_now(Scope(), actor="ops")
    assert run.outcome == "findings"
    finding = run.findings.get(code="counters_differ")
    assert (finding.context_id, finding.vm_name) == (context.pk, "pgtest1")
    assert "failed_jobs is 0 of 1 job" in finding.what
    assert finding.remedy
    assert finding.repairable


def test_two_runs_do_not_overlap() -> None:
    running()
    with pytest.raises(IntegrityCheckRunning, match="Another integrity check is running"):
        runs.run_now(Scope(), actor="ops")
    with pytest.raises(IntegrityError):
        running()


def test_a_run_whose_process_died_is_noticed_and_does_not_stand_in_the_way() -> None:
    dead = running(updated_at=timezone.now() - runs.SILENT_FOR - timedelta(seconds=1))
    tick.tick()
    dead.refresh_from_db()
    assert dead.outcome == "broken_off"
    assert "stopped before the end" in dead.error_message
    assert runs.run_now(Scope(), actor="ops").outcome == "ok"


def test_a_run_that_counts_as_dead_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "SIGN_OF_LIFE_SECONDS", 0.0)
    find = runs.find

    def taken_away(scope: Scope) -> Any:
        IntegrityRun.objects.update(outcome="broken_off", completed_at=timezone.now())
        yield from find(scope)

    monkeypatch.setattr(runs, "find", taken_away)
    damaged_context()
    assert runs.run_now(Scope(), actor="ops").outcome == "broken_off"


@pytest.mark.any_database
def test_a_run_that_breaks_off_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(scope: Scope) -> Any:
        raise RuntimeError("out of paper")

    monkeypatch.setattr(runs, "find", broken)
    with pytest.raises(RuntimeError):
        runs.run_now(Scope(), actor="ops")
    run = IntegrityRun.objects.get()
    assert run.outcome == "broken_off"
    assert "out of paper" in run.error_message


def test_a_request_is_one_run_however_often_it_is_made() -> None:
    first = runs.request(actor="ops")
    assert runs.request(actor="ops") == first
    tasks.check_integrity()
    tasks.check_integrity()
    assert list(IntegrityRun.objects.values_list("outcome", flat=True)) == ["ok"]


def test_a_request_while_one_runs_waits_for_its_end() -> None:
    one = running()
    assert runs.request(actor="ops") == one
    waiting = IntegrityRun.objects.create(requested_by="ops")
    runs.run_requested()
    waiting.refresh_from_db()
    assert waiting.outcome == "pending"
    IntegrityRun.objects.filter(pk=one.pk).update(outcome="ok", completed_at=timezone.now())
    runs.run_requested()
    waiting.refresh_from_db()
    assert waiting.outcome == "ok"


@pytest.mark.any_database
def test_beat_asks_for_a_run_every_hour() -> None:
    entry = settings.CELERY_BEAT_SCHEDULE["integrity"]
    assert entry["schedule"] == timedelta(hours=1)
    assert entry["task"] == tasks.request_integrity_check.name
    tasks.request_integrity_check()
    assert IntegrityRun.objects.get().requested_by == "schedule"


@pytest.mark.any_database
def test_only_the_last_runs_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "KEPT_RUNS", 2)
    damaged_context()
    for _ in range(3):
        last = runs.run_now(Scope(), actor="ops")
    assert IntegrityRun.objects.count() == 2
    assert IntegrityRun.objects.first() == last
    assert {row.run_id for row in IntegrityFinding.objects.all()} <= {last.pk, last.pk - 1}


@pytest.mark.any_database
def test_the_command_says_that_all_is_well() -> None:
    assert command() == (0, "Nothing is wrong.\n")


@pytest.mark.any_database
def test_the_command_prints_each_finding_with_context_and_remedy() -> None:
    context = damaged_context()
    code, output = command()
    assert code == 1
    assert f"error counters_differ: pgtest1, {context.pk}" in output
    assert "failed_jobs is 0 of 1 job" in output
    assert "remedy: A counter is lower" in output
    assert "warning vcenter_not_checked" in output
    assert "--repair can fix 1 of them." in output


@pytest.mark.any_database
def test_the_command_prints_one_json_object() -> None:
    assert json.loads(command("--json")[1])["ok"] is True
    context = damaged_context()
    code, output = command("--json")
    answer = json.loads(output)
    assert (code, answer["ok"], answer["repaired"]) == (1, False, [])
    found = {finding["code"]: finding for finding in answer["findings"]}
    assert found["counters_differ"]["context_id"] == context.pk
    assert found["counters_differ"]["repairable"] is True


def test_the_command_repairs_and_says_what_it_did() -> None:
    context = damaged_context()
    code, output = command("--json", "--repair")
    answer = json.loads(output)
    (repaired,) = answer["repaired"]
    assert repaired["code"] == "counters_differ"
    assert "failed_jobs from 0 to 1" in repaired["repaired"]
    assert "counters_differ" not in {finding["code"] for finding in answer["findings"]}
    assert code == 1  # the vCenter is still away
    context.refresh_from_db()
    assert context.failed_jobs == 1
    assert "repaired" not in command("--repair")[1]


def test_the_command_does_not_check_twice_at_once() -> None:
    running()
    with pytest.raises(CommandError, match="Another integrity check") as refusal:
        call_command("check_integrity")
    assert refusal.value.returncode == 2


@pytest.mark.any_database
def test_a_name_cannot_write_to_the_terminal() -> None:
    damaged_context("\x1b]0;owned\x07\nerror: all is lost")
    output = command()[1]
    assert "\x1b" not in output
    assert "\nerror: all is lost" not in output


def test_a_run_leaves_no_transaction_open() -> None:
    runs.run_now(Scope(), actor="ops")
    assert not connection.in_atomic_block
