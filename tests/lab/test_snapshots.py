"""Snapshots: what a guest and each snapshot see, whatever is written, removed and reverted."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from tests.lab.client import MIB, Client, change_id, differing, disk
from tests.labs import LabCache
from vmrep.lab import LabControl

KEY = 2000


def backing(owner: Any, key: int = KEY) -> str:
    return str(disk(owner, key).backing.fileName)


def test_files_are_named_as_on_vsphere(client: Client) -> None:
    vm = client.vm("small1")
    assert backing(vm) == "[datastore1] small1/small1.vmdk"
    first = client.snapshot(vm, "first")
    second = client.snapshot(vm, "second")
    assert backing(first) == "[datastore1] small1/small1.vmdk"
    assert backing(second) == "[datastore1] small1/small1-000001.vmdk"
    assert backing(vm) == "[datastore1] small1/small1-000002.vmdk"
    parents = disk(vm, KEY).backing
    assert parents.deltaDiskFormat == "seSparseFormat"
    assert parents.parent.fileName == backing(second)
    assert parents.parent.parent.fileName == backing(first)
    assert parents.parent.parent.parent is None
    client.remove(first)
    assert backing(second) == "[datastore1] small1/small1.vmdk"
    client.remove(second)
    assert backing(vm) == "[datastore1] small1/small1.vmdk"
    assert vm.snapshot is None


def test_the_tree_shows_parents_names_and_what_was_achieved(client: Client) -> None:
    vm = client.vm("small1")
    first = client.snapshot(vm, "first", description="one", quiesce=True)
    second = client.snapshot(vm, "second", memory=True)
    WaitForTask(first.RevertToSnapshot_Task())
    third = client.snapshot(vm, "third", quiesce=True)
    (root,) = vm.snapshot.rootSnapshotList
    assert (root.name, root.description, root.quiesced) == ("first", "one", True)
    assert root.state == "poweredOff"
    assert [(c.name, c.snapshot, c.state) for c in root.childSnapshotList] == [
        ("second", second, "poweredOn"),
        ("third", third, "poweredOff"),
    ]
    # reverting to a snapshot without memory leaves the VM off: nothing was there to quiesce
    assert vm.runtime.powerState == "poweredOff"
    assert root.childSnapshotList[1].quiesced is False
    assert vm.snapshot.currentSnapshot == third
    assert vm.rootSnapshot == [first]
    assert first.childSnapshot == [second, third]
    assert second.vm == vm


def test_a_snapshot_is_frozen_while_the_guest_writes(
    client: Client, lab_control: LabControl
) -> None:
    vm = client.vm("small1")
    before = lab_control.live_content("small1", KEY).read_bytes()
    base = Path(client.lab.folder).rglob("small1-flat.vmdk")
    flat = next(base)
    snapshot = client.snapshot(vm)
    lab_control.write("small1", KEY, 12345, b"written later")
    lab_control.fill("small1", KEY, 20 * MIB, 3 * MIB, 7)
    assert flat.read_bytes() == before
    assert lab_control.kept_content(snapshot._moId, KEY).read_bytes() == before
    assert lab_control.read("small1", KEY, 12345, 13) == b"written later"
    after = lab_control.live_content("small1", KEY).read_bytes()
    assert differing(before, after)[0] == 12345 // 512 * 512
    client.remove(snapshot)
    assert flat.read_bytes() == after


class Model:
    """What the disk of `small1` must hold, live and at every open snapshot."""

    def __init__(self, content: bytes) -> None:
        self.live = bytearray(content)
        self.snapshots: dict[str, tuple[Any, bytes]] = {}


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
)
def test_any_order_of_writes_and_snapshots_reads_right(
    client: Client, lab_control: LabControl, seed: int
) -> None:
    """Random writes, snapshots, removals anywhere in the tree and reverts, against a model."""
    choose = random.Random(seed)
    lab_control.set_task_delay(0)
    lab_control.keep_snapshots()
    vm = client.vm("small1")
    model = Model(lab_control.live_content("small1", KEY).read_bytes())
    for step in range(36):
        action = choose.choices(
            ["write", "snapshot", "remove", "remove_children", "revert"], [6, 4, 3, 0.4, 1]
        )[0]
        if action == "write":
            length = choose.choice([1, 512, 5000, 65536, 700_001])
            at = choose.randrange(len(model.live) - length)
            data = choose.randbytes(length)
            lab_control.write("small1", KEY, at, data)
            model.live[at : at + length] = data
        elif action == "snapshot":
            made = client.snapshot(vm, f"s{step}")
            model.snapshots[made._moId] = made, bytes(model.live)
        elif model.snapshots:
            ref = choose.choice(sorted(model.snapshots))
            if action == "revert":
                WaitForTask(model.snapshots[ref][0].RevertToSnapshot_Task())
                model.live[:] = model.snapshots[ref][1]
            else:
                client.remove(model.snapshots[ref][0], children=action == "remove_children")
                check_removed(vm, lab_control, model)
    assert lab_control.live_content("small1", KEY).read_bytes() == model.live
    for ref, (_, content) in model.snapshots.items():
        assert lab_control.kept_content(ref, KEY).read_bytes() == content
    WaitForTask(vm.RemoveAllSnapshots_Task())
    assert backing(vm) == "[datastore1] small1/small1.vmdk"
    flat = next(Path(client.lab.folder).rglob("small1-flat.vmdk"))
    assert flat.read_bytes() == model.live
    assert not list(Path(client.lab.folder).rglob("small1-0*"))


def check_removed(vm: Any, lab_control: LabControl, model: Model) -> None:
    """The removed snapshots' content was kept, and they are out of the model."""
    left = {ref for v in lab_control.list_vms() for ref in v["snapshots"]}
    for ref in set(model.snapshots) - left:
        assert lab_control.kept_content(ref, KEY).read_bytes() == model.snapshots.pop(ref)[1]


