from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pyVmomi import vim

from contexts.vsphere import cbt, snapshots
from contexts.vsphere.errors import CbtFault, ObjectGone, PrivilegeMissing, VSphereFault
from contexts.vsphere.inventory import VmRecord, read_vm
from contexts.vsphere.session import Session
from vmrep.lab.control.client import LabControl

QUERY = "QueryChangedDiskAreas"
CAPACITY = 64 << 20
KEY = 2000
MIB = 1 << 20


@pytest.fixture
def tracked(session: Session, control: LabControl, vm: VmRecord) -> Iterator[VmRecord]:
    cbt.enable(session, vm.moref)
    yield vm
    control.clear_faults()
    control.set_pages()
    while found := snapshots.tree(session, vm.moref):
        snapshots.remove(session, found[0].moref)


def take(session: Session, vm: VmRecord, name: str) -> tuple[str, str]:
    """(moref, change ID of the disk) of a new snapshot."""
    moref = snapshots.create(session, vm.moref, name, "", False).moref
    return moref, snapshots.disks(session, moref)[0].change_id or ""


def areas(session: Session, vm: VmRecord, snapshot: str, change_id: str) -> list[tuple[int, int]]:
    return list(cbt.changed_areas(session, vm.moref, snapshot, KEY, CAPACITY, change_id))


def covered(found: list[tuple[int, int]]) -> set[int]:
    """The 64 KiB blocks that the areas touch."""
    return {
        block
        for start, length in found
        for block in range(start >> 16, (start + length + 0xFFFF) >> 16)
    }


def test_enabling_is_seen_in_the_specs(session: Session, tracked: VmRecord) -> None:
    now = read_vm(session, tracked.instance_uuid or "", tracked.moref)
    assert now.specs["cbt_enabled"] is True


def test_only_what_was_written_between_two_snapshots_is_listed(
    session: Session, control: LabControl, tracked: VmRecord
) -> None:
    _, before = take(session, tracked, "one")
    control.write(tracked.moref, KEY, 40 * MIB, b"x" * 65536)
    control.write(tracked.moref, KEY, 50 * MIB + 3 * 512, b"y" * 512)
    second, _ = take(session, tracked, "two")
    control.write(tracked.moref, KEY, 60 * MIB, b"later" * 1000)
    assert covered(areas(session, tracked, second, before)) == {40 * 16, 50 * 16}


def test_all_pages_are_read_also_behind_empty_ones(
    session: Session, control: LabControl, tracked: VmRecord, calls: list[str]
) -> None:
    _, before = take(session, tracked, "one")
    for offset in (40, 41, 63):
        control.write(tracked.moref, KEY, offset * MIB, b"x" * 65536)
    second, _ = take(session, tracked, "two")
    calls.clear()
    whole = areas(session, tracked, second, before)
    assert calls == [QUERY]
    control.set_pages(extents=1, span_bytes=8 * MIB)
    calls.clear()
    assert areas(session, tracked, second, before) == whole
    # 8 spans of 8 MiB, one of them with two areas, so two pages; none at the capacity itself.
    assert calls == [QUERY] * 9


def test_star_lists_what_is_allocated(session: Session, tracked: VmRecord) -> None:
    moref, _ = take(session, tracked, "one")
    found = areas(session, tracked, moref, "*")
    assert 0 in covered(found)
    assert sum(length for _, length in found) < CAPACITY
    assert all(start % 512 == length % 512 == 0 for start, length in found)


@pytest.mark.parametrize("change_id", ["52 31 00 00/1", "nonsense", ""])
def test_a_change_id_that_is_not_of_this_epoch_is_a_cbt_fault(
    session: Session, tracked: VmRecord, change_id: str
) -> None:
    moref, _ = take(session, tracked, "one")
    with pytest.raises(CbtFault, match=rf"disk {KEY} of {tracked.moref}"):
        areas(session, tracked, moref, change_id)


def test_a_reset_of_tracking_is_a_cbt_fault(
    session: Session, control: LabControl, tracked: VmRecord
) -> None:
    moref, before = take(session, tracked, "one")
    snapshots.remove(session, moref)
    control.reset_cbt(tracked.moref)
    second, after = take(session, tracked, "two")
    assert after.partition("/")[0] != before.partition("/")[0]
    with pytest.raises(CbtFault) as fault:
        areas(session, tracked, second, before)
    assert fault.value.fault == "FileFault"


