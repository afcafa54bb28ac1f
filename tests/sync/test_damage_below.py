"""What has rotted in the image below is found by the job that would build on it."""

from __future__ import annotations

from replication.integrity import runs
from replication.integrity.findings import Scope
from replication.models import DiskImage, ImageDamage
from replication.states import JobStatus
from tests.sync.estate import MIB


def test_a_job_copies_no_damage_up_and_the_next_one_begins_a_new_chain(estate, small1):
    """Seen: four kilobytes flipped in a point's content, which every later point then had."""
    estate.control.fill("small1", 2000, 8 * MIB, MIB, seed=1)
    point = estate.replicate(small1).recovery_point
    image = point.images.get()
    file = estate.repository_folder / image.locator
    facts = file.stat()
    raw = estate.control.kept_content(image.snapshot_moref, 2000).read_bytes()
    content = bytearray(file.read_bytes())
    at = content.index(raw[8 * MIB + 64 * 1024 : 8 * MIB + 65 * 1024])
    for offset in range(at, at + 4096):
        content[offset] ^= 0xFF
    file.chmod(0o600)
    with file.open("r+b") as opened:
        opened.write(content)
    file.chmod(0o400)
    DiskImage.objects.filter(pk=image.pk).update(as_committed="")  # as if nobody had noticed that
    assert file.stat().st_size == facts.st_size

    estate.control.fill("small1", 2000, 8 * MIB, 4096, seed=2)  # in the same chunk
    job = estate.run_job(small1)
    assert job.status == JobStatus.FAILED
    assert f"{image.locator} are not those that were copied" in job.error_message
    damage = ImageDamage.objects.get(image=image, cleared_at=None)
    assert damage.code == "content_differs"
    runs.run_now(Scope(deep=True), actor="ops")  # reads no content, so it proves nothing
    damage.refresh_from_db()
    assert damage.cleared_at is None

    job = estate.replicate(small1)  # compared with its snapshot, as every one
    assert DiskImage.objects.get(job=job).parent is None
