from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterator

import pytest
from pyVmomi import vim

from contexts.vsphere import cbt, snapshots
from contexts.vsphere.errors import (
    ConnectionLost,
    ObjectGone,
    PrivilegeMissing,
    QuiesceFailed,
    TaskFailed,
    TaskStillRunning,
)
from contexts.vsphere.inventory import VmRecord, read_vm
from contexts.vsphere.session import Session
from contexts.vsphere.tasks import wait_for_task
from vmrep.lab.control.client import LabControl

Connect = Callable[..., Session]
NAME = "vmrep:job-1:1"
CREATE, REMOVE, WAIT = "CreateSnapshot_Task", "RemoveSnapshot_Task", "WaitForUpdatesEx"


@pytest.fixture(autouse=True)
def _leave_no_snapshots(session: Session, control: LabControl, vm: VmRecord) -> Iterator[None]:
    yield
    control.clear_faults()
    control.refuse_snapshot_removal(vm.moref, on=False)
    control.leave_consolidation(vm.moref, on=False)
    while found := snapshots.tree(session, vm.moref):
        snapshots.remove(session, found[0].moref)
    snapshots.consolidate(session, vm.moref)


def create(session: Session, vm: VmRecord, name: str = NAME, quiesce: bool = False) -> str:
    return snapshots.create(session, vm.moref, name, "made by a test", quiesce).moref


# ------------------------------------------------------------------ making and finding


def test_a_snapshot_is_made_and_found_by_name(session: Session, vm: VmRecord) -> None:
    before = datetime.datetime.now(datetime.UTC)
    made = snapshots.create(session, vm.moref, NAME, "d", quiesce=False)
    (found,) = snapshots.named(session, vm.moref, NAME)
    assert (found.moref, found.name, found.parent_moref) == (made.moref, NAME, None)
    assert found.created_at is not None
    assert abs(found.created_at - before) < datetime.timedelta(minutes=1)
    assert snapshots.named(session, vm.moref, "vmrep:job-1:2") == []
    seen = read_vm(session, vm.instance_uuid or "", vm.moref)
    assert seen.snapshots == (found,)
    assert seen.specs["snapshot_count"] == 1


def test_what_was_achieved_is_told_not_what_was_asked(
    session: Session, vms: dict[str, VmRecord]
) -> None:
    running, off = vms["small1"], vms["small2"]
    assert snapshots.create(session, running.moref, NAME, "d", True).quiesced_achieved is True
    assert snapshots.create(session, running.moref, "b", "d", False).quiesced_achieved is False
    # There is nothing to quiesce in a VM that is off: vSphere ignores the wish without an error.
    ignored = snapshots.create(session, off.moref, NAME, "d", True)
    assert ignored.quiesced_achieved is False
    snapshots.remove(session, ignored.moref)


def test_a_guest_that_cannot_be_quiesced_is_distinguished(
    session: Session, control: LabControl, vm: VmRecord
) -> None:
    for fault in ("ApplicationQuiesceFault", "GenericVmConfigFault", "InvalidState", "SystemError"):
        for in_task in (True, False):
            control.fail(CREATE, fault=fault, message="VSS said no.", in_task=in_task)
            with pytest.raises(QuiesceFailed, match=r"VSS said no\.") as failed:
                create(session, vm, quiesce=True)
            assert failed.value.fault == fault
    assert snapshots.tree(session, vm.moref) == ()


def test_a_busy_vm_is_no_guest_that_cannot_be_quiesced(
    session: Session, control: LabControl, vm: VmRecord
) -> None:
    control.fail(CREATE, fault="TaskInProgress", in_task=True)
    with pytest.raises(TaskFailed) as failed:
        create(session, vm, quiesce=True)
    assert not isinstance(failed.value, QuiesceFailed)
    assert failed.value.transient


def test_a_failed_task_has_vcenters_own_words(
    session: Session, control: LabControl, vm: VmRecord
) -> None:
    control.fail(CREATE, fault="InsufficientStorageSpace", message="Disk full.", in_task=True)
    with pytest.raises(TaskFailed) as failed:
        create(session, vm)
    assert str(failed.value) == (
        f"Creating the snapshot '{NAME}' of {vm.moref}:"
        " vSphere answers InsufficientStorageSpace: Disk full. Free space on the VM's datastore: a"
        " snapshot needs room for what the guest writes."
    )
    assert not failed.value.transient
    assert failed.value.fault == "InsufficientStorageSpace"