@pytest.mark.parametrize("name", ["FileLocked", "InvalidState", "SystemError", "VmConfigFault"])
def test_a_query_that_fails_is_made_again_and_then_the_disk_is_compared_whole(
    session: Session, control: LabControl, tracked: VmRecord, name: str
) -> None:
    moref, _ = take(session, tracked, "one")
    whole = areas(session, tracked, moref, "*")
    control.fail(QUERY, fault=name)
    assert areas(session, tracked, moref, "*") == whole
    control.fail(QUERY, fault=name, times=2, message="Failed to lock the file.")
    with pytest.raises(CbtFault, match="Failed to lock the file") as fault:
        areas(session, tracked, moref, "*")
    assert fault.value.fault == name


def test_other_faults_are_not_taken_for_tracking(
    session: Session, control: LabControl, tracked: VmRecord
) -> None:
    moref, _ = take(session, tracked, "one")
    for name in ("TaskInProgress", "InvalidHostState", "HostNotConnected", "Timedout"):
        control.fail(QUERY, fault=name, message="busy", times=2)
        with pytest.raises(VSphereFault) as fault:
            areas(session, tracked, moref, "*")
        assert not isinstance(fault.value, CbtFault)
        assert fault.value.transient
    control.deny_privilege("VirtualMachine.Provisioning.DiskRandomRead")
    with pytest.raises(PrivilegeMissing, match="DiskRandomRead"):
        areas(session, tracked, moref, "*")


def test_a_snapshot_that_is_gone_is_reported(session: Session, tracked: VmRecord) -> None:
    with pytest.raises(ObjectGone):
        areas(session, tracked, "snapshot-999999", "*")


def test_a_lost_page_is_asked_for_again(
    session: Session, control: LabControl, tracked: VmRecord
) -> None:
    moref, _ = take(session, tracked, "one")
    whole = areas(session, tracked, moref, "*")
    control.set_pages(span_bytes=16 * MIB)
    control.drop_connection(QUERY, nth=2)
    control.fail(QUERY, nth=3, fault="NotAuthenticated")
    assert areas(session, tracked, moref, "*") == whole


def test_an_answer_that_leads_nowhere_does_not_loop_for_ever(
    session: Session, tracked: VmRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    moref, _ = take(session, tracked, "one")
    invoke = session.invoke

    def stuck(doing: str, call: Any, **how: Any) -> Any:
        answer = invoke(doing, call, **how)
        if isinstance(answer, vim.VirtualMachine.DiskChangeInfo):
            answer.length = 0
        return answer

    monkeypatch.setattr(session, "invoke", stuck)
    with pytest.raises(CbtFault, match="never"):
        areas(session, tracked, moref, "*")


def test_a_page_that_begins_later_than_asked_is_a_fault(
    session: Session, tracked: VmRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is between was never told: as if nothing had changed there."""
    snapshot, _ = take(session, tracked, "one")
    invoke = session.invoke

    def later(doing: str, call: Any, **how: Any) -> Any:
        page = invoke(doing, call, **how)
        start = int(page.startOffset) + MIB
        return SimpleNamespace(startOffset=start, length=page.length, changedArea=[])

    monkeypatch.setattr(session, "invoke", later)
    with pytest.raises(CbtFault, match="the gap is unknown"):
        areas(session, tracked, snapshot, "*")
    monkeypatch.undo()  # before the snapshot is removed


@pytest.mark.parametrize("bound", ["_MOST_AREAS", "_MOST_PAGES"])
def test_an_answer_in_more_pieces_than_anybody_needs_is_a_fault(
    session: Session,
    control: LabControl,
    tracked: VmRecord,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
) -> None:
    moref, _ = take(session, tracked, "one")
    control.set_pages(span_bytes=1 * MIB)
    monkeypatch.setattr(cbt, bound, 1)
    with pytest.raises(CbtFault, match="there are more"):
        areas(session, tracked, moref, "*")
