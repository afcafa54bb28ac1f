"""The scenario `odd`: what estates hold and nobody expects, as vSphere shows it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim

from tests.lab.client import Client, raw_call
from tests.labs import LabCache
from vmrep.lab import LabControl
from vmrep.lab.errors import ControlError, ScenarioError
from vmrep.lab.estate import scenario
from vmrep.lab.estate.other_backups import NAME

device = vim.vm.device


@pytest.fixture(scope="module")
def odd(lab_cache: LabCache, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with lab_cache.running("odd", tmp_path_factory.mktemp("odd") / "lab") as running:
        LabControl(running.control_url).other_backups(0)
        connected = Client(running)
        yield connected
        connected.close()


@pytest.fixture(scope="module")
def vms(odd: Client) -> dict[str, list[Any]]:
    """VMs by name, read one by one: a page with all of them is not well-formed XML."""
    found: dict[str, list[Any]] = {}
    for vm in odd.vms():
        found.setdefault(vm.name, []).append(vm)
    return found


def disks(owner: Any) -> list[Any]:
    return [d for d in owner.config.hardware.device if isinstance(d, device.VirtualDisk)]


def controllers(vm: Any) -> dict[int, Any]:
    found = (d for d in vm.config.hardware.device if isinstance(d, device.VirtualController))
    return {d.key: d for d in found}


def test_every_vm_has_the_devices_that_nobody_asked_for(vms: dict[str, list[Any]]) -> None:
    """And each key once: the drive is not where a disk is."""
    usual = {100, 200, 201, 300, 400, 500, 600, 700, 8000, 12000, 14000}
    for vm in (each for group in vms.values() for each in group if each.config):
        keys = [d.key for d in vm.config.hardware.device]
        assert usual <= set(keys)
        assert len(keys) == len(set(keys))


def test_who_manages_a_vm_is_reported(vms: dict[str, list[Any]]) -> None:
    (agent,) = vms["vCLS-4c4c4544-0033-3010-8056"]
    managed = agent.config.managedBy
    assert (managed.extensionKey, managed.type) == ("com.vmware.vim.eam", "cluster-agent")
    assert agent.summary.config.managedBy.extensionKey == "com.vmware.vim.eam"
    assert vms["suspended"][0].config.managedBy is None


def test_controllers_of_every_kind_have_their_keys(vms: dict[str, list[Any]]) -> None:
    (vm,) = vms["all controllers"]
    on = controllers(vm)
    kinds = [(d.key, type(on[d.controllerKey]), on[d.controllerKey].busNumber) for d in disks(vm)]
    assert kinds == [
        (2000, device.VirtualLsiLogicSASController, 0),
        (32000, device.VirtualNVMEController, 0),
        (32030, device.VirtualNVMEController, 2),
        (16000, device.VirtualAHCIController, 0),
        (3000, device.VirtualIDEController, 0),
        (2048, device.VirtualBusLogicController, 3),
    ]
    assert all(d.key in on[d.controllerKey].device for d in disks(vm))


def test_a_vm_has_more_disks_than_one_controller(vms: dict[str, list[Any]]) -> None:
    (vm,) = vms["seventeen disks"]
    found = disks(vm)
    assert len({d.key for d in found}) == 17
    assert [d.key for d in found[-3:]] == [2015, 2016, 2017]
    assert {d.controllerKey for d in found} == {1000, 1001}
    assert {d.backing.fileName.partition("]")[0] for d in found} == {"[[SSD", "[ leading blank"}


def test_raw_mappings_are_no_files(odd: Client, vms: dict[str, list[Any]]) -> None:
    (vm,) = vms["raw mappings"]
    _, physical, virtual = (d.backing for d in disks(vm))
    modes = [b.compatibilityMode for b in (physical, virtual)]
    assert modes == ["physicalMode", "virtualMode"]
    assert isinstance(physical, device.VirtualDisk.RawDiskMappingVer1BackingInfo)
    snapshot = odd.snapshot(vm)
    assert disks(snapshot)[1].backing.fileName == physical.fileName
    assert disks(vm)[1].backing.fileName == physical.fileName  # it takes no part in snapshots
    assert disks(vm)[2].backing.parent.compatibilityMode == "virtualMode"
    odd.remove(snapshot)
    place = {"dc": "Zentrale (alt) [2]/Büro Köln%2fBonn 50%25", "ds": "[SSD] pool"}
    text = odd.get("raw mappings/raw mappings_1.vmdk", **place)[1].decode()
    assert 'createType="vmfsPassthroughRawDeviceMap"' in text
    assert 'VMFSRDM "raw mappings_1-rdmp.vmdk"' in text
    assert odd.get("raw mappings/raw mappings_1-flat.vmdk", **place)[0].status == 404


@pytest.mark.parametrize("name", ["cluster node 1", "multi-writer"])
def test_shared_disks_allow_no_snapshot(odd: Client, vms: dict[str, list[Any]], name: str) -> None:
    with pytest.raises(vim.fault.GenericVmConfigFault):
        odd.snapshot(vms[name][0])


def test_a_shared_bus_is_seen_at_its_controller(vms: dict[str, list[Any]]) -> None:
    on = controllers(vms["cluster node 1"][0])
    assert [on[key].sharedBus for key in (1000, 1001)] == ["noSharing", "physicalSharing"]


def test_encryption_is_said_by_keys(vms: dict[str, list[Any]]) -> None:
    (tpm,), (encrypted,) = vms["windows 11 with vTPM"], vms["encrypted"]
    assert any(isinstance(d, device.VirtualTPM) for d in tpm.config.hardware.device)
    assert tpm.config.keyId.providerId.id == encrypted.config.keyId.providerId.id
    assert [d.backing.keyId is not None for d in disks(tpm) + disks(encrypted)] == [False, True]


def test_identities_are_not_unique(odd: Client, vms: dict[str, list[Any]]) -> None:
    one, two = vms["twin"]
    assert one.config.instanceUuid == two.config.instanceUuid
    assert one.config.uuid == two.config.uuid
    assert disks(one)[0].backing.uuid == disks(two)[0].backing.uuid
    found = odd.content.searchIndex.FindAllByUuid(None, one.config.instanceUuid, True, True)
    assert {vm._moId for vm in found} == {one._moId, two._moId}
    assert vms["no identity"][0].config.instanceUuid is None


def test_places_are_found_by_their_paths(odd: Client, vms: dict[str, list[Any]]) -> None:
    home = "Zentrale (alt) [2]/Büro Köln%2fBonn 50%25"
    index = odd.content.searchIndex
    path = f"{home}/vm/ leading blank/[a] b/Größe 100%25/日本語/x%2fy%5cz"
    folder = index.FindByInventoryPath(path)
    assert [vm.name for vm in folder.childEntity] == [
        "[brackets] and  blanks %2f".replace("%", "%25")
    ]
    inside = index.FindByInventoryPath(f"{home}/vm/Applications/Three tiers/in a vApp")
    assert inside == vms["in a vApp"][0]
    assert inside.parent is None
    app = inside.parentVApp
    assert isinstance(app, vim.VirtualApp)
    assert inside.resourcePool == app
    assert {vm.name for vm in app.vm} == {"in a vApp", "in a vApp, too"}
    assert (app.parentFolder.name, app.parent.name) == ("Applications", "Resources")


def test_states_are_said_and_what_is_not_known_is_unset(
    odd: Client, vms: dict[str, list[Any]]
) -> None:
    assert vms["suspended"][0].runtime.powerState == "suspended"
    assert vms["orphaned"][0].runtime.connectionState == "orphaned"
    with pytest.raises(vim.fault.InvalidState):
        odd.snapshot(vms["orphaned"][0])
    (lost,) = (v for name, same in vms.items() for v in same if name.startswith("%2fvmfs"))
    assert (lost.runtime.connectionState, lost.config) == ("inaccessible", None)
    assert vms["being created"][0].config is None


def test_linked_clones_stand_on_another_vms_disk(
    odd: Client, vms: dict[str, list[Any]], tmp_path: Path
) -> None:
    control = LabControl(odd.lab.control_url)
    (master,), (one,), (two,) = (vms[n] for n in ("desktop master", "desktop-0001", "desktop-0002"))
    base = disks(master)[0].backing.fileName
    assert [disks(vm)[0].backing.parent.fileName for vm in (one, two)] == [base, base]
    content = control.live_content("desktop master", 2000).read_bytes()
    control.write("desktop-0001", 2000, 4096, b"only here" * 100)
    assert control.live_content("desktop-0002", 2000).read_bytes() == content
    written = control.live_content("desktop-0001", 2000).read_bytes()
    assert written[4096:4105] == b"only here"
    assert written[8192:] == content[8192:]
    snapshot = odd.snapshot(one)
    odd.remove(snapshot)
    assert disks(one)[0].backing.parent.fileName == base
    control.forget_kept()  # the clones' bases are not what was kept of snapshots
    assert control.live_content("desktop-0001", 2000).read_bytes() == written
    control.destroy("desktop-0002")
    assert control.live_content("desktop master", 2000).read_bytes() == content


def test_snapshots_form_a_tree(vms: dict[str, list[Any]]) -> None:
    (root,) = vms["snapshot tree"][0].snapshot.rootSnapshotList
    assert [s.name for s in root.childSnapshotList] == ["left", "right"]
    assert root.childSnapshotList[1].description == '</propSet> & "more"'
    assert root.childSnapshotList[0].childSnapshotList[0].name == "left leaf"
    assert vms["snapshot tree"][0].snapshot.currentSnapshot == root.childSnapshotList[1].snapshot


def read(odd: Client, vm: Any, *paths: str) -> str:
    """The answer about one VM, as it is on the wire."""
    wanted = "".join(f"<pathSet>{p}</pathSet>" for p in paths)
    return raw_call(
        odd,
        "RetrievePropertiesEx",
        "PropertyCollector",
        "propertyCollector",
        f"<specSet><propSet><type>VirtualMachine</type>{wanted}</propSet><objectSet>"
        f'<obj type="VirtualMachine">{vm._moId}</obj></objectSet></specSet><options/>',
    )


def test_odd_answers_come_from_the_scenario(odd: Client, vms: dict[str, list[Any]]) -> None:
    def answer(name: str, path: str) -> str:
        return read(odd, vms[name][0], path)

    assert "a bell (\x07) here" in answer("a bell in its notes", "config.annotation")
    assert ">hibernating<" in answer("a state of tomorrow", "runtime.powerState")
    assert "VirtualQuantumDisk" in answer("devices of tomorrow", "config.hardware.device")
    refused = answer("no right to its configuration", "config.hardware.device")
    assert (
        '<missingSet><path>config.hardware.device</path><fault><fault xsi:type="NoPermission"'
        in (refused)
    )
    assert 'xsi:type="QuantumDecoherence"' in answer("a fault of tomorrow", "guest.net")
    gone = vms["gone while it is read"][0]
    assert "ManagedObjectNotFound" in read(odd, gone, "config.annotation", "runtime.powerState")
    assert "gone while it is read" not in [vm.name for vm in odd.vms()]


def test_another_product_takes_snapshots_and_removes_them(odd: Client) -> None:
    control = LabControl(odd.lab.control_url)
    control.other_backups(0.02)
    seen: set[str] = set()
    deadline = time.monotonic() + 60
    while len(seen) < 3 and time.monotonic() < deadline:
        for task in odd.content.taskManager.recentTask:
            info = task.info
            if info.reason.userName.endswith("svc-backup") and info.state == "success":
                seen.add(info.descriptionId + info.entityName)
    control.other_backups(0)
    assert len(seen) >= 3
    assert {name.partition(".")[0] for name in seen} == {"VirtualMachine", "vm"}
    names = {
        snapshot.name
        for vm in odd.vms()
        if vm.snapshot
        for snapshot in vm.snapshot.rootSnapshotList
    }
    assert "root" in names
    assert NAME not in names


def test_a_disk_can_change_its_key(odd: Client, vms: dict[str, list[Any]]) -> None:
    control = LabControl(odd.lab.control_url)
    vm = vms["backup-proxy-01"][0]
    before = disks(vm)[0]
    assert control.move_disk("backup-proxy-01", 2000, "nvme") == 32000
    after = disks(vm)[0]
    assert (after.key, after.controllerKey) == (32000, 31000)
    assert after.backing.uuid == before.backing.uuid
    assert after.backing.fileName == before.backing.fileName
    WaitForTask(vm.PowerOffVM_Task())
    with pytest.raises(ControlError, match="none of"):
        control.move_disk("backup-proxy-01", 32000, "quantum")


VM = '[[vms]]\nname = "a"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[datacenters]]\npath="a"\ndatastores=[{name="x",type="ceph"}]', "none of|not one of"),
        (VM + 'disks = [{ capacity = "1MiB", content = "empty", controller = "usb" }]', "'usb'"),
        (VM + 'disks = [{ capacity = "1MiB", content = "empty", raw = "yes" }]', "'yes'"),
        (
            VM + 'disks = [{ capacity = "1MiB", linked_to = "b", content = "empty" }]',
            "an earlier VM",
        ),
        (VM + 'managed_by = ["x"]', "an extension's key and a type"),
        (VM + 'connection_state = "asleep"', "'asleep'"),
        (VM + 'odd = [{ vanishes = "soon" }]', "'soon'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=words):
        scenario.load(str(path))
