"""A removal finds that a file of its chain is not as it was committed."""

from __future__ import annotations

import shutil

import pytest

from replication.models import DiskImage, ImageDamage
from replication.retention import run
from replication.states import RecoveryPointState
from tests import committed
from tests.retention.chain import DISK1, Chain

pytestmark = pytest.mark.any_database


def test_nothing_is_merged_with_what_was_changed(chain: Chain) -> None:
    """Found before anything is changed: the point stays what it was."""
    file = chain.file(2)
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size - 4096)
        opened.write(b"x" * 4096)
    before = file.read_bytes()
    chain.want(2)
    run.run_next()
    assert file.read_bytes() == before
    assert chain.point(2).state == RecoveryPointState.AVAILABLE
    damage = ImageDamage.objects.get()
    assert (damage.code, damage.image.locator) == (
        "image_file_changed",
        str(file.relative_to(chain.estate.repository_folder)),
    )
    assert file.name in chain.problems()[0]


def test_what_comes_of_a_merge_with_what_is_in_doubt_is_in_doubt(chain: Chain) -> None:
    """A merge reads again what it writes, and not all of the image: it proves nothing."""
    file = chain.file(2)
    shutil.copy2(file, file.with_name("restored"))
    file.with_name("restored").replace(file)
    chain.remove(2)
    assert chain.findings() == {"image_in_doubt"}
    chain.remove(1)
    assert chain.findings() == {"image_in_doubt"}, "however often it is merged"
    chain.require_equal()
    committed.accept_all()
    chain.require_settled()


def test_merged_images_are_as_they_were_committed(chain: Chain) -> None:
    before = DiskImage.objects.get(recovery_point=chain.point(3), disk__device_key=DISK1)
    chain.remove(2)
    after = DiskImage.objects.get(pk=before.pk)
    assert after.as_committed != before.as_committed
    assert chain.file(3).stat().st_mode & 0o777 == 0o400
    chain.require_settled()
    chain.replicate()
