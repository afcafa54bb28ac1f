"""A recovery point is read back: whole ones are found whole, and damage is found where it is."""

from __future__ import annotations

import json
import os
import subprocess
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from replication.engine.digests import read_digests
from replication.errors import VerificationEnded, VerificationLost
from replication.integrity import runs
from replication.integrity.findings import Scope
from replication.models import (
    DiskImage,
    ImageDamage,
    Occurrence,
    PointVerification,
    RecoveryPoint,
    RecoveryPointHold,
)
from replication.retention import services as retention
from replication.retention import steps
from replication.retention.standing import Standing
from replication.services import leases
from replication.states import LeaseHolder, VerificationState
from replication.verify import run, services, turns
from tests.retention.chain import DISK1, Chain

pytestmark = pytest.mark.any_database


def verify(point: RecoveryPoint) -> PointVerification:
    asked = services.request(point, trigger="manual", actor="ops")
    assert run.run_next() == asked.pk
    asked.refresh_from_db()
    return asked


def data_at(file: Path) -> int:
    """Where in an image's file its last stretch of data begins: no later image covers it."""
    told = subprocess.run(
        ["qemu-img", "map", "--output=json", str(file)], check=True, capture_output=True
    )
    own = [it for it in json.loads(told.stdout) if it["data"] and it.get("depth") == 0]
    return int(own[-1]["offset"])


def flip(file: Path, offset: int, bit: int = 0) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        (byte,) = opened.read(1)
        opened.seek(offset)
        opened.write(bytes([byte ^ 1 << bit]))


def test_each_point_is_found_as_it_was_copied(chain: Chain, caplog: pytest.LogCaptureFixture):
    for number in range(1, 8):
        done = verify(chain.point(number))
        assert done.state == VerificationState.VERIFIED, done.problem
        assert done.done_bytes == done.total_bytes > done.read_bytes > 0
        assert chain.point(number).verified_at is not None
    assert not RecoveryPointHold.objects.exists()
    assert not ImageDamage.objects.exists()
    assert "read wrong once" not in caplog.text


def test_a_flipped_bit_is_found_with_disk_offset_and_file(chain: Chain):
    file = chain.file(2)
    flip(file, data_at(file))
    done = verify(chain.point(3))
    assert done.state == VerificationState.DAMAGED, done.problem
    (damage,) = done.damages.all()
    assert damage.image == DiskImage.objects.get(
        recovery_point=chain.point(2), disk__device_key=DISK1
    )
    assert (damage.disk.device_key, damage.length_bytes) == (DISK1, 256 << 10)
    assert f"{damage.offset_bytes:,}" in damage.what
    assert "are not those" in damage.what
    damaged = {n for n in range(1, 8) if chain.point(n).damaged_at is not None}
    assert damaged == {2, 3, 4, 5}
    (told,) = Occurrence.objects.filter(kind="point_damaged")
    assert "is damaged" in told.what


def test_a_worker_that_is_killed_leaves_its_place_to_the_next_one(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
):
    """At any checkpoint: nothing that was compared is compared again, and what was found stays."""
    file = chain.file(2)
    flip(file, data_at(file))
    asked = services.request(chain.point(3), trigger="manual", actor="ops")
    monkeypatch.setattr(run, "CHECKPOINT_SECONDS", 0.0)
    checkpoint, seen = turns.checkpoint, list[tuple[int, int]]()

    class Killed(BaseException):
        """As good as SIGKILL: nothing handles it."""

    def dying(turn, offset, done_bytes, read_bytes, found):
        checkpoint(turn, offset, done_bytes, read_bytes, found)
        row = PointVerification.objects.get(pk=asked.pk)
        seen.append((row.position, row.offset_bytes))
        raise Killed

    monkeypatch.setattr(turns, "checkpoint", dying)
    while len(seen) < 100:
        try:
            run.run_next()
        except Killed:
            assert not turns.due()  # somebody has it
            PointVerification.objects.update(expires_at=Now())
        else:
            break
    asked.refresh_from_db()
    assert (asked.state, asked.damage_count) == (VerificationState.DAMAGED, 1)
    assert asked.done_bytes == asked.total_bytes
    assert seen == sorted(seen)
    assert len(set(seen)) > 4