def test_a_missing_privilege_is_named(session: Session, control: LabControl, vm: VmRecord) -> None:
    control.deny_privilege("VirtualMachine.State.CreateSnapshot")
    with pytest.raises(PrivilegeMissing) as missing:
        create(session, vm)
    assert missing.value.privilege == "VirtualMachine.State.CreateSnapshot"


def test_a_vm_that_is_gone_is_reported(session: Session) -> None:
    for call in (
        lambda: snapshots.create(session, "vm-999999", NAME, "d", False),
        lambda: snapshots.named(session, "vm-999999", NAME),
        lambda: snapshots.running_snapshot_task(session, "vm-999999"),
        lambda: snapshots.disks(session, "snapshot-999999"),
    ):
        with pytest.raises(ObjectGone):
            call()


# ------------------------------------------------------------------ the disks of a snapshot


def test_a_snapshots_disks_have_their_files_and_change_ids(session: Session, vm: VmRecord) -> None:
    untracked = snapshots.disks(session, create(session, vm, "before"))
    assert [disk.change_id for disk in untracked] == [None]
    snapshots.remove(session, snapshots.tree(session, vm.moref)[0].moref)
    cbt.enable(session, vm.moref)
    (disk,) = snapshots.disks(session, create(session, vm))
    epoch, slash, sequence = (disk.change_id or "").partition("/")
    assert epoch
    assert slash
    assert sequence.isdecimal()
    assert disk.vmdk_path == vm.disks[0].vmdk_path
    assert disk.disk_uuid == vm.disks[0].disk_uuid
    assert disk.has_parent is False
    (now,) = read_vm(session, vm.instance_uuid or "", vm.moref).disks
    assert now.has_parent is True
    assert now.vmdk_path != disk.vmdk_path


# ------------------------------------------------------------------ removing


def test_removing_leaves_the_children(session: Session, vm: VmRecord) -> None:
    first, second = create(session, vm, "first"), create(session, vm, "second")
    snapshots.remove(session, first)
    (left,) = snapshots.tree(session, vm.moref)
    assert (left.moref, left.parent_moref) == (second, None)


def test_removing_what_is_gone_is_success(session: Session, vm: VmRecord) -> None:
    moref = create(session, vm)
    for _ in range(2):
        snapshots.remove(session, moref)
    snapshots.remove(session, "snapshot-999999")
    assert snapshots.tree(session, vm.moref) == ()


def test_a_refused_removal_is_an_error(session: Session, control: LabControl, vm: VmRecord) -> None:
    moref = create(session, vm)
    control.refuse_snapshot_removal(vm.moref)
    with pytest.raises(TaskFailed):
        snapshots.remove(session, moref)
    assert snapshots.named(session, vm.moref, NAME)


def test_files_left_behind_are_consolidated(
    session: Session, control: LabControl, vm: VmRecord
) -> None:
    control.leave_consolidation(vm.moref)
    snapshots.remove(session, create(session, vm))
    left = read_vm(session, vm.instance_uuid or "", vm.moref)
    assert left.specs["consolidation_needed"] is True
    control.leave_consolidation(vm.moref, on=False)
    snapshots.consolidate(session, vm.moref)
    after = read_vm(session, vm.instance_uuid or "", vm.moref)
    assert after.specs["consolidation_needed"] is False
    assert [(disk.vmdk_path, disk.has_parent) for disk in after.disks] == [
        (disk.vmdk_path, False) for disk in vm.disks
    ]


# ------------------------------------------------------------------ lost connections and logins


def test_a_creation_whose_answer_is_lost_is_not_asked_twice(
    session: Session, control: LabControl, vm: VmRecord, calls: list[str]
) -> None:
    control.set_task_delay(0.3)
    try:
        control.drop_connection(CREATE)
        with pytest.raises(ConnectionLost):
            create(session, vm)
        assert calls.count(CREATE) == 1
        # What the caller does next: look for the task, wait for it, find what it made.
        running = snapshots.running_snapshot_task(session, vm.moref)
        assert running is not None
        assert running.operation == "VirtualMachine.createSnapshot"
        assert running.state in ("queued", "running")
        moref = wait_for_task(session, running.moref, "Waiting", patience_seconds=60)
    finally:
        control.set_task_delay(0.01)
    (found,) = snapshots.named(session, vm.moref, NAME)
    assert found.moref == moref
    assert len(snapshots.tree(session, vm.moref)) == 1
    assert snapshots.running_snapshot_task(session, vm.moref) is None


