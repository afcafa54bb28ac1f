"""What changes a VM's place, identity and configuration behind everyone's back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.client import MIB, Client, disk
from tests.labs import LabCache
from vmrep.lab import ControlError, Lab, LabControl

SITES = str(Path(__file__).parents[1] / "scenarios" / "two_sites.toml")


@pytest.fixture
def lab(lab_cache: LabCache, tmp_path: Path) -> Iterator[Lab]:
    with lab_cache.running(SITES, tmp_path / "lab") as running:
        yield running


def listed(control: LabControl, name: str) -> dict[str, Any]:
    (found,) = [vm for vm in control.list_vms() if vm["name"] == name]
    return found


def contents(control: LabControl, name: str) -> list[bytes]:
    vm = listed(control, name)
    return [
        control.live_content(vm["moref"], each["device_key"]).read_bytes() for each in vm["disks"]
    ]


def files(lab: Lab) -> set[str]:
    root = lab.folder / "datastores"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_a_vm_moves_to_a_folder_that_is_made_for_it(client: Client, lab_control: LabControl):
    before = listed(lab_control, "web")
    lab_control.move("web", "New/A%2fB")
    vm = client.vm("web")
    assert vm.parent.name == "A%2fB"
    assert vm.parent.parent.name == "New"
    after = listed(lab_control, "web")
    assert after["path"] == "Bonn/vm/New/A%2fB/web"
    assert (after["moref"], after["instance_uuid"]) == (before["moref"], before["instance_uuid"])
    lab_control.move("db", "New/A%2fB")
    assert client.vm("db").parent == vm.parent


def test_another_datacenter_takes_host_networks_and_files_along(
    client: Client, lab: Lab, lab_control: LabControl
):
    vm = client.vm("web")
    lab_control.take_snapshot("web", "mine")
    lab_control.fill("web", 2000, 8 * MIB, MIB, 1)
    before = contents(lab_control, "web")
    lab_control.move("web", "", datacenter="Mainz")
    assert vm.runtime.host.name == "esx2.example.com"
    assert [network.name for network in vm.network] == ["Servers"]
    assert vm.config.files.vmPathName == "[mainz-ds] web/web.vmx"
    assert listed(lab_control, "web")["path"] == "Mainz/vm/web"
    assert contents(lab_control, "web") == before
    assert len({name.split("/")[0] for name in files(lab) if "/web/" in name}) == 1


def test_only_the_files_can_move_and_never_into_another_s_folder(
    client: Client, lab: Lab, lab_control: LabControl
):
    before = contents(lab_control, "web")
    datastores = {
        each.name: each._moId for each in client.content.rootFolder.childEntity[0].datastore
    }
    (lab.folder / "datastores" / datastores["bonn-ds2"] / "web").mkdir(parents=True)
    lab_control.move("web", "", datastore="bonn-ds2")
    vm = client.vm("web")
    assert vm.config.files.vmPathName == "[bonn-ds2] web_1/web_1.vmx"
    assert vm.runtime.host.name == "esx1.example.com"
    lab_control.move("web", "", datastore="bonn-ds1")
    assert vm.config.files.vmPathName == "[bonn-ds1] web_1/web_1.vmx"
    assert contents(lab_control, "web") == before


def test_a_vm_registered_again_has_new_references_and_the_same_uuids(
    client: Client, lab_control: LabControl
):
    vm = client.vm("web")
    uuids = vm.config.instanceUuid, vm.config.uuid
    client.track(vm)
    snapshot = lab_control.take_snapshot("web", "mine")
    lab_control.fill("web", 2000, 0, MIB, 1)
    before = contents(lab_control, "web")
    moref = lab_control.reregister("web")
    assert moref != vm._moId
    again = client.vm("web")
    assert again._moId == moref
    assert (again.config.instanceUuid, again.config.uuid) == uuids
    (root,) = again.snapshot.rootSnapshotList
    assert root.name == "mine"
    assert root.snapshot._moId != snapshot
    assert contents(lab_control, "web") == before
    lab_control.remove_snapshots("web")
    assert contents(lab_control, "web") == before


def test_what_is_unregistered_is_gone_until_it_is_registered_also_after_a_restart(
    lab_cache: LabCache, tmp_path: Path
):
    folder = tmp_path / "again"
    with lab_cache.running(SITES, folder) as lab:
        control = LabControl(lab.control_url)
        before, content = listed(control, "web"), contents(control, "web")
        path = control.unregister("web")
        assert path == "[bonn-ds1] web/web.vmx"
        assert "web" not in {vm["name"] for vm in control.list_vms()}
    with lab_cache.running(SITES, folder) as lab:
        control = LabControl(lab.control_url)
        assert "web" not in {vm["name"] for vm in control.list_vms()}
        moref = control.register(path)
        after = listed(control, "web")
        assert after == before | {"moref": moref}
        assert moref != before["moref"]
        assert contents(control, "web") == content
        with pytest.raises(ControlError, match="not unregistered"):
            control.register(path)


def test_a_clone_is_another_vm_with_the_same_bytes_that_goes_its_own_way(
    client: Client, lab_control: LabControl
):
    lab_control.take_snapshot("web", "mine")
    lab_control.fill("web", 2000, 8 * MIB, MIB, 1)
    before = contents(lab_control, "web")
    made = lab_control.clone("web", "copy")
    original, copy = client.vm("web"), client.vm("copy")
    assert made["moref"] == copy._moId
    assert made["instance_uuid"] == copy.config.instanceUuid != original.config.instanceUuid
    assert copy.config.uuid != original.config.uuid
    assert copy.parent == original.parent
    assert copy.snapshot is None
    assert disk(copy, 2000).backing.uuid != disk(original, 2000).backing.uuid
    assert contents(lab_control, "copy") == before
    lab_control.fill("copy", 2000, 0, MIB, 2)
    assert contents(lab_control, "web") == before


def test_a_clone_of_the_same_name_can_be_distinguished_by_reference(lab_control: LabControl):
    made = lab_control.clone("web", "web")
    with pytest.raises(ControlError, match=made["moref"]):
        lab_control.rename("web", "x")
    lab_control.rename(made["moref"], "other")
    assert listed(lab_control, "other")["instance_uuid"] == made["instance_uuid"]


def test_an_instance_uuid_can_change_vanish_and_be_another_s(lab_control: LabControl):
    new = lab_control.set_instance_uuid("web")
    assert listed(lab_control, "web")["instance_uuid"] == new
    assert lab_control.set_instance_uuid("db", new or "") == new
    assert listed(lab_control, "db")["instance_uuid"] == new
    assert lab_control.set_instance_uuid(listed(lab_control, "db")["moref"], "none") is None
    assert listed(lab_control, "db")["instance_uuid"] is None


def test_a_configuration_is_set_and_moves_the_change_version_where_vsphere_does(
    client: Client, lab_control: LabControl
):
    vm = client.vm("web")
    version = vm.config.changeVersion
    lab_control.configure("web", power="off", connection_state="disconnected")
    assert (vm.runtime.powerState, vm.runtime.connectionState) == ("poweredOff", "disconnected")
    assert vm.config.changeVersion == version
    lab_control.configure("web", cpu=7, notes=None, firmware=None, tools={"version": "99"})
    assert (vm.config.hardware.numCPU, vm.config.annotation, vm.config.firmware) == (7, None, None)
    assert vm.guest.toolsVersion == "99"
    assert vm.config.changeVersion != version
    lab_control.configure("web", tools=None)
    assert vm.guest.toolsStatus == "toolsNotInstalled"


def test_hidden_properties_are_unset_until_they_are_shown_again(
    client: Client, lab_control: LabControl
):
    paths = ["name", "config.hardware.numCPU", "runtime.powerState", "parent"]
    lab_control.hide("web", paths)
    spec = client.view_spec([*paths, "config.hardware.memoryMB"])
    found = client.content.propertyCollector.RetrieveProperties([spec])
    read = [{prop.name for prop in each.propSet} for each in found]
    assert {"config.hardware.memoryMB"} in read
    lab_control.hide("web", [])
    found = client.content.propertyCollector.RetrieveProperties([spec])
    assert all(len(each.propSet) == 5 for each in found)


def test_adapters_and_disks_are_set(client: Client, lab_control: LabControl):
    lab_control.set_adapter("web", 4000, network="Guests", connected=False, addresses=["10.1.1.1"])
    lab_control.set_disk("web", 2000, uuid="another", capacity_bytes=48 * MIB)
    devices = {device.key: device for device in client.vm("web").config.hardware.device}
    assert devices[4000].backing.deviceName == "Guests"
    assert devices[4000].connectable.connected is False
    assert devices[2000].backing.uuid == "another"
    assert devices[2000].capacityInBytes == 48 * MIB
    assert len(lab_control.read("web", 2000, 40 * MIB, 512)) == 512


@pytest.mark.parametrize(
    ("verb", "arguments", "complaint"),
    [
        ("move", {"folder": "", "datacenter": "Nowhere"}, "no datacenter"),
        ("move", {"folder": "", "datastore": "none"}, "no 'none'"),
        ("move", {"folder": 5}, "folder must be str"),
        ("clone", {}, "missing: name"),
        ("set_instance_uuid", {"instance_uuid": "x"}, "not a UUID"),
        ("configure", {"values": {}}, "nothing to set"),
        ("configure", {"values": {"cpus": 2}}, "unknown: cpus; known: .*cpu"),
        ("configure", {"values": {"cpu": "2"}}, "cpu must be int"),
        ("configure", {"values": {"cpu": True}}, "cpu must be int"),
        ("configure", {"values": {"cpu": 0}}, "counts from 1"),
        ("configure", {"values": {"cpu": None}}, "cpu must be int"),
        ("configure", {"values": {"power": "maybe"}}, "on|off|suspended"),
        ("configure", {"values": {"hardware_version": "19"}}, "vmx-"),
        ("configure", {"values": {"tools": {"versions": "1"}}}, "unknown: versions"),
        ("configure", {"values": {"tools": {"version": None}}}, "only the tools' hostname"),
        ("set_adapter", {"device_key": 1, "values": {"label": "x"}}, "no network adapter 1"),
        ("set_adapter", {"device_key": 4000, "values": {"network": "x"}}, "no network 'x'"),
        ("set_adapter", {"device_key": 4000, "values": {"addresses": [1]}}, "list"),
        ("set_disk", {"device_key": 1, "values": {"label": "x"}}, "no disk 1"),
        ("set_disk", {"device_key": 2000, "values": {"capacity_bytes": 512}}, "only grow"),
        ("hide", {"paths": ["config.nonsense"]}, "no property config.nonsense"),
        ("hide", {"paths": [""]}, "path is needed"),
        ("hide", {"paths": [1]}, "paths must be list"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    lab_control: LabControl, verb: str, arguments: dict[str, Any], complaint: str
):
    before = lab_control.list_vms()
    with pytest.raises(ControlError, match=complaint):
        lab_control.call(verb, vm="web", **arguments)
    assert lab_control.list_vms() == before
