"""Somebody who can write to the repository points an image's header at a file of this machine."""

from __future__ import annotations

import struct
import subprocess

import pytest

from replication.integrity import look
from replication.integrity.findings import Scope
from replication.models import DiskImage
from replication.services import left_overs
from replication.sync import cleanup
from tests.engine.support import name_the_backing_file, patch
from tests.engine.test_headers_that_lead_elsewhere import external_data
from tests.sync.estate import MIB


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "shadow"
    path.write_bytes(b"root:$6$ the victim's secret $\n" * 1024 * 4 + bytes(512))
    return path


def _backing_file(image, victim) -> None:
    subprocess.run(
        ["qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", victim, image], check=True
    )


@pytest.mark.parametrize(
    "alter", [_backing_file, pytest.param(external_data, marks=pytest.mark.slow)]
)
def test_a_job_reads_nothing_through_it_and_begins_a_new_chain(estate, victim, alter, small1):
    image = DiskImage.objects.get()
    alter(estate.repository_folder / image.locator, victim)
    before = victim.read_bytes()
    estate.control.fill("small1", 2000, 4 * MIB, 8 * MIB, seed=1)

    job = estate.run_job(small1)

    require_new_chain(estate, job, image, str(victim))
    assert victim.read_bytes() == before
    for context_id in left_overs.contexts_to_clean():
        cleanup.clean_context(context_id)
    assert list(estate.repository_folder.rglob("*.tmp")) == []
    codes = {finding.code for finding in look.find(Scope())}
    assert codes & {"backing_file_differs", "image_file_damaged"}


def require_new_chain(estate, job, damaged: DiskImage, *words: str) -> None:
    """The job says why, and the old point is damaged for the same reason."""
    assert (job.status, job.replication_type) == ("completed", "initial"), job.error_message
    note = job.images.get().plan_note
    assert "not as it was committed, so a new one begins" in note
    damaged.recovery_point.refresh_from_db()
    for word in (damaged.locator, *words):
        assert word in note
        assert word in damaged.recovery_point.damage
    estate.assert_equal_to_snapshot(job.recovery_point)


@pytest.mark.slow
def test_a_job_does_not_build_on_an_image_that_somebody_made_a_snapshot_in(estate, small1):
    """It can be taken back to then, and nothing else about it would tell."""
    image = DiskImage.objects.get()
    file = estate.repository_folder / image.locator
    subprocess.run(["qemu-img", "snapshot", "-c", "by hand", file], check=True)
    estate.control.fill("small1", 2000, 4 * MIB, MIB, seed=1)
    (finding,) = look.find(Scope())
    assert finding.code == "image_file_damaged"
    job = estate.run_job(small1)
    require_new_chain(estate, job, image, "holds internal snapshots (1)")
    subprocess.run(["qemu-img", "snapshot", "-d", "by hand", file], check=True)
    (finding,) = look.find(Scope())
    assert finding.code == "image_opened_elsewhere", "it is not what it was"
    estate.replicate(small1)


@pytest.mark.slow
@pytest.mark.parametrize("name", [b"x\xffy", b"a\0b"])
def test_a_backing_name_that_is_no_text_is_said_readably(estate, name, small1):
    image = DiskImage.objects.get()
    name_the_backing_file(estate.repository_folder / image.locator, name)
    require_new_chain(estate, estate.run_job(small1), image, "is based on ")


@pytest.mark.slow
def test_a_backing_name_beyond_every_file_is_said(estate, small1):
    image = DiskImage.objects.get()
    patch(estate.repository_folder / image.locator, 8, struct.pack(">QI", 1 << 63, 3))
    require_new_chain(estate, estate.run_job(small1), image, "beyond its end")
