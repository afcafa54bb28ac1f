"""A generated estate: within every rule, plausible, and never mixed up with a real one."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from contexts.models import ContextEvent, DiscoveredVM, VCenter, VMContext
from contexts.states import ContextStatus
from replication.database import figures
from replication.models import (
    CBTHistory,
    DiskImage,
    JobLogLine,
    JobSample,
    JobStep,
    RecoveryPoint,
    ReplicationJob,
)
from replication.selectors.contexts import context_counts, contexts_for_list
from replication.selectors.protection import Protection
from replication.services import start
from replication.states import JobStatus, RecoveryPointState, Trigger
from tests import factories
from vmrep.bench.management.commands import generate_estate

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def generate(contexts: int, jobs: int, *options: str) -> str:
    out = StringIO()
    call_command(
        generate_estate.Command(),
        *("--contexts", str(contexts), "--jobs", str(jobs), *options),
        stdout=out,
    )
    return out.getvalue()


def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
    manage_py = Path(__file__).resolve().parents[2] / "manage.py"
    command = [sys.executable, str(manage_py), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.any_database
def test_an_installation_has_no_such_command_unless_it_is_asked_for() -> None:
    assert "Unknown command: 'generate_estate'" in manage("generate_estate", "--help").stderr
    asked = manage("generate_estate", "--settings", "vmrep.bench.settings", "--help")
    assert "--contexts" in asked.stdout, asked.stderr


def findings() -> set[str]:
    """What the check finds, less what is outside of the database and is not there."""
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("check_integrity", "--json", stdout=out)
    found = {finding["code"] for finding in json.loads(out.getvalue())["findings"]}
    return found - {"repository_unavailable", "vcenter_not_checked"}


def test_the_integrity_check_finds_nothing() -> None:
    generate(110, 1500)
    assert findings() == set()


@pytest.mark.any_database
def test_it_has_what_a_long_life_leaves() -> None:
    said = generate(110, 1500)
    jobs = ReplicationJob.objects.count()
    assert said == f"Made 110 VM contexts with {jobs} jobs.\n"
    assert 1200 < jobs < 1800
    assert VMContext.objects.count() == DiscoveredVM.objects.count() == 110
    assert set(VMContext.objects.values_list("current_status", flat=True)) == set(
        ContextStatus.values
    )
    assert set(ReplicationJob.objects.values_list("status", flat=True)) == set(JobStatus.values)
    assert VMContext.objects.filter(unmanaged_at__isnull=False).exists()
    assert RecoveryPoint.objects.filter(state=RecoveryPointState.EXPIRED).exists()
    assert DiskImage.objects.filter(parent__isnull=False).exists()
    for model in (CBTHistory, JobStep, ContextEvent, JobSample, JobLogLine):
        assert model.objects.exists(), model


@pytest.mark.any_database
def test_hostile_and_long_names_are_among_them() -> None:
    generate(300, 400)
    names = list(VMContext.objects.values_list("vm_name", flat=True))
    assert any("<script>" in name for name in names)
    assert any("\x1b" in name for name in names)
    assert any(len(name) > 500 for name in names)


@pytest.mark.any_database
def test_the_lists_say_the_same_as_the_rows() -> None:
    generate(60, 300)
    with_point = RecoveryPoint.objects.filter(
        state=RecoveryPointState.AVAILABLE, vm_context__unmanaged_at__isnull=True
    )
    counts = context_counts(VMContext.objects.all())
    assert (
        sum(counts[state] for state in Protection.values if state != Protection.UNPROTECTED)
        == with_point.values("vm_context").distinct().count()
    )
    for vm in contexts_for_list()[:10]:
        present = vm.disks.filter(removed_at__isnull=True)
        assert vm.disk_count == present.count()
        assert vm.capacity_bytes == sum(disk.capacity_bytes for disk in present)
        newest = vm.recovery_points.filter(state=RecoveryPointState.AVAILABLE).first()
        assert vm.newest_point_at == (newest.consistent_at if newest else None)
        assert (vm.protection == Protection.UNPROTECTED) == (newest is None)


def test_the_product_continues_with_it() -> None:
    """Sequences stand behind the last row, triggers are back."""
    generate(20, 60)
    assert figures.missing(connection) == []
    vm = VMContext.objects.filter(current_status=ContextStatus.READY, unmanaged_at=None).first()
    start.start(vm, trigger=Trigger.MANUAL, requested_by="ops")
    factories.completed_job(factories.context("another one"))
    assert findings() == set()


@pytest.mark.any_database
def test_it_refuses_a_database_that_has_vcenters() -> None:
    factories.vcenter()
    with pytest.raises(CommandError, match="an empty database"):
        generate(1, 1)
    assert not VMContext.objects.exists()


@pytest.mark.any_database
def test_it_can_be_told_to_do_it_all_the_same() -> None:
    generate(5, 20)
    generate(5, 20, "--i-know")
    assert VMContext.objects.count() == 10
    assert VCenter.objects.count() == 2
    assert findings() == set()
