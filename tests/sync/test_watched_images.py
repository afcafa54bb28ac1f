"""A file of a chain is changed after the commit: nothing is based on it then, and it is told."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from contexts.clock import database_now
from contexts.models import VMContext
from replication.engine.directory import DirectoryRepository
from replication.integrity import look, runs
from replication.integrity.findings import Scope
from replication.models import DiskImage, ImageDamage, RecoveryPoint
from replication.selectors.damages import why_broken
from replication.selectors.protection import facts_of, state_of, terms
from replication.services import commits
from replication.storage.targets import target
from tests.sync.estate import MIB, Estate, difference, try_again

pytestmark = pytest.mark.any_database

ROOT, MIDDLE, NEWEST = 0, 1, 2


@pytest.fixture
def chain(estate: Estate, small1: VMContext) -> list[DiskImage]:
    """Three images of one disk, each with something of its own."""
    for number in (1, 2):
        estate.control.fill("small1", 2000, number * 8 * MIB, MIB, seed=f"change {number}")
        estate.replicate(small1)
    images = list(DiskImage.objects.order_by("pk"))
    assert [image.parent for image in images] == [None, *images[:2]]
    return images


def flip(file: Path) -> None:
    """4 KiB of the content, in the middle of the file."""
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        found = opened.read(4096)
        opened.seek(-len(found), os.SEEK_CUR)
        opened.write(bytes(byte ^ 0xFF for byte in found))


def boot(file: Path) -> None:
    """As a guest that writes a little: QEMU itself opens the image and writes to it."""
    command = ["qemu-io", "-f", "qcow2", "-c", "write -P 7 1M 64k", "-c", "flush", file]
    subprocess.run(command, check=True, capture_output=True)


def replace_by_an_empty_one(file: Path) -> None:
    """With the same size, and based on the same file."""
    header = subprocess.run(
        ["qemu-img", "info", "-U", "--output=json", file], check=True, capture_output=True
    ).stdout.decode()
    size = header.partition('"virtual-size": ')[2].partition(",")[0]
    name = header.partition('"backing-filename": "')[2].partition('"')[0]
    file.unlink()
    subprocess.run(
        ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", name, file, size],
        check=True,
    )


def cut_to_half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


DAMAGES = [
    pytest.param(flip, ROOT, "image_file_changed", id="flipped"),
    pytest.param(boot, NEWEST, "image_opened_elsewhere", id="booted"),
    pytest.param(replace_by_an_empty_one, MIDDLE, "image_file_changed", id="emptied"),
    pytest.param(cut_to_half, ROOT, "image_file_changed", id="cut"),
]


def state(vm: VMContext) -> str:
    vm.refresh_from_db()
    return str(state_of(facts_of(vm), terms(database_now())))


def points_are_good(estate: Estate, images: list[DiskImage]) -> None:
    for image in images:
        raw = estate.control.kept_content(image.snapshot_moref, image.disk.device_key)
        assert difference(estate.repository_folder / image.locator, raw) is None


@pytest.mark.parametrize("by_check", [True, False], ids=["hourly", "job"])
@pytest.mark.parametrize(("damage", "number", "code"), DAMAGES)
def test_what_was_changed_is_found_and_nothing_is_based_on_it(
    estate: Estate,
    small1: VMContext,
    chain: list[DiskImage],
    damage: Callable[[Path], None],
    number: int,
    code: str,
    by_check: bool,
) -> None:
    damage(estate.repository_folder / chain[number].locator)
    if by_check:
        runs.run_now(Scope(), actor="ops")
        (found,) = ImageDamage.objects.all()
        assert (found.image, found.code) == (chain[number], code)
        assert state(small1) == "broken"
        assert chain[number].locator in why_broken(small1).why
    estate.control.fill("small1", 2000, 24 * MIB, MIB, seed="after")

    job = estate.run_job(small1)

    assert (job.status, job.replication_type) == ("completed", "initial"), job.error_message
    (new,) = job.images.all()
    assert new.parent is None
    assert "so a new" in new.plan_note
    estate.assert_equal_to_snapshot(job.recovery_point)
    found = ImageDamage.objects.get(cleared_at=None)
    assert (found.image, found.code) == (chain[number], code)
    damaged = RecoveryPoint.objects.exclude(damaged_at=None).order_by("pk")
    assert list(damaged) == [image.recovery_point for image in chain[number:]]
    points_are_good(estate, chain[:number])
    assert state(small1) != "broken"
    assert estate.run_job(small1).replication_type == "incremental"


def test_a_booted_image_is_named(estate: Estate, small1: VMContext, chain: list[DiskImage]) -> None:
    boot(estate.repository_folder / chain[NEWEST].locator)
    (finding,) = look.find(Scope())
    assert "was opened for writing by another program after it was committed" in finding.what
    assert "as when a VM is started on it; start VMs on an overlay or a copy" in finding.what
    assert "Start VMs on an overlay" in finding.remedy
    assert finding.vm_name == "small1"


def test_a_repository_that_was_copied_is_in_doubt_and_no_vm_is_broken(
    estate: Estate, small1: VMContext, chain: list[DiskImage]
) -> None:
    before = state(small1)
    for path in estate.repository_folder.rglob("*.qcow2*"):
        shutil.copy2(path, path.with_suffix(".copy"))
        path.with_suffix(".copy").replace(path)
    runs.run_now(Scope(), actor="ops")
    assert {finding.code for finding in look.find(Scope())} == {"image_in_doubt"}
    assert not ImageDamage.objects.exists()
    assert state(small1) == before
    job = estate.run_job(small1)
    assert (job.status, job.replication_type) == ("completed", "initial"), job.error_message
    assert "not as it was committed" in job.images.get().plan_note


def test_what_was_proven_takes_the_place_of_what_was_committed(
    estate: Estate, small1: VMContext, chain: list[DiskImage]
) -> None:
    """Content that is as it was, in a file that is not."""
    file = estate.repository_folder / chain[ROOT].locator
    flip(file)
    runs.run_now(Scope(), actor="ops")
    flip(file)
    runs.run_now(Scope(), actor="ops")
    assert state(small1) == "broken", "nobody has read it"
    facts = target(chain[ROOT].repository).facts(chain[ROOT].locator)
    commits.accept(small1.pk, {chain[ROOT].pk: facts})
    assert list(look.find(Scope())) == []
    assert state(small1) != "broken"
    estate.control.fill("small1", 2000, 24 * MIB, MIB, seed="after")
    assert estate.replicate(small1).replication_type == "incremental"


def test_what_an_older_version_did_not_note_is_noted_by_the_next_check(
    estate: Estate, small1: VMContext, chain: list[DiskImage]
) -> None:
    DiskImage.objects.update(as_committed="")
    assert estate.replicate(small1).replication_type == "incremental", "as before"
    runs.run_now(Scope(), actor="ops")
    noted = {it.pk: it.as_committed for it in DiskImage.objects.all()}
    assert all(noted.values())
    flip(estate.repository_folder / chain[ROOT].locator)
    runs.run_now(Scope(), actor="ops")
    assert noted == {it.pk: it.as_committed for it in DiskImage.objects.all()}
    assert state(small1) == "broken"


def test_a_chain_that_is_changed_while_a_job_copies_gets_no_image(
    estate: Estate,
    small1: VMContext,
    chain: list[DiskImage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next attempt begins a new one."""
    estate.control.fill("small1", 2000, 24 * MIB, MIB, seed="after")
    create = DirectoryRepository.create

    def changing(self: DirectoryRepository, *arguments: object, **more: object) -> None:
        create(self, *arguments, **more)
        monkeypatch.undo()
        flip(estate.repository_folder / chain[ROOT].locator)

    monkeypatch.setattr(DirectoryRepository, "create", changing)
    job = estate.run_job(small1)
    assert job.status == "pending", job.error_message
    assert "an image that it is based on was changed" in job.error_message
    job = try_again(job)
    assert (job.status, job.replication_type) == ("completed", "initial"), job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(small1)
