"""A repository is taken up again without its database, or with an older one."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from contexts.models import VCenter, VMContext, VMDisk
from contexts.services import management, protection, vcenters
from replication.engine.manifest import MOST_BYTES
from replication.manifests import writing
from replication.models import (
    Installation,
    RecoveryPoint,
    RecoveryPointHold,
    ReplicaManifest,
    ReplicationJob,
    Repository,
)
from replication.policies import default
from replication.retention import run, services
from replication.services import moving, repositories, start
from replication.states import RecoveryPointState
from replication.sync import runner
from tests.kept_rows import KeptRows
from tests.retention.chain import DISK1, VM, Chain, Made
from tests.retention.test_every_kill import ON_THE_WAY, die
from tests.sync.estate import MIB, PASSWORD, database_url, try_again
from tests.sync.nursery import nursery
from vmrep.trail import heads
from vmrep.trail.models import Event


def lose_the_database(tmp_path: Path) -> None:
    kept = KeptRows(tmp_path / "nothing.sqlite3")
    kept._kept = []
    kept.bring_back()
    default.make_after_migrations(using="default")
    heads.make_after_migrations(using="default")
    assert not VMContext.objects.exists()


def restore(chain: Chain, *options: str, exit_code: int = 0) -> str:
    said = io.StringIO()
    folder = str(chain.estate.repository_folder)
    if not Installation.objects.exclude(uuid=None).exists():
        options = (*options, "--take-over")  # the former installation's database is lost
    outcome = 0
    try:
        call_command("restore_repository", folder, *options, stdout=said, stderr=io.StringIO())
    except SystemExit as ended:
        outcome = int(str(ended.code))
    assert outcome == exit_code, said.getvalue()
    return said.getvalue()


def complete_vcenter(chain: Chain) -> None:
    """Somebody enters the password, and the address, which may be another one by now."""
    vcenters.update(VCenter.objects.get(), password=PASSWORD, port=chain.estate.lab.port)
    chain.estate.vcenter = VCenter.objects.get()
    chain.estate.repository = Repository.objects.get()
    chain.estate.discover()


def require_points(chain: Chain, jobs: list[str]) -> list[RecoveryPoint]:
    """Exactly the points of those jobs, in that order, each equal to its snapshot."""
    points = list(RecoveryPoint.objects.filter(state=RecoveryPointState.AVAILABLE).order_by("pk"))
    assert [point.job_id for point in points] == jobs
    for point in points:
        chain.require_equal_point(point)
    return points


def jobs_of_points() -> list[str]:
    points = RecoveryPoint.objects.filter(state=RecoveryPointState.AVAILABLE)
    return list(points.order_by("pk").values_list("job", flat=True))


@pytest.fixture
def told(chain: Chain) -> Chain:
    """Whose repository has been told of all."""
    chain.remove(2)
    services.pin(chain.point(3), comment="before the update", actor="ops")
    services.comment(chain.point(5), "odd, but good", actor="ops")
    assert writing.due().exists()
    writing.write_due()
    assert not writing.due().exists()
    return chain


@pytest.mark.any_database
def test_all_comes_back_from_the_folder_alone(told: Chain, tmp_path: Path) -> None:
    before = jobs_of_points()
    former = VMContext.objects.get()
    disks = list(former.disks.order_by("pk").values_list("disk_id", "disk_uuid"))
    lose_the_database(tmp_path)

    said = restore(told, "--dry-run")
    assert "6 recovery points" in said
    assert not VMContext.objects.exists()
    assert not Repository.objects.exists()
    said = restore(told)
    assert "To be completed on its page, with its password: lab" in said
    told_of = Event.objects.filter(verb="restore", via="command").order_by("pk")
    assert list(told_of.values_list("kind", flat=True)) == ["repository", "vcenter", "vm"]

    context = told.context = VMContext.objects.get()
    assert (context.pk, context.vmware_vm_id) == (former.pk, former.vmware_vm_id)
    assert context.spec_values() == former.spec_values()
    assert list(context.disks.order_by("pk").values_list("disk_id", "disk_uuid")) == disks
    assert context.repository.name == "here"
    points = require_points(told, before)
    pin = RecoveryPointHold.objects.get()
    assert (pin.recovery_point, pin.comment, pin.owner) == (points[1], "before the update", "ops")
    assert points[3].comment == "odd, but good"
    assert told.findings() == {"vcenter_not_checked"}

    # Nobody logs in before somebody completed it; then all goes on as if nothing had been.
    assert VCenter.objects.get().login_refused_at is not None
    complete_vcenter(told)
    told.replicate()
    writing.write_due()
    assert told.findings() == set()
    assert "1 known already" in restore(told)


@pytest.mark.slow
def test_whatever_a_removal_had_come_to_when_the_database_was_lost(
    made_chain: Made, transactional_db: None, tmp_path: Path
) -> None:
    """Its files are in between: the point goes on going, and all the others are there."""
    for point in ON_THE_WAY:
        with made_chain.copied(tmp_path / point.replace(" ", "-")) as chain:
            others = [job for job in jobs_of_points() if job != chain.point(2).job_id]
            chain.want(2)
            assert die(point) == -signal.SIGKILL
            lose_the_database(tmp_path)
            restore(chain)
            chain.context = VMContext.objects.get()
            assert [job for job in jobs_of_points() if job in others] == others, point
            for each in RecoveryPoint.objects.filter(state=RecoveryPointState.AVAILABLE):
                chain.require_equal_point(each)
            while run.run_next():
                pass
            chain.clean()
            complete_vcenter(chain)
            chain.replicate()
            writing.write_due()
            assert chain.findings() == set(), point


@pytest.mark.slow
def test_a_restore_may_be_killed_anywhere_and_is_done_again(told: Chain, tmp_path: Path) -> None:
    """The VM is there with all that it had, or not at all."""
    before, files = jobs_of_points(), files_of(told)
    folder = str(told.estate.repository_folder)
    for number in itertools.count(1, 3):
        lose_the_database(tmp_path)
        argv = ("tests.retention.restore_that_dies", folder, str(number))
        code, stderr = nursery(database_url()).run(*argv)
        assert code in (0, -signal.SIGKILL), stderr
        assert jobs_of_points() in ([], before), number
        assert VMContext.objects.count() == bool(jobs_of_points()), number
        restore(told)
        require_points(told, before)
        assert files_of(told) == files
        if not code:
            break
    assert number > 20
    told.context = VMContext.objects.get()
    complete_vcenter(told)
    told.replicate()
    writing.write_due()
    assert told.findings() == set()


@pytest.mark.slow
@pytest.mark.parametrize("ahead", [None, 0, 3])
def test_an_older_database_harms_nothing_and_is_told_what_happened_since(
    told: Chain, tmp_path: Path, ahead: int | None
) -> None:
    """`ahead`: it has given that many versions more than the other one, of which none came to be
    written: versions alone do not tell then that it is older."""
    older = KeptRows(tmp_path / "older.sqlite3")
    told.remove(4)
    told.replicate()
    services.comment(RecoveryPoint.objects.latest("pk"), "the newest", actor="ops")
    writing.write_due()
    jobs, files = jobs_of_points(), files_of(told)

    version = ReplicaManifest.objects.get().version
    older.bring_back()
    if ahead is not None:
        ReplicaManifest.objects.update(version=version + ahead)
    assert "database_older" in told.findings()
    job = start.start(told.context, trigger="manual", requested_by="ops")
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert "restore_repository" in job.error_message
    told.want(6)
    run.run_next()
    told.clean()
    assert files_of(told) == files

    assert "1 of them new to the database, 1 is gone since" in restore(told)
    points = require_points(told, jobs)
    assert points[-1].comment == "the newest"
    job = try_again(job)
    assert (job.status, job.replication_type) == ("completed", "incremental"), job.error_message
    told.estate.assert_equal_to_snapshot(job.recovery_point)
    told.clean()
    writing.write_due()
    assert told.findings() == set()


@pytest.mark.slow
def test_a_job_that_an_older_database_takes_for_running_has_completed(
    told: Chain, tmp_path: Path
) -> None:
    """Its image is sealed, and is not taken for one that nobody needs."""
    told.estate.control.fill(VM, DISK1, 3 * MIB, MIB, seed="meanwhile")
    told.estate.worker_of(told.context, "between seal and commit")
    older = KeptRows(tmp_path / "older.sqlite3")
    told.estate.take_over()
    assert runner.run_next()
    writing.write_due()
    jobs = jobs_of_points()

    older.bring_back()
    job = ReplicationJob.objects.get(pk=jobs[-1])
    assert job.status == "running"
    told.estate.take_over()
    runner.run_next()
    assert ReplicationJob.objects.get(pk=job.pk).status == "pending"

    restore(told)
    require_points(told, jobs)
    told.context.refresh_from_db()
    assert told.context.current_job_id is None
    told.clean()
    told.replicate()
    writing.write_due()
    assert told.findings() == set()


def files_of(chain: Chain) -> dict[str, int]:
    found = chain.estate.repository_folder.rglob("*")
    return {str(it): it.stat().st_size for it in found if it.is_file()}


def test_whatever_happens_to_a_vm_makes_its_manifest_due(told: Chain) -> None:
    point, disk = told.point(7), VMDisk.objects.get(device_key=2001, removed_at=None)
    is_odd = {"unprotected_reason": "independent", "accept_unprotected": False}
    VMDisk.objects.filter(pk=disk.pk).update(**is_odd)
    other = repositories.add_directory("there", str(told.estate.repository_folder.parent / "two"))
    acts: list[Callable[[], object]] = [
        lambda: services.pin(point, comment="", actor="ops"),
        lambda: services.comment(point, "good", actor="ops"),
        lambda: services.unpin(point, actor="ops"),
        lambda: protection.leave_out(disk, actor="ops"),
        lambda: moving.move(told.context, other, actor="ops"),
        lambda: management.release(told.context, actor="ops"),
        lambda: vcenters.update(told.estate.vcenter, name="renamed"),
    ]
    for number, act in enumerate(acts):
        writing.write_due()
        row = ReplicaManifest.objects.get(repository=told.estate.repository)
        assert not writing.due().exists()
        act()
        assert list(writing.due()) == [row], number
        writing.write_due()
        now = ReplicaManifest.objects.get(pk=row.pk)
        assert now.written_version == now.version == row.version + 1, number
        assert writing.is_out_of_date(now) == ""


def test_no_manifest_is_believed_that_vmrep_would_not_write(told: Chain, tmp_path: Path) -> None:
    file = next((told.estate.repository_folder / told.context.pk).glob(".vmrep-manifest-*"))
    good = file.read_bytes()
    lose_the_database(tmp_path)
    for number, forge in enumerate(FORGERIES):
        file.unlink(missing_ok=True)
        forged = forge(good, file)
        if forged is not None:
            file.write_bytes(forged)
        assert "REFUSED" in restore(told, exit_code=1), number
        assert not VMContext.objects.exists(), number
        assert not VCenter.objects.exists(), number
    file.unlink()
    file.write_bytes(good)
    restore(told)
    assert VMContext.objects.exists()


def test_an_image_whose_header_leads_elsewhere_is_left_out(told: Chain, tmp_path: Path) -> None:
    """With what is based on it; the other points come back."""
    jobs = jobs_of_points()
    subprocess.run(
        ["qemu-img", "rebase", "-u", "-b", "/etc/passwd", "-F", "raw", told.file(5)], check=True
    )
    lose_the_database(tmp_path)
    assert "1 of 6 recovery points cannot be used" in restore(told, exit_code=1)
    assert "1 left out" in restore(told, "--leave-out")
    require_points(told, [*jobs[:3], *jobs[4:]])


def _forged(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes, Path], bytes]:
    """With a right digest."""

    def forge(good: bytes, file: Path) -> bytes:
        said = json.loads(good.partition(b"\n")[2])
        change(said)
        return _sealed(json.dumps(said).encode())

    return forge


def _sealed(body: bytes) -> bytes:
    return b"vmrep-manifest 1 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _image(said: dict[str, Any]) -> dict[str, Any]:
    image: dict[str, Any] = said["vm"]["points"][1]["images"][0]
    return image


FORGERIES: list[Callable[[bytes, Path], bytes | None]] = [
    lambda good, file: b"",
    lambda good, file: good[:-9],
    lambda good, file: good.replace(b"small2", b"small3", 1),
    lambda good, file: good.replace(b"vmrep-manifest 1", b"vmrep-manifest 2", 1),
    lambda good, file: _sealed(b"[" * 200_000),
    lambda good, file: _sealed(b'{"version":NaN}'),
    lambda good, file: _sealed(b'{"version":1,"version":1}'),
    lambda good, file: good + b" " * MOST_BYTES,
    lambda good, file: file.symlink_to("/etc/passwd"),
    lambda good, file: os.mkfifo(file),
    *map(
        _forged,
        [
            lambda said: said.update(version=said["version"] + 1),
            lambda said: said.update(repository="00000000-0000-0000-0000-000000000000"),
            lambda said: said.update(more=1),
            lambda said: said["vm"].pop("disks"),
            lambda said: said["vm"].update(context_id="../other"),
            lambda said: said["vm"].update(instance_uuid=""),
            lambda said: said["vm"].update(instance_uuid=7),
            lambda said: said["vm"].update(rpo_target_seconds=2**70),
            lambda said: said["vm"].update(rpo_target_seconds=True),
            lambda said: said["vm"]["specs"].update(vm_name="a\0b"),
            lambda said: said["vm"]["specs"].update(vm_name="\ud800"),
            lambda said: said["vm"]["specs"].update(vm_name={"a": 1}),
            lambda said: said["vm"]["vcenter"].update(trust_mode="anything"),
            lambda said: said["vm"]["vcenter"].update(port=99999),
            lambda said: said["vm"]["points"].reverse(),
            lambda said: said["vm"]["points"].append(said["vm"]["points"][0]),
            lambda said: said["vm"]["points"][0].update(consistent_at="yesterday"),
            lambda said: said["vm"]["points"][0].update(consistent_at="2026-01-01T00:00:00"),
            lambda said: said["vm"]["points"][0]["job"].update(id=""),
            lambda said: said["vm"]["points"][0]["job"].update(trigger="magic"),
            lambda said: said["vm"]["points"][0]["images"].pop(),
            lambda said: _image(said).update(locator="../../etc/passwd"),
            lambda said: _image(said).update(locator="/etc/passwd"),
            lambda said: _image(said).update(locator="ctx-other/disk-2000/x.qcow2"),
            lambda said: _image(said).update(parent=_image(said)["number"]),
            lambda said: _image(said).update(parent=None),
            lambda said: _image(said).update(disk=4711),
            lambda said: _image(said).update(capacity_bytes=512),
            lambda said: _image(said).update(digest="0" * 32),
        ],
    ),
]