def test_a_creation_under_an_expired_login_was_refused_and_is_asked_again(
    session: Session, control: LabControl, vm: VmRecord, calls: list[str]
) -> None:
    control.expire_sessions()
    create(session, vm)
    assert calls.count(CREATE) == 2
    assert len(snapshots.tree(session, vm.moref)) == 1


@pytest.mark.parametrize(
    "method", [WAIT, "CreatePropertyCollector", "CreateFilter", "RetrievePropertiesEx"]
)
def test_waiting_survives_a_lost_connection(
    session: Session, control: LabControl, vm: VmRecord, calls: list[str], method: str
) -> None:
    control.drop_connection(method)
    moref = create(session, vm)
    assert calls.count(CREATE) == 1
    assert [one.moref for one in snapshots.tree(session, vm.moref)] == [moref]


def test_waiting_survives_a_login_that_expires(
    session: Session, control: LabControl, vm: VmRecord, calls: list[str]
) -> None:
    control.delay(CREATE, 0.5)
    waits: list[None] = []

    def on_wait() -> None:
        if not waits:
            control.expire_sessions()
        waits.append(None)

    snapshots.create(session, vm.moref, NAME, "d", False, on_wait)
    assert "Login" in calls
    assert calls.count(CREATE) == 1
    assert len(snapshots.tree(session, vm.moref)) == 1


def test_waiting_survives_a_login_that_the_keep_alive_renewed(
    connect: Connect, control: LabControl, vm: VmRecord
) -> None:
    session = connect(keep_alive=0.02)
    control.delay(CREATE, 1)
    timer = threading.Timer(0.3, control.expire_sessions)
    timer.start()
    made = snapshots.create(session, vm.moref, NAME, "d", False)
    timer.join()
    assert [one.moref for one in snapshots.tree(session, vm.moref)] == [made.moref]


def test_waiting_gives_up_when_the_server_stays_away(
    session: Session, control: LabControl, vm: VmRecord
) -> None:
    control.delay(CREATE, 0.5)
    control.drop_connection(WAIT, times=1000)
    moref = create_task(session, vm)
    with pytest.raises(ConnectionLost):
        wait_for_task(session, moref, "Waiting", outage_seconds=0, patience_seconds=60)
    control.clear_faults()
    wait_for_task(session, moref, "Waiting", patience_seconds=60)


def create_task(session: Session, vm: VmRecord) -> str:
    """Start a snapshot without waiting for it."""
    reference = session.object(vim.VirtualMachine, vm.moref)
    task = session.invoke(
        "Starting", lambda: reference.CreateSnapshot_Task(NAME, "d", False, False), repeat=False
    )
    return str(task._moId)


def test_the_caller_is_asked_while_waiting_and_may_stop(
    session: Session, control: LabControl, vm: VmRecord, calls: list[str]
) -> None:
    control.delay(CREATE, 0.5)

    class Stop(Exception):
        pass

    def on_wait() -> None:
        if WAIT in calls:
            raise Stop

    with pytest.raises(Stop):
        snapshots.create(session, vm.moref, NAME, "d", False, on_wait)
    assert calls[-1] == "DestroyPropertyCollector"
    running = snapshots.running_snapshot_task(session, vm.moref)
    assert running is not None
    wait_for_task(session, running.moref, "Waiting", patience_seconds=60)
    assert snapshots.named(session, vm.moref, NAME)


def test_a_task_is_waited_for_no_longer_than_told_and_continues(
    session: Session, control: LabControl, vm: VmRecord
) -> None:
    control.delay(CREATE, 3)
    moref = create_task(session, vm)
    with pytest.raises(TaskStillRunning, match=moref) as stopped:
        wait_for_task(session, moref, "Waiting", patience_seconds=0)
    assert stopped.value.transient
    running = snapshots.running_snapshot_task(session, vm.moref)
    assert running is not None
    assert running.moref == moref
    assert cbt.running_reconfiguration(session, vm.moref) is None
    wait_for_task(session, moref, "Waiting", patience_seconds=60)
    assert snapshots.named(session, vm.moref, NAME)


def test_a_task_that_is_unknown_is_gone(session: Session) -> None:
    with pytest.raises(ObjectGone):
        wait_for_task(session, "task-999999", "Waiting", patience_seconds=60)
