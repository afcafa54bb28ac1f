"""What the check looks at, what it leaves alone, and what does not alarm it."""

from __future__ import annotations

import logging
import os
import shutil
import struct
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contexts.models import VMContext
from replication.engine.directory import DirectoryRepository
from replication.engine.target import Layer
from replication.integrity import files, runs
from replication.integrity.findings import CHECKS, Check, Scope, SecondLook
from replication.integrity.look import LISTED_PER_CODE, find
from replication.models import (
    ContextLease,
    DiskImage,
    JobStep,
    RecoveryPoint,
    ReplicationJob,
    VMSnapshot,
)
from replication.services import leases, start
from replication.states import LeaseHolder
from replication.sync import runner
from tests import committed, factories
from tests.engine.support import name_the_backing_file, patch
from tests.integrity.conftest import Copy, checked, codes, second_repository
from tests.integrity.damages.doing import DAMAGES, change, newest_job, oldest_job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.slow
@pytest.mark.any_database
def test_nothing_alarms_it_while_jobs_run(whole: Copy) -> None:
    """Again and again while a worker copies, commits and cleans up."""
    whole.estate.control.fill("small1", 2000, 48 << 20, 4 << 20, "busy")
    whole.estate.control.delay("GET /folder", 20.0)  # seconds, or until it has been looked at often
    start.start(whole.vm, trigger="manual", requested_by="ops")
    ran: list[str | None] = []

    def work() -> None:
        ran.append(runner.run_next())
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    looks = 0
    try:
        while worker.is_alive():
            assert checked() == []
            looks += 1
            if looks == 3:
                whole.estate.control.clear_faults()
    finally:
        whole.estate.control.clear_faults()
        worker.join()
    assert looks > 2
    assert ran == [newest_job(whole.vm).pk]
    assert newest_job(whole.vm).status == "completed"
    assert checked(quiet=True) == []