def test_all_disks_of_a_vm_are_frozen_together(client: Client, lab_control: LabControl) -> None:
    vm = client.vm("small2")
    snapshot = client.snapshot(vm)
    assert backing(snapshot, 2001) == "[datastore2] small2/small2_1.vmdk"
    assert backing(vm, 2001) == "[datastore2] small2/small2_1-000001.vmdk"
    before = {k: lab_control.kept_content(snapshot._moId, k).read_bytes() for k in (2000, 2001)}
    lab_control.fill("small2", 2001, 0, MIB, 1)
    assert lab_control.kept_content(snapshot._moId, 2001).read_bytes() == before[2001]
    assert before[2000][: MIB // 2] != before[2001][: MIB // 2]


def test_independent_disks_take_no_part(lab_cache: LabCache, tmp_path: Path) -> None:
    scenario = tmp_path / "independent.toml"
    scenario.write_text(
        '[[vms]]\nname = "vm"\ndisks = [{ capacity = "2MiB", content = "empty" },'
        '{ capacity = "2MiB", content = "empty", mode = "independent_persistent" }]\n'
    )
    with lab_cache.running(str(scenario), tmp_path / "lab") as lab:
        client = Client(lab)
        vm = client.vm("vm")
        client.track(vm)
        snapshot = client.snapshot(vm)
        assert disk(snapshot, 2000).backing.changeId
        assert disk(snapshot, 2001).backing.changeId is None
        assert backing(vm, 2001) == "[datastore1] vm/vm_1.vmdk"
        LabControl(lab.control_url).write("vm", 2001, 0, b"x")
        with pytest.raises(vim.fault.FileFault):
            vm.QueryChangedDiskAreas(snapshot, 2001, 0, "*")


def test_refused_removals_leave_the_snapshot(client: Client, lab_control: LabControl) -> None:
    vm = client.vm("small1")
    snapshot = client.snapshot(vm)
    lab_control.refuse_snapshot_removal("small1")
    with pytest.raises(vim.fault.GenericVmConfigFault):
        client.remove(snapshot)
    assert vm.snapshot.currentSnapshot == snapshot
    lab_control.refuse_snapshot_removal("small1", False)
    client.remove(snapshot)
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        client.remove(snapshot)


def test_what_a_removal_left_can_be_consolidated(client: Client, lab_control: LabControl) -> None:
    vm = client.vm("small1")
    snapshot = client.snapshot(vm)
    lab_control.fill("small1", KEY, 30 * MIB, MIB, 5)
    content = lab_control.live_content("small1", KEY).read_bytes()
    lab_control.leave_consolidation("small1")
    client.remove(snapshot)
    assert vm.snapshot is None
    assert vm.runtime.consolidationNeeded is True
    assert backing(vm) == "[datastore1] small1/small1-000001.vmdk"
    WaitForTask(vm.ConsolidateVMDisks_Task())
    assert vm.runtime.consolidationNeeded is False
    assert backing(vm) == "[datastore1] small1/small1.vmdk"
    assert lab_control.live_content("small1", KEY).read_bytes() == content


def test_a_disk_of_a_snapshot_survives_its_removal(client: Client, lab_control: LabControl) -> None:
    vm = client.vm("small2")
    content = lab_control.live_content("small2", 2001).read_bytes()
    snapshot = client.snapshot(vm)
    remove = vim.vm.device.VirtualDeviceSpec(operation="remove", device=disk(vm, 2001))
    WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[remove])))
    assert [d["device_key"] for d in lab_control.list_vms()[1]["disks"]] == [2000]
    assert lab_control.kept_content(snapshot._moId, 2001).read_bytes() == content
    WaitForTask(vm.RevertToCurrentSnapshot_Task())
    assert lab_control.live_content("small2", 2001).read_bytes() == content
    WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[remove])))
    client.remove(snapshot)
    assert not list(Path(client.lab.folder).rglob("small2_1*"))


def test_templates_and_shared_disks_have_no_snapshots(lab_cache: LabCache, tmp_path: Path) -> None:
    scenario = tmp_path / "refused.toml"
    scenario.write_text(
        '[[vms]]\nname = "template"\ntemplate = true\n'
        '[[vms]]\nname = "shared"\n'
        'disks = [{ capacity = "1MiB", content = "empty", sharing = "sharingMultiWriter" }]\n'
    )
    with lab_cache.running(str(scenario), tmp_path / "lab") as lab:
        client = Client(lab)
        with pytest.raises(vmodl.fault.NotSupported):
            client.snapshot(client.vm("template"))
        with pytest.raises(vim.fault.GenericVmConfigFault):
            client.snapshot(client.vm("shared"))


def test_change_ids_appear_with_the_next_snapshot(client: Client) -> None:
    vm = client.vm("small1")
    before = client.snapshot(vm)
    assert disk(before, KEY).backing.changeId is None
    client.remove(before)
    client.track(vm)
    assert vm.config.changeTrackingEnabled is True
    first = client.snapshot(vm)
    second = client.snapshot(vm)
    epoch, _, sequence = change_id(first).rpartition("/")
    assert change_id(second) == f"{epoch}/{int(sequence) + 1}"
    assert len(epoch) == len("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63")
