"""Change tracking that cannot be trusted: the disk is compared, and nothing is missed."""

import pytest

from replication.models import CBTHistory
from tests.sync.estate import MIB
from vmrep.lab.disks.changes import LIES

UNTRUE = ("outside", "endless", "gap")
ALSO_UNTRUE = ("negative", "misaligned", "before", "huge")
ODD = ("unsorted", "overlapping")  # said oddly, and true


@pytest.fixture
def ready(estate, small1):
    """A VM with one recovery point, and changes since then in two places."""
    estate.control.fill("small1", 2000, 8 * MIB, MIB, seed=1)
    estate.control.fill("small1", 2000, 40 * MIB, MIB, seed=2)
    return small1


def test_every_lie_of_the_lab_is_told_here():
    assert {*UNTRUE, *ALSO_UNTRUE, *ODD, "nothing"} == {*LIES}


@pytest.mark.parametrize(
    "lies", [UNTRUE, pytest.param(ALSO_UNTRUE, marks=pytest.mark.slow)], ids=["some", "others"]
)
def test_an_answer_that_cannot_be_true_is_followed_by_a_comparison(estate, ready, lies):
    """And by no failure: neither of this job nor of any later one."""
    for lie in lies:
        estate.control.lie_about_changes("small1", 2000, lie)
        estate.control.fill("small1", 2000, 16 * MIB, MIB, seed=lie)
        job = estate.replicate(ready)
        entry = CBTHistory.objects.get(job=job)
        assert (entry.sync_type, lie) == ("checksum", lie)
        assert "whole disk is compared" in entry.note, lie
    estate.control.lie_about_changes("small1", 2000)
    estate.control.fill("small1", 2000, 24 * MIB, MIB, seed="true")
    assert estate.replicate(ready).bytes_transferred == MIB


@pytest.mark.parametrize("lie", ["unsorted", pytest.param("overlapping", marks=pytest.mark.slow)])
def test_an_odd_answer_that_is_true_is_used(estate, ready, lie):
    estate.control.lie_about_changes("small1", 2000, lie)
    job = estate.replicate(ready)
    assert (job.replication_type, job.bytes_transferred) == ("incremental", 2 * MIB)


@pytest.mark.slow
def test_a_list_of_allocated_areas_that_cannot_be_true_has_the_whole_disk_read(estate):
    context = estate.take("small1")
    estate.control.lie_about_changes("small1", 2000, "outside")
    job = estate.replicate(context)
    entry = CBTHistory.objects.get(job=job)
    assert (entry.sync_type, entry.bytes_transferred) == ("initial", entry.capacity_bytes)
    assert "the whole disk is read" in entry.note
