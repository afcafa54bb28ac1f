"""Reading the inventory: views, pages, search, names, and waiting for changes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from tests.lab.client import PC, Client, filter_spec
from tests.labs import LabCache
from vmrep.lab import LabControl

MANY = """
[[vms]]
name = "many"
count = 23
folder = "A/B"
disks = [{ capacity = "1MiB", content = "empty" }]
nics = [{ network = "VM Network", addresses = ["10.0.0.1"] }]
tools = { hostname = "many.example.com" }
"""


def test_pages_hold_everything_once(lab_cache: LabCache, tmp_path: Path) -> None:
    scenario = tmp_path / "many.toml"
    scenario.write_text(MANY)
    with lab_cache.running(str(scenario), tmp_path / "lab") as lab:
        client = Client(lab)
        pc = client.content.propertyCollector
        spec = client.view_spec(["name", "config.hardware.numCPU", "config.annotation"])
        page = pc.RetrievePropertiesEx([spec], PC.RetrieveOptions(maxObjects=5))
        sizes, names = [], []
        while True:
            sizes.append(len(page.objects))
            for found in page.objects:
                # an unset property is left out
                values = {p.name: p.val for p in found.propSet}
                assert set(values) == {"name", "config.hardware.numCPU"}
                names.append(values["name"])
            if not page.token:
                break
            page = pc.ContinueRetrievePropertiesEx(page.token)
        assert sizes == [5, 5, 5, 5, 3]
        assert names == [f"many-{n:04d}" for n in range(1, 24)]


def test_pages_can_be_given_up(client: Client) -> None:
    pc = client.content.propertyCollector
    page = pc.RetrievePropertiesEx([client.view_spec(["name"])], PC.RetrieveOptions(maxObjects=1))
    pc.CancelRetrievePropertiesEx(page.token)
    with pytest.raises(vmodl.fault.InvalidArgument):
        pc.ContinueRetrievePropertiesEx(page.token)


def test_an_unknown_property_is_refused(client: Client) -> None:
    pc = client.content.propertyCollector
    for path in ("nonsense", "config.nonsense", "config.hardware.numCPU.x"):
        with pytest.raises(vmodl.query.InvalidProperty) as caught:
            pc.RetrievePropertiesEx([client.view_spec([path])], PC.RetrieveOptions())
        assert caught.value.name == path


def test_a_missing_required_argument_is_refused(client: Client) -> None:
    pc = client.content.propertyCollector
    with pytest.raises((vmodl.fault.InvalidArgument, TypeError)):
        pc.CreateFilter(None, False)


def test_every_property_of_a_vm_can_be_read(client: Client) -> None:
    pc = client.content.propertyCollector
    vm = client.vm("small1")
    spec = PC.FilterSpec(
        objectSet=[PC.ObjectSpec(obj=vm)],
        propSet=[PC.PropertySpec(type=vim.VirtualMachine, all=True)],
    )
    values = {p.name: p.val for p in pc.RetrieveProperties([spec])[0].propSet}
    assert values["config"].hardware.memoryMB == 2048
    assert values["guest"].net[0].ipAddress == ["10.0.0.11", "fe80::250:56ff:fe00:11"]
    assert values["runtime"].host.name == "esx1.lab.example.com"
    assert values["summary"].config.vmPathName == "[datastore1] small1/small1.vmx"
    assert [d.name for d in values["datastore"]] == ["datastore1"]
    assert "snapshot" not in values


def test_the_tree_can_be_walked_from_the_root(client: Client) -> None:
    folder = client.content.rootFolder.childEntity[0]
    datacenter = folder.childEntity[0]
    assert (folder.name, datacenter.name) == ("Lab", "DC1")
    assert datacenter.parent == folder
    tests = datacenter.vmFolder.childEntity[0]
    assert [v.name for v in tests.childEntity] == ["small1", "small2"]
    assert [d.name for d in datacenter.datastore] == ["datastore1", "datastore2"]
    assert {d.summary.type for d in datacenter.datastore} == {"VMFS"}
    compute = datacenter.hostFolder.childEntity[0]
    assert compute.host[0].vm == tests.childEntity
    assert tests.childEntity[0].resourcePool == compute.resourcePool


def test_traversal_specs_may_recurse_by_name(client: Client) -> None:
    visit = PC.TraversalSpec(
        name="folders",
        type=vim.Folder,
        path="childEntity",
        skip=False,
        selectSet=[
            PC.SelectionSpec(name="folders"),
            PC.TraversalSpec(
                type=vim.Datacenter,
                path="vmFolder",
                skip=False,
                selectSet=[PC.SelectionSpec(name="folders")],
            ),
        ],
    )
    spec = PC.FilterSpec(
        objectSet=[PC.ObjectSpec(obj=client.content.rootFolder, skip=True, selectSet=[visit])],
        propSet=[PC.PropertySpec(type=vim.VirtualMachine, pathSet=["name"])],
    )
    found = client.content.propertyCollector.RetrievePropertiesEx([spec], PC.RetrieveOptions())
    assert [o.propSet[0].val for o in found.objects] == ["small1", "small2"]


def test_search_finds_by_uuid_path_address_and_name(client: Client) -> None:
    search, vm = client.content.searchIndex, client.vm("small1")
    assert search.FindByUuid(None, vm.config.instanceUuid, True, True) == vm
    assert search.FindByUuid(None, vm.config.uuid, True, False) == vm
    assert search.FindByUuid(None, vm.config.uuid, True, True) is None
    assert search.FindByInventoryPath("Lab/DC1/vm/Tests/small1") == vm
    assert search.FindByInventoryPath("/Lab/DC1/vm/Tests/nobody") is None
    datacenter = search.FindByInventoryPath("Lab/DC1")
    assert search.FindByDatastorePath(datacenter, "[datastore1] small1/small1.vmx") == vm
    assert search.FindByIp(None, "10.0.0.11", True) == vm
    assert search.FindByDnsName(None, "small1.lab.example.com", True) == vm
    assert search.FindChild(vm.parent, "small1") == vm


def test_a_vm_about_which_nothing_is_known(lab_cache: LabCache, tmp_path: Path) -> None:
    scenario = tmp_path / "bare.toml"
    scenario.write_text('[[vms]]\nname = "bare"\nbare = true\ninstance_uuid = "none"\n')
    with lab_cache.running(str(scenario), tmp_path / "lab") as lab:
        vm = Client(lab).vm("bare")
        assert vm.guest is None
        assert vm.config.instanceUuid is None
        assert vm.config.annotation is None
        assert vm.config.firmware is None
        assert vm.snapshot is None
        assert vm.network == []


def test_hostile_names_are_stored_as_vsphere_stores_them(
    client: Client, lab_control: LabControl
) -> None:
    lab_control.rename("small1", "<script>alert(1)</script>/../x%")
    names = {v.name for v in client.vms()}
    assert "<script>alert(1)<%2fscript>%2f..%2fx%25" in names


class Waiter(threading.Thread):
    """A WaitForUpdatesEx call under way."""

    def __init__(self, pc: Any, version: str) -> None:
        super().__init__(daemon=True)
        self.answer: Any = None
        self._call = pc, version
        self.start()

    def run(self) -> None:
        pc, version = self._call
        self.answer = pc.WaitForUpdatesEx(version, PC.WaitOptions(maxWaitSeconds=20))


def test_waiting_tells_only_what_changed(client: Client, lab_control: LabControl) -> None:
    pc = client.content.propertyCollector.CreatePropertyCollector()
    vm = client.vm("small1")
    pc.CreateFilter(
        filter_spec(client.vms(), vim.VirtualMachine, ["name", "config.version"]), False
    )
    first = pc.WaitForUpdatesEx("", PC.WaitOptions(maxWaitSeconds=0))
    assert [o.kind for o in first.filterSet[0].objectSet] == ["enter", "enter"]
    assert pc.WaitForUpdatesEx(first.version, PC.WaitOptions(maxWaitSeconds=0)) is None
    waiter = Waiter(pc, first.version)
    lab_control.rename("small1", "another")
    waiter.join(20)
    (update,) = waiter.answer.filterSet[0].objectSet
    assert (update.obj, update.kind) == (vm, "modify")
    assert [(c.name, c.val) for c in update.changeSet] == [("name", "another")]
    # the answer was lost: asking from the older version tells the same again
    again = pc.WaitForUpdatesEx(first.version, PC.WaitOptions(maxWaitSeconds=0))
    assert [(c.name, c.val) for c in again.filterSet[0].objectSet[0].changeSet] == [
        ("name", "another")
    ]
    with pytest.raises(vmodl.query.InvalidCollectorVersion):
        pc.WaitForUpdatesEx("12345", PC.WaitOptions(maxWaitSeconds=0))


def test_a_removed_vm_leaves_a_view(client: Client, lab_control: LabControl) -> None:
    pc = client.content.propertyCollector.CreatePropertyCollector()
    pc.CreateFilter(client.view_spec(["name"]), True)
    first = pc.WaitForUpdatesEx("", PC.WaitOptions(maxWaitSeconds=0))
    gone = client.vm("small2")
    lab_control.destroy("small2")
    second = pc.WaitForUpdatesEx(first.version, PC.WaitOptions(maxWaitSeconds=5))
    assert [(o.kind, o.obj) for o in second.filterSet[0].objectSet] == [("leave", gone)]
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        _ = gone.name
    pc.DestroyPropertyCollector()
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        pc.WaitForUpdatesEx("", PC.WaitOptions(maxWaitSeconds=0))


def test_a_wait_ends_when_the_session_does(client: Client, lab_control: LabControl) -> None:
    pc = client.content.propertyCollector
    pc.CreateFilter(client.view_spec(["name"]), True)
    first = pc.WaitForUpdatesEx("", PC.WaitOptions(maxWaitSeconds=0))
    timer = threading.Timer(0.2, lab_control.expire_sessions)
    timer.start()
    with pytest.raises(vim.fault.NotAuthenticated):
        pc.WaitForUpdatesEx(first.version, PC.WaitOptions(maxWaitSeconds=30))
    timer.join()
