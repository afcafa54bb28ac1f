"""Tasks, reconfiguration and power."""

from __future__ import annotations

import itertools
import time

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from tests.lab.client import MIB, Client, disk
from vmrep.lab import LabControl


def test_a_task_tells_its_state_until_it_is_done(client: Client, lab_control: LabControl) -> None:
    lab_control.set_task_delay(0.5)
    vm = client.vm("small1")
    first = vm.CreateSnapshot_Task("a", "", False, False)
    second = vm.CreateSnapshot_Task("b", "", False, False)
    info = first.info
    assert info.state in ("queued", "running")
    assert (info.entity, info.entityName) == (vm, "small1")
    assert info.descriptionId == "VirtualMachine.createSnapshot"
    # tasks upon one VM run one after the other
    assert second.info.state == "queued"
    assert vm.recentTask == [first, second]
    WaitForTask(second)
    assert first.info.state == second.info.state == "success"
    assert first.info.completeTime <= second.info.startTime
    assert isinstance(second.info.result, vim.vm.Snapshot)
    assert client.content.taskManager.recentTask == [first, second]
    assert second.info.name.info.wsdlName == "CreateSnapshot_Task"


def test_a_task_begins_when_the_one_before_it_on_its_vm_has_ended(client: Client) -> None:
    vm = client.vm("small1")
    tasks = [vm.ReconfigVM_Task(vim.vm.ConfigSpec(annotation=str(n))) for n in range(15)]
    tasks += [vm.PowerOnVM_Task() for _ in range(15)]  # refused: it is on already
    for task in tasks:
        WaitForTask(task, raiseOnError=False)
    times = sorted((task.info.startTime, task.info.completeTime) for task in tasks)
    assert all(ended <= begun for (_, ended), (begun, _) in itertools.pairwise(times))


def test_a_removal_is_named_as_on_vsphere(client: Client) -> None:
    vm = client.vm("small1")
    task = client.snapshot(vm).RemoveSnapshot_Task(False)
    WaitForTask(task)
    assert task.info.descriptionId == "vm.Snapshot.remove"
    assert task.info.entity == vm


def test_a_task_fails_with_the_fault_that_was_asked_for(
    client: Client, lab_control: LabControl
) -> None:
    vm = client.vm("small1")
    lab_control.fail("CreateSnapshot_Task", fault="TaskInProgress", message="busy", in_task=True)
    task = vm.CreateSnapshot_Task("a", "", False, False)
    with pytest.raises(vim.fault.TaskInProgress):
        WaitForTask(task)
    assert task.info.state == "error"
    assert task.info.error.msg == "busy"
    assert vm.snapshot is None
    client.snapshot(vm)


def test_a_task_cannot_be_cancelled(client: Client, lab_control: LabControl) -> None:
    lab_control.delay("CreateSnapshot_Task", 0.3)
    task = client.vm("small1").CreateSnapshot_Task("a", "", False, False)
    with pytest.raises(vmodl.fault.NotSupported):
        task.CancelTask()
    WaitForTask(task)


def test_power_changes_only_from_the_right_state(client: Client) -> None:
    vm = client.vm("small1")
    with pytest.raises(vim.fault.InvalidPowerState):
        WaitForTask(vm.PowerOnVM_Task())
    assert vm.guest.toolsRunningStatus == "guestToolsRunning"
    WaitForTask(vm.ResetVM_Task())
    vm.ShutdownGuest()
    assert vm.runtime.powerState == "poweredOff"
    assert vm.guest.toolsRunningStatus == "guestToolsNotRunning"
    assert vm.guest.ipAddress is None
    with pytest.raises(vim.fault.ToolsUnavailable):
        vm.RebootGuest()
    WaitForTask(vm.PowerOnVM_Task())
    assert vm.guest.ipAddress == "10.0.0.11"
    WaitForTask(vm.PowerOffVM_Task())
    WaitForTask(vm.Destroy_Task())
    assert [v.name for v in client.vms()] == ["small2"]


def test_reconfiguring_moves_the_change_version(client: Client) -> None:
    vm = client.vm("small1")
    before = vm.config.changeVersion
    spec = vim.vm.ConfigSpec(name="a/b", annotation="new", numCPUs=3, memoryMB=4096)
    WaitForTask(vm.ReconfigVM_Task(spec))
    assert vm.config.changeVersion > before
    assert (vm.name, vm.config.name, vm.config.annotation) == ("a%2fb", "a%2fb", "new")
    assert (vm.config.hardware.numCPU, vm.summary.config.memorySizeMB) == (3, 4096)
    assert vm.config.files.vmPathName == "[datastore1] small1/small1.vmx"


def change(operation: str, device: object, **more: object) -> vim.vm.ConfigSpec:
    made = vim.vm.device.VirtualDeviceSpec(operation=operation, device=device, **more)
    return vim.vm.ConfigSpec(deviceChange=[made])


def new_disk(capacity: int) -> vim.vm.device.VirtualDisk:
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
        fileName="", diskMode="persistent", thinProvisioned=True
    )
    return vim.vm.device.VirtualDisk(
        key=-1, controllerKey=1000, unitNumber=1, capacityInKB=capacity // 1024, backing=backing
    )


def test_disks_can_be_added_extended_and_replaced(client: Client, lab_control: LabControl) -> None:
    vm = client.vm("small1")
    add = change("add", new_disk(4 * MIB), fileOperation="create")
    WaitForTask(vm.ReconfigVM_Task(add))
    added = disk(vm, 2001)
    assert added.backing.fileName == "[datastore1] small1/small1_1.vmdk"
    lab_control.write("small1", 2001, 100, b"old")
    added.capacityInKB, added.capacityInBytes = 8192, 8 * MIB
    WaitForTask(vm.ReconfigVM_Task(change("edit", added)))
    lab_control.write("small1", 2001, 8 * MIB - 3, b"end")
    assert lab_control.read("small1", 2001, 100, 3) == b"old"
    added.capacityInKB, added.capacityInBytes = 4096, 4 * MIB
    with pytest.raises(vim.fault.InvalidDeviceSpec):
        WaitForTask(vm.ReconfigVM_Task(change("edit", added)))
    # another disk under the same key has another UUID and none of the content
    WaitForTask(vm.ReconfigVM_Task(change("remove", disk(vm, 2001), fileOperation="destroy")))
    WaitForTask(vm.ReconfigVM_Task(add))
    assert disk(vm, 2001).backing.uuid != added.backing.uuid
    assert lab_control.read("small1", 2001, 100, 3) == bytes(3)


def test_a_disk_with_snapshots_cannot_grow(client: Client) -> None:
    vm = client.vm("small1")
    client.snapshot(vm)
    grown = disk(vm, 2000)
    grown.capacityInKB, grown.capacityInBytes = 128 * 1024, 128 * MIB
    with pytest.raises(vim.fault.InvalidDeviceSpec):
        WaitForTask(vm.ReconfigVM_Task(change("edit", grown)))


def test_the_clock_is_right(client: Client) -> None:
    assert abs(client.si.CurrentTime().timestamp() - time.time()) < 60