def test_who_was_paused_writes_nothing_when_another_one_has_taken_over(chain: Chain):
    asked = services.request(chain.point(7), trigger="manual", actor="ops")
    mine = turns.claim(asked.pk)
    assert mine is not None
    assert turns.claim(asked.pk) is None
    PointVerification.objects.update(expires_at=Now())
    theirs = turns.claim(asked.pk)
    assert theirs is not None
    for late in (
        lambda: turns.checkpoint(mine, 1 << 20, 1 << 20, 0, []),
        lambda: turns.renew(mine),
        lambda: turns.hand_over(mine),
        lambda: turns.failed(mine, "late"),
        lambda: turns.end(mine, VerificationState.VERIFIED),
    ):
        with pytest.raises(VerificationLost):
            late()
    asked.refresh_from_db()
    assert (asked.token, asked.offset_bytes, asked.problem) == (theirs.token, 0, "")


def test_nothing_below_is_removed_while_a_point_is_read_and_a_cancelled_one_lets_go(chain: Chain):
    asked = services.request(chain.point(3), trigger="manual", actor="ops")
    assert turns.claim(asked.pk) is not None
    assert "reads it, or one that is based on it" in Standing(chain.context.pk).why_it_waits(
        chain.point(2).pk
    )
    services.cancel(asked, actor="boss")
    PointVerification.objects.update(expires_at=Now())
    assert run.run_next() == asked.pk
    asked.refresh_from_db()
    assert (asked.state, asked.cancelled_by) == (VerificationState.CANCELLED, "boss")
    assert not RecoveryPointHold.objects.exists()
    with pytest.raises(VerificationEnded):
        services.cancel(asked, actor="boss")
    chain.remove(2)
    chain.require_settled()


def test_a_verification_waits_for_a_merge_in_its_chain_and_only_for_that(chain: Chain):
    removal = retention.delete(chain.point(2), actor="ops")
    lease = leases.acquire(chain.context.pk, LeaseHolder.RETENTION)
    assert lease is not None
    steps.begin(removal, lease)
    asked = services.request(chain.point(3), trigger="manual", actor="ops")
    assert turns.claim(asked.pk) is None
    asked.refresh_from_db()
    assert "is being removed first" in asked.problem
    services.cancel(asked, actor="ops")
    asked.refresh_from_db()
    assert asked.state == VerificationState.CANCELLED
    other = services.request(chain.point(7), trigger="manual", actor="ops")
    assert turns.claim(other.pk) is not None


def test_a_file_that_was_put_back_is_good_again(chain: Chain):
    file = chain.file(2)
    place = data_at(file)
    flip(file, place)
    assert verify(chain.point(3)).state == VerificationState.DAMAGED
    chain.context.refresh_from_db()
    assert not chain.context.newest_point_damaged  # the newest is in a chain of its own
    run_integrity_check_deep()
    assert chain.point(3).damaged_at is not None  # it reads no content, so it clears nothing
    flip(file, place)
    done = verify(chain.point(3))
    assert done.state == VerificationState.VERIFIED
    assert "verify the recovery points of" in done.problem  # what is not seen from there
    assert verify(chain.point(2)).state == VerificationState.VERIFIED
    for number in (2, 3, 4, 5):
        assert chain.point(number).damaged_at is None


def of_before(chain: Chain) -> dict[int, str]:
    """As an older version left the files: without maps. Returns the digests of those."""
    images = DiskImage.objects.exclude(map_digest="")
    known = dict(images.values_list("pk", "map_digest"))
    for image in images:
        (chain.estate.repository_folder / f"{image.locator}.map").unlink()
    images.update(map_digest="", as_committed="")
    return known


def test_images_of_before_get_their_maps_first(chain: Chain):
    known = of_before(chain)
    assert verify(chain.point(7)).state == VerificationState.VERIFIED
    of_chain = {image.pk for each in chain.point(7).images.all() for image in turns.chain_of(each)}
    assert len(of_chain) >= 4
    made = dict(DiskImage.objects.filter(pk__in=of_chain).values_list("pk", "map_digest"))
    assert made == {key: known[key] for key in of_chain}
    assert verify(chain.point(7)).state == VerificationState.VERIFIED
    assert runs.run_now(Scope(deep=True), actor="ops").finding_count == 0


