"""Events: who reverted what, and when; and what no event tells of."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from pyVim.task import WaitForTask
from pyVmomi import vim

from tests.lab.client import MIB, Client, change_id, disk
from tests.labs import LabCache
from vmrep.lab import LabControl
from vmrep.lab.world.events import REVERTED

Spec = vim.event.EventFilterSpec


def events_of(client: Client, vm: Any, **wanted: Any) -> list[Any]:
    spec = Spec(entity=Spec.ByEntity(entity=vm, recursion="self"), **wanted)
    return list(client.content.eventManager.QueryEvents(spec))


def test_tasks_and_reverts_are_written_down(client: Client, lab_control: LabControl) -> None:
    vm, other = client.vm("small1"), client.vm("small2")
    first = client.snapshot(vm, "first")
    taken = vm.snapshot.rootSnapshotList[0].createTime
    WaitForTask(first.RevertToSnapshot_Task())
    lab_control.revert("small1", first._moId)
    tasks = [
        event.info.descriptionId
        for event in events_of(client, vm)
        if isinstance(event, vim.event.TaskEvent)
    ]
    assert tasks == ["VirtualMachine.createSnapshot", "vm.Snapshot.revert"]
    reverts = events_of(client, vm, eventTypeId=[REVERTED])
    assert [type(event) for event in reverts] == [vim.event.EventEx] * 2
    assert {argument.key: argument.value for argument in reverts[0].arguments} == {
        "snapshotName": "first",
        "snapshotId": "1",
    }
    since = Spec.ByTime(beginTime=taken + timedelta(hours=1))
    assert events_of(client, vm, eventTypeId=[REVERTED], time=since) == []
    assert events_of(client, other) == []
    collector = client.content.eventManager.CreateCollectorForEvents(Spec())
    assert [event.key for event in collector.ReadNextEvents(3)] == [1, 2, 3]
    lab_control.forget_events()
    assert events_of(client, vm) == []


def test_a_vcenter_keeps_events_over_a_restart_and_a_lone_host_does_not(
    lab_cache: LabCache, tmp_path: Path
) -> None:
    for scenario, kept in (("small", 1), ("host", 0)):
        found = []
        for _ in range(2):
            with lab_cache.running(scenario, tmp_path / scenario) as lab:
                client = Client(lab)
                vm = client.vms()[0]
                if not found:
                    client.snapshot(vm, "one")
                found.append(len(events_of(client, vm)))
        assert found == [1, kept], scenario


def test_a_rollback_of_the_storage_is_told_by_nobody(
    client: Client, lab_control: LabControl
) -> None:
    vm = client.vm("small2")
    lab_control.configure("small2", tracking=True, power="on")
    lab_control.keep_storage("small2")
    first = client.snapshot(vm, "first")
    before = lab_control.kept_content(first._moId, 2000).read_bytes()
    number = change_id(first)
    lab_control.fill("small2", 2000, 32 * MIB, MIB, seed="gone")
    WaitForTask(vm.PowerOffVM_Task())
    known = len(events_of(client, vm))
    lab_control.roll_back_storage("small2")
    assert len(events_of(client, vm)) == known
    assert vm.snapshot is None
    second = client.snapshot(vm, "second")
    assert change_id(second) == number  # equal, though the disk was another in between
    assert lab_control.kept_content(second._moId, 2000).read_bytes() == before


def test_a_linked_clone_is_a_delta_on_a_file_of_another_vm(
    client: Client, lab_control: LabControl
) -> None:
    vm = client.vm("small1")
    first = client.snapshot(vm, "first")
    frozen = lab_control.kept_content(first._moId, 2000).read_bytes()
    lab_control.link_clone("small1", "linked", first._moId)
    lab_control.fill("small1", 2000, 40 * MIB, MIB, seed="the parent's own")
    client.remove(first)
    clone = client.vm("linked")
    backing = next(d for d in clone.config.hardware.device if d.key == 2000).backing
    assert backing.fileName == "[datastore1] small1_1/small1_1-000001.vmdk"
    assert backing.parent.fileName == "[datastore1] small1/small1.vmdk"
    assert lab_control.live_content("linked", 2000).read_bytes() == frozen
    client.track(clone)
    lab_control.fill("linked", 2000, 48 * MIB, MIB, seed="the clone's own")
    taken = client.snapshot(clone, "one")
    assert client.areas(clone, taken, 2000, "*") == [(48 * MIB, MIB)]
    client.remove(taken)
    assert backing.parent.fileName == "[datastore1] small1/small1.vmdk"
    assert lab_control.live_content("small1", 2000).read_bytes() != frozen


def test_tracking_ends_and_begins_at_a_stun_only(client: Client, lab_control: LabControl) -> None:
    vm = client.vm("small1")
    client.track(vm)

    def taken() -> str | None:
        snapshot = client.snapshot(vm)
        found = disk(snapshot, 2000).backing.changeId
        client.remove(snapshot)
        return found

    known = taken()
    client.track(vm, False)
    client.track(vm)
    assert taken().partition("/")[0] == known.partition("/")[0]
    lab_control.lose_tracking("small1", 2000)
    assert taken() is None
    client.track(vm, False)
    client.track(vm)
    assert taken() is None
    client.track(vm, False)
    assert taken() is None
    client.track(vm)
    assert taken().partition("/")[0] != known.partition("/")[0]
