"""QueryChangedDiskAreas against what really differs between two contents."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from tests.lab.client import MIB, Client, change_id, differing
from tests.labs import LabCache
from vmrep.lab import LabControl

BLOCK = 65536


def covered(areas: list[tuple[int, int]], offset: int) -> bool:
    return any(start <= offset < start + length for start, length in areas)


@pytest.mark.parametrize(("name", "block"), [("small1", BLOCK), ("small2", 512)])
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_changed_areas_hold_every_difference_and_little_else(
    client: Client, lab_control: LabControl, name: str, block: int, seed: int
) -> None:
    """Between any two of a row of snapshots, some of which were removed in between."""
    choose = random.Random(seed)
    lab_control.set_task_delay(0)
    lab_control.keep_snapshots()
    lab_control.set_pages(extents=7, span_bytes=choose.choice([0, 5 * MIB]))
    vm = client.vm(name)
    client.track(vm)
    points: list[tuple[Any, str, bytes, set[int]]] = []
    written: set[int] = set()
    for _ in range(5):
        made = client.snapshot(vm)
        content = lab_control.kept_content(made._moId, 2000).read_bytes()
        points.append((made, change_id(made), content, set(written)))
        for _ in range(choose.randrange(12)):
            length = choose.choice([1, 512, 4096, 200_000])
            at = choose.randrange(64 * MIB - length)
            lab_control.write(name, 2000, at, choose.randbytes(length))
            written |= set(range(at // block, (at + length - 1) // block + 1))
        if choose.random() < 0.4:
            client.remove(choose.choice(points)[0])
            alive = {ref for v in lab_control.list_vms() for ref in v["snapshots"]}
            gone = [p for p in points if p[0]._moId not in alive]
            # their change IDs are still good to ask from: keep one as a starting point
            points = [p for p in points if p not in gone] if len(gone) > 1 else points
    alive = {ref for v in lab_control.list_vms() for ref in v["snapshots"]}
    pairs = [(a, b) for i, a in enumerate(points) for b in points[i + 1 :] if b[0]._moId in alive]
    assert pairs
    for (_, since, old, _), (snapshot, _, new, _) in pairs:
        areas = client.areas(vm, snapshot, 2000, since)
        changed = differing(old, new)
        assert all(covered(areas, at) for at in changed)
        assert areas == sorted(areas)
        assert all(start % block == 0 and length % block == 0 for start, length in areas)
        blocks = {b for s, n in areas for b in range(s // block, (s + n) // block)}
        assert blocks <= written


@pytest.mark.parametrize("name", ["small1", "small2"])
def test_allocated_areas_hold_everything_that_is_not_zero(
    client: Client, lab_control: LabControl, name: str
) -> None:
    vm = client.vm(name)
    client.track(vm)
    first = client.snapshot(vm)
    lab_control.fill(name, 2000, 50 * MIB + 512, 1024, 3)
    second = client.snapshot(vm)
    for snapshot in (first, second):
        content = lab_control.kept_content(snapshot._moId, 2000).read_bytes()
        areas = client.areas(vm, snapshot, 2000, "*")
        assert all(covered(areas, at) for at in differing(content, bytes(len(content))))
        assert sum(n for _, n in areas) < 20 * MIB
    assert covered(client.areas(vm, second, 2000, "*"), 50 * MIB + 512)


def test_thick_eager_disks_are_allocated_whole(client: Client) -> None:
    vm = client.vm("small2")
    client.track(vm)
    snapshot = client.snapshot(vm)
    assert client.areas(vm, snapshot, 2001, "*") == [(0, 20 * MIB)]


def test_pages_may_be_empty_in_the_middle(client: Client, lab_control: LabControl) -> None:
    vm = client.vm("small1")
    client.track(vm)
    first = client.snapshot(vm)
    for at in (40 * MIB, 60 * MIB):
        lab_control.write("small1", 2000, at, b"x")
    second = client.snapshot(vm)
    lab_control.set_pages(span_bytes=10 * MIB)
    pages, at = [], 0
    while at < 64 * MIB:
        page = vm.QueryChangedDiskAreas(second, 2000, at, change_id(first))
        pages.append([(a.start, a.length) for a in page.changedArea])
        at = page.startOffset + page.length
    assert pages == [[], [], [], [], [(40 * MIB, BLOCK)], [], [(60 * MIB, BLOCK)]]


def test_a_full_page_ends_with_its_last_area(client: Client, lab_control: LabControl) -> None:
    vm = client.vm("small1")
    client.track(vm)
    first = client.snapshot(vm)
    for n in range(5):
        lab_control.write("small1", 2000, n * MIB, b"x")
    second = client.snapshot(vm)
    lab_control.set_pages(extents=2)
    page = vm.QueryChangedDiskAreas(second, 2000, 0, change_id(first))
    assert (page.startOffset, page.length) == (0, MIB + BLOCK)
    # an offset in the middle of an area begins there
    page = vm.QueryChangedDiskAreas(second, 2000, MIB + 512, change_id(first))
    assert [(a.start, a.length) for a in page.changedArea] == [
        (MIB + 512, BLOCK - 512),
        (2 * MIB, BLOCK),
    ]


def test_arguments_that_make_no_sense_are_refused(client: Client) -> None:
    vm = client.vm("small1")
    client.track(vm)
    snapshot = client.snapshot(vm)
    other = client.snapshot(client.vm("small2"))
    good = change_id(snapshot)
    for arguments, wrong in [
        ((snapshot, 2000, 64 * MIB, good), "startOffset"),
        ((snapshot, 2000, -1, good), "startOffset"),
        ((snapshot, 2005, 0, good), "deviceKey"),
        ((other, 2000, 0, good), "snapshot"),
        ((snapshot, 2000, 0, "nonsense"), "changeId"),
        ((snapshot, 2000, 0, good + "x"), "changeId"),
    ]:
        with pytest.raises(vmodl.fault.InvalidArgument) as caught:
            vm.QueryChangedDiskAreas(*arguments)
        assert caught.value.invalidProperty == wrong


def test_change_ids_of_another_epoch_are_refused(client: Client, lab_control: LabControl) -> None:
    vm = client.vm("small1")
    client.track(vm)
    old = client.snapshot(vm)
    lab_control.reset_cbt("small1")
    new = client.snapshot(vm)
    assert change_id(new).rpartition("/")[0] != change_id(old).rpartition("/")[0]
    for since in (change_id(old), "00 00-00 00/1"):
        with pytest.raises(vim.fault.FileFault) as caught:
            vm.QueryChangedDiskAreas(new, 2000, 0, since)
        assert "small1" in caught.value.file
    assert client.areas(vm, new, 2000, "*")


def test_without_tracking_there_is_no_answer(client: Client) -> None:
    vm = client.vm("small1")
    untracked = client.snapshot(vm)
    with pytest.raises(vim.fault.FileFault):
        vm.QueryChangedDiskAreas(untracked, 2000, 0, "*")
    client.remove(untracked)
    client.track(vm)
    tracked = client.snapshot(vm)
    since = change_id(tracked)
    client.track(vm, False)
    assert vm.config.changeTrackingEnabled is False
    with pytest.raises(vim.fault.FileFault):
        vm.QueryChangedDiskAreas(tracked, 2000, 0, since)


def test_after_a_revert_the_sequence_goes_back(client: Client, lab_control: LabControl) -> None:
    """The trap: the epoch is the same, and change IDs handed out since are worth nothing."""
    vm = client.vm("small1")
    client.track(vm)
    first = client.snapshot(vm)
    lab_control.write("small1", 2000, 9 * MIB, b"x")
    second = client.snapshot(vm)
    since, old = change_id(second), lab_control.kept_content(second._moId, 2000)
    WaitForTask(first.RevertToSnapshot_Task())
    third = client.snapshot(vm)
    assert change_id(third) == since
    assert differing(old, lab_control.kept_content(third._moId, 2000))
    assert client.areas(vm, third, 2000, since) == []


def test_a_disk_of_two_tebibytes_costs_what_is_in_it(lab_cache: LabCache, tmp_path: Path) -> None:
    with lab_cache.running("huge", tmp_path / "lab") as lab:
        client, control = Client(lab), LabControl(lab.control_url)
        vm = client.vm("huge1")
        client.track(vm)
        first = client.snapshot(vm)
        areas = client.areas(vm, first, 2000, "*")
        assert 90 * MIB < sum(n for _, n in areas) < 130 * MIB
        assert areas[-1][0] + areas[-1][1] == 2 << 40
        control.write("huge1", 2000, (2 << 40) - 3, b"end")
        second = client.snapshot(vm)
        assert client.areas(vm, second, 2000, change_id(first)) == [((2 << 40) - BLOCK, BLOCK)]
        assert control.kept_content(first._moId, 2000).stat().st_size == 2 << 40