def test_an_image_of_before_that_has_rotted_gets_no_map(chain: Chain):
    of_before(chain)
    image = chain.point(7).images.get(disk__device_key=DISK1)
    file = chain.estate.repository_folder / image.locator
    raw = chain.estate.control.kept_content(image.snapshot_moref, DISK1).read_bytes()
    read = (raw[it.offset : it.offset + 512] for it in read_digests(Path(f"{file}.digests")))
    # What its job read; of what qemu put beside it from below, nobody knows anything.
    flip(file, file.read_bytes().index(next(each for each in read if any(each))))
    done = verify(chain.point(7))
    assert done.state == VerificationState.DAMAGED
    assert "not those that were copied" in done.damages.get().what
    image.refresh_from_db()
    assert image.map_digest == ""


def test_a_repository_that_is_away_is_no_damage(chain: Chain):
    services.request(chain.point(7), trigger="manual", actor="ops")
    folder = chain.estate.repository_folder
    folder.rename(folder.with_name("away"))
    for _ in range(turns.MOST_ATTEMPTS):
        assert run.run_next() is not None
        PointVerification.objects.update(next_attempt_at=None)
    done = PointVerification.objects.get()
    assert done.state == VerificationState.FAILED
    assert str(folder) in done.problem
    assert not ImageDamage.objects.exists()
    folder.with_name("away").rename(folder)


def test_a_new_job_begins_a_new_chain_after_the_newest_point_was_found_damaged(chain: Chain):
    file = chain.file(7)
    flip(file, data_at(file))
    assert verify(chain.point(7)).state == VerificationState.DAMAGED
    chain.context.refresh_from_db()
    assert chain.context.newest_point_damaged
    chain.estate.control.fill("small2", DISK1, 3 << 20, 1 << 20, seed="after")
    job = chain.estate.run_job(chain.context)
    assert job.status == "completed", job.error_message
    assert job.replication_type == "initial"
    chain.estate.assert_equal_to_snapshot(job.recovery_point)


def test_the_command_says_what_it_found(chain: Chain):
    file = chain.file(2)
    flip(file, data_at(file))
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify", str(chain.point(2).pk), "--json", stdout=out)
    assert ended.value.code == 1
    (said,) = json.loads(out.getvalue())["verifications"]
    assert (said["state"], said["damage_count"]) == ("damaged", 1)
    assert said["damages"][0]["file"] == file.relative_to(chain.estate.repository_folder).as_posix()
    out = StringIO()
    call_command("verify", "small2", stdout=out)
    assert f"recovery point {chain.point(7).pk}" in out.getvalue()
    assert ": verified" in out.getvalue()
    with pytest.raises(CommandError, match="There is no recovery point and no VM"):
        call_command("verify", "nobody")
    with pytest.raises(CommandError, match="or say --all"):
        call_command("verify")


def run_integrity_check_deep() -> None:
    assert runs.run_now(Scope(deep=True), actor="ops").outcome != "broken_off"


def test_a_file_that_was_only_touched_is_proven_and_then_compared_with_what_it_is(chain: Chain):
    file = chain.file(7)
    os.utime(file)
    runs.run_now(Scope(), actor="ops")
    assert chain.point(7).damaged_at is not None
    assert verify(chain.point(7)).state == VerificationState.VERIFIED
    assert chain.point(7).damaged_at is None
    assert runs.run_now(Scope(), actor="ops").outcome == "ok"
    job = chain.replicate()
    assert job.recovery_point.images.filter(parent__recovery_point=chain.point(7)).count() == 2


def test_a_file_that_changes_while_it_is_read_proves_nothing(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
):
    file, checkpoint = chain.file(7), turns.checkpoint

    def touching(*given):
        checkpoint(*given)
        os.utime(file)

    with monkeypatch.context() as patch:
        patch.setattr(turns, "checkpoint", touching)
        done = verify(chain.point(7))
    assert done.state == VerificationState.RUNNING
    assert "was changed while it was read" in done.problem
    assert chain.point(7).verified_at is None
    PointVerification.objects.update(next_attempt_at=None)
    assert run.run_next() == done.pk
    done.refresh_from_db()
    assert done.state == VerificationState.VERIFIED