@pytest.mark.any_database
def test_a_job_that_waits_for_its_next_attempt_alarms_nobody(
    whole: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its image and its snapshot are kept, and nobody holds a lease."""
    monkeypatch.setattr("replication.sync.sample.MOST_REQUESTS", 0)  # the transfer is to break
    monkeypatch.setattr("replication.sync.sample.LEAST_CHUNKS", 0)
    whole.estate.control.fill("small1", 2000, 48 << 20, 8 << 20, "waits")
    whole.estate.control.fail("GET /folder", nth=4, times=100, fault="503")
    job = start.start(whole.vm, trigger="manual", requested_by="ops")
    runner.run_next()
    whole.estate.control.clear_faults()
    job.refresh_from_db()
    assert (job.status, job.attempt) == ("pending", 2)
    assert VMSnapshot.objects.filter(job=job, state="created").exists()
    assert DiskImage.objects.filter(job=job, state="writing").exists()
    assert checked() == []
    ReplicationJob.objects.filter(pk=job.pk).update(next_attempt_at=Now())
    assert runner.run_next() == job.pk
    assert checked(quiet=True) == []


@pytest.mark.parametrize("code", ["running_step_of_ended_job", "snapshot_row_without_snapshot"])
def test_what_a_live_lease_covers_is_work_under_way(code: str, whole: Copy) -> None:
    DAMAGES[code](whole)
    lease = leases.acquire(whole.vm.pk, LeaseHolder.CLEAN_UP)
    assert lease is not None
    assert checked() == []
    leases.release(lease)
    assert codes(checked()) == {code}


def test_a_lease_that_just_ran_out_is_not_dead_yet(whole: Copy) -> None:
    DAMAGES["running_step_of_ended_job"](whole)
    leases.acquire(whole.vm.pk, LeaseHolder.JOB, job_id=newest_job(whole.vm).pk)
    ContextLease.objects.update(expires_at=timezone.now() - timedelta(seconds=30))
    assert checked() == []
    ContextLease.objects.update(expires_at=timezone.now() - timedelta(minutes=3))
    assert codes(checked()) == {"running_step_of_ended_job", "lease_of_ended_job"}


def test_a_finding_that_is_gone_at_the_second_look_is_not_told(
    whole: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if a worker had committed between the two looks."""
    change(whole.vm, last_successful_job_id=oldest_job(whole.vm).pk)
    right = newest_job(whole.vm).pk
    check = next(one for one in CHECKS if one.name == "last_successful_differs")
    looks = []

    def look_and_settle(scope: Scope) -> object:
        looks.append(scope.context_id)
        yield from check.find(scope)
        VMContext.objects.filter(vm_name="small1").update(last_successful_job_id=right)

    monkeypatch.setattr(
        "replication.integrity.look.CHECKS",
        [type(check)(look_and_settle, check.codes, check.second_look, None)],
    )
    assert list(find(Scope())) == []
    assert looks == [None, whole.vm.pk]


@pytest.mark.any_database
def test_without_its_marker_nothing_is_judged_missing(whole: Copy) -> None:
    """An unmounted share looks like an empty folder."""
    shutil.rmtree(whole.folder)
    whole.folder.mkdir()
    (finding,) = checked()
    assert finding.code == "repository_unavailable"
    assert "is the repository's storage mounted?" in finding.what


@pytest.mark.any_database
def test_other_files_and_links_are_reported_and_not_followed(whole: Copy, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.qcow2").write_bytes(b"x")
    (whole.folder / "link").symlink_to(outside)
    (whole.folder / "file.qcow2").symlink_to(outside / "secret.qcow2")
    (whole.folder / ".nfs0001").write_bytes(b"x")
    (whole.folder / "lost+found").mkdir()
    (whole.folder / "lost+found" / "1").write_bytes(b"x")
    names = [finding.what for finding in checked()]
    assert names == ["Repository here: no row names file.qcow2."]


@pytest.mark.any_database
def test_a_name_that_is_no_text_is_reported_readably(whole: Copy) -> None:
    (Path(os.fsdecode(os.fsencode(whole.folder) + b"/\xff\n.qcow2"))).write_bytes(b"x")
    (finding,) = checked()
    assert "\\xff" in finding.what
    finding.what.encode()


@pytest.mark.any_database
def test_a_locator_that_leads_out_of_the_repository_is_not_followed(whole: Copy) -> None:
    change(whole.images[-1], locator="../../etc/passwd")
    found = checked()
    assert codes(found) == {"image_file_damaged", "file_without_row"}


@pytest.mark.any_database  # where all is well, every query is asked on both
@pytest.mark.parametrize("wrong", ["uncommitted", "another disk's", "elsewhere", "larger"])
def test_every_kind_of_broken_chain_is_found(wrong: str, lawless: Copy) -> None:
    root, overlay = lawless.images
    if wrong == "uncommitted":
        change(root, state="writing")
    elif wrong == "another disk's":
        change(overlay, disk_id=lawless.other.disks.first().pk)
    elif wrong == "elsewhere":
        change(root, repository_id=second_repository(lawless.folder.parent).pk)
    else:
        change(root, capacity_bytes=root.capacity_bytes * 2)
    assert "chain_broken" in codes(checked())


@pytest.mark.any_database
def test_rows_that_break_unique_and_composite_rules_are_found(lawless: Copy) -> None:
    root, overlay = lawless.images
    change(overlay, locator=root.locator)
    change(newest_job(lawless.vm), attempt=0)
    broken = {one.what for one in checked() if one.code == "row_breaks_rule"}
    assert any("image_locator_once" in line for line in broken)
    assert any("job_attempt_possible" in line for line in broken)


@pytest.mark.any_database
def test_a_truncated_image_is_found_by_its_length_and_its_inside_only_deeply(whole: Copy) -> None:
    file = whole.file(whole.images[0])
    content = bytearray(file.read_bytes())
    content[1 << 16 : 2 << 16] = b"\xff" * (1 << 16)  # the refcount table
    file.write_bytes(content)
    assert codes(checked()) == {"image_file_changed"}
    assert codes(checked(deep=True)) == {"image_file_changed", "image_file_damaged"}
    committed.accept_all()
    assert checked() == []
    file.write_bytes(content[:5000])
    assert codes(checked()) == {"image_file_damaged"}


@pytest.mark.any_database
def test_a_vcenter_that_is_away_is_reported_and_the_rest_is_checked(whole: Copy) -> None:
    DAMAGES["vcenter_not_checked"](whole)
    change(whole.vm, last_successful_job_id=oldest_job(whole.vm).pk)
    assert codes(checked()) == {"vcenter_not_checked", "last_successful_differs"}


def test_more_than_a_readable_number_is_counted_not_listed(
    whole: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LISTED_PER_CODE >= 100
    monkeypatch.setattr("replication.integrity.look.LISTED_PER_CODE", 3)
    for number in range(5):
        (whole.folder / f"stray-{number}").write_bytes(b"x")
    found = checked()
    assert len(found) == 4
    assert "2 more of this kind" in found[-1].what


@pytest.mark.any_database
def test_changed_content_is_found_by_the_file_and_not_by_what_it_reads_as(whole: Copy) -> None:
    """What docs/operations.md says: nothing reads the content."""
    write = ["qemu-io", "-f", "qcow2", "-c", "write -P 90 1M 64k", whole.file(whole.images[-1])]
    subprocess.run(write, check=True, capture_output=True)
    assert codes(checked()) == {"image_opened_elsewhere"}
    committed.accept_all()
    assert checked(deep=True) == []


@pytest.mark.any_database
def test_the_number_of_queries_does_not_grow_with_the_rows(whole: Copy) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            found = checked()
        assert codes(found) <= {"repository_unavailable", "vcenter_not_checked"}
        return len(captured)

    keep_in = factories.repository("away")
    at = whole.vm.vcenter
    before = queries()
    for number in range(10):
        context = factories.context(f"many-{number}", at=at, keep_in=keep_in)
        factories.completed_job(context)
        factories.failed_job(context)
    assert RecoveryPoint.objects.count() > 10
    assert JobStep.objects.count() > 60
    assert queries() == before


@pytest.mark.any_database
def test_each_check_says_what_it_looks_for() -> None:
    for check in CHECKS:
        assert check.codes
        assert check.name
        assert all(code.remedy for code in check.codes)


@pytest.mark.any_database
def test_files_are_looked_at_in_threads_that_use_no_database(
    whole: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would close their connections."""
    looked, connected = set(), set()
    connect, differ = BaseDatabaseWrapper.connect, files._look_at

    def connecting(self: BaseDatabaseWrapper) -> None:
        connected.add(threading.current_thread().name)
        connect(self)

    def looking(*arguments: object) -> Iterator[object]:
        looked.add(threading.current_thread().name)
        return differ(*arguments)

    monkeypatch.setattr(BaseDatabaseWrapper, "connect", connecting)
    monkeypatch.setattr(files, "_look_at", looking)
    assert checked(deep=True) == []
    assert looked == {"errand"}
    assert "errand" not in connected


@pytest.mark.any_database
@pytest.mark.parametrize("name", [b"x\xffy", b"a\0b"])
def test_a_backing_name_that_is_no_text_hides_nothing_else(whole: Copy, name: bytes) -> None:
    root, overlay = whole.images
    name_the_backing_file(whole.file(overlay), name)
    whole.file(root).with_name("odd.qcow2").touch()
    run = runs.run_now(Scope(), actor="ops")
    assert run.outcome == "findings"
    found = set(run.findings.values_list("code", flat=True))
    assert found == {"backing_file_differs", "file_without_row"}


@pytest.mark.any_database
def test_a_backing_name_beyond_every_file_hides_nothing_else(whole: Copy) -> None:
    patch(whole.file(whole.images[-1]), 8, struct.pack(">QI", 1 << 63, 3))
    assert codes(checked()) == {"image_file_damaged"}


@pytest.fixture
def unlogged(caplog: pytest.LogCaptureFixture) -> None:
    """A parallel run cannot hand on a captured log that holds what UTF-8 does not know."""
    for name in ("look", "files"):
        caplog.set_level(logging.CRITICAL, logger=f"replication.integrity.{name}")


@pytest.mark.any_database
@pytest.mark.usefixtures("unlogged")
def test_an_image_whose_look_breaks_hides_no_other(
    whole: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, overlay = whole.images
    whole.file(overlay).unlink()
    differences = DirectoryRepository.differences

    def break_at_the_root(repository: DirectoryRepository, chain: list[Layer]) -> object:
        if chain[0].locator == root.locator:
            raise ValueError("never seen before \udcff")
        return differences(repository, chain)

    monkeypatch.setattr(DirectoryRepository, "differences", break_at_the_root)
    found = checked()
    assert codes(found) == {"check_broke_off", "image_file_missing"}
    (broke_off,) = [one for one in found if one.code == "check_broke_off"]
    assert root.locator in broke_off.what
    assert "never seen before" in broke_off.what
    assert broke_off.what.isprintable()


@pytest.mark.usefixtures("unlogged")
def test_a_check_that_breaks_hides_no_other(whole: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    DAMAGES["running_step_of_ended_job"](whole)

    def breaks(scope: Scope) -> object:
        raise ValueError("never seen before \udcff")

    broken = Check(breaks, (), SecondLook.NONE, None)
    monkeypatch.setattr("replication.integrity.look.CHECKS", [broken, *CHECKS])
    found = checked()
    assert codes(found) == {"check_broke_off", "running_step_of_ended_job"}
    assert "never seen before" in found[0].what
