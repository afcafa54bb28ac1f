"""Clients other than pyVmomi: what govmomi sends, references and types as vCenter writes them."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from tests.lab.client import PC, Client, connect, filter_spec, raw_call
from vmrep.lab import Lab, LabControl
from vmrep.lab.errors import ControlError

# What govmomi 0.24.2 sent to a lab with the scenario `small` when it was asked for what `govc ls`,
# `find`, `vm.info`, `device.info`, `snapshot.*`, `vm.power`, `vm.change`, `datastore.*` and `tasks`
# ask for, in its order, less the later calls of waits for updates. `{madeN}` stands for what an
# earlier answer named (`makes`); `fault` is the one for what is not simulated.
RECORDED = Path(__file__).with_name("govmomi.jsonl")
Traversal = PC.TraversalSpec


def test_what_govmomi_sends_is_answered(client: Client) -> None:
    client.snapshot(client.vm("small1"), "takes snapshot-1, so that names differ")
    made: dict[str, str] = {}
    for line in RECORDED.read_text().splitlines():
        sent = json.loads(line)
        body = re.sub(r"\{(made\d+)\}", lambda found: made[found[1]], sent["body"])
        body = body.replace(">snapshot-1<", ">snapshot-2<")
        method, _, rest = body.partition("</_this>")
        kind, moid = re.search(r'<_this type="(\w+)">(.*)$', method).groups()
        answer = raw_call(
            client, sent["method"], kind, moid, rest.removesuffix(f"</{sent['method']}>")
        )
        fault = re.search(r'<(\w+)Fault xsi:type="\1"', answer)
        assert (fault[1] if fault else None) == sent.get("fault"), (body, answer)
        assert 'xsi:type="ManagedObject"' not in answer
        if "makes" in sent:
            found = re.search(r"<returnval type=\"[^\"]+\">([^<]+)<", answer)
            assert found, (body, answer)
            made[sent["makes"]] = found[1]
            if sent["method"].endswith("_Task"):
                WaitForTask(vim.Task(found[1], client.si._stub))


def value(client: Client, moid: str, path: str, kind: str = "VirtualMachine") -> str:
    answer = raw_call(
        client,
        "RetrievePropertiesEx",
        "PropertyCollector",
        "propertyCollector",
        f"<specSet><propSet><type>{kind}</type><pathSet>{path}</pathSet></propSet><objectSet>"
        f'<obj type="{kind}">{moid}</obj></objectSet></specSet><options/>',
    )
    found = re.search(r"<val.*?</val>", answer, re.S)
    assert found, answer
    return found[0]


def test_values_say_their_types_as_vcenter_writes_them(client: Client) -> None:
    vm = client.vm("small2")._moId
    said = '<val xsi:type="ManagedObjectReference" type="HostSystem">host-'
    assert value(client, vm, "runtime.host").startswith(said)
    state = value(client, vm, "runtime.powerState")
    assert state == '<val xsi:type="VirtualMachinePowerState">poweredOff</val>'
    assert 'xsi:type="xsd:long"' in value(client, "datastore-2", "summary.capacity", "Datastore")
    assert '<val xsi:type="ArrayOfManagedObjectReference">' in value(client, vm, "datastore")


@pytest.mark.parametrize(
    "written",
    [
        'type="VirtualMachine"',
        'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" '
        'i:type="ManagedObjectReference" type="VirtualMachine"',
    ],
)
def test_references_are_read_with_and_without_their_type(client: Client, written: str) -> None:
    vm = client.vm("small2")._moId
    answer = raw_call(
        client,
        "RetrieveProperties",
        "PropertyCollector",
        "propertyCollector",
        "<specSet><propSet><type>ManagedEntity</type><pathSet>name</pathSet></propSet><objectSet>"
        f"<obj {written}>{vm}</obj></objectSet></specSet>",
    )
    assert ">small2</val>" in answer


def test_a_selection_may_name_what_comes_later(client: Client) -> None:
    """As the traversal specs of many samples do, in any order."""

    def to(*names: str) -> list[Any]:
        return [PC.SelectionSpec(name=name) for name in names]

    steps = [
        Traversal(
            name="folder", type=vim.Folder, path="childEntity", selectSet=to("folder", "vms")
        ),
        Traversal(name="vms", type=vim.Datacenter, path="vmFolder", selectSet=to("folder")),
    ]
    spec = PC.FilterSpec(
        objectSet=[PC.ObjectSpec(obj=client.content.rootFolder, skip=True, selectSet=steps)],
        propSet=[PC.PropertySpec(type=vim.VirtualMachine, pathSet=["name"])],
    )
    found = client.content.propertyCollector.RetrieveContents([spec])
    assert {one.propSet[0].val for one in found} == {"small1", "small2"}
    spec.objectSet[0].selectSet.append(PC.SelectionSpec(name="nowhere"))
    with pytest.raises(vmodl.fault.InvalidArgument):
        client.content.propertyCollector.RetrieveContents([spec])


def test_nobody_has_no_session_after_a_logout(lab: Lab, client: Client) -> None:
    other = connect(lab)
    manager = other.content.sessionManager
    assert manager.currentSession.userName == lab.username
    manager.Logout()
    assert manager.currentSession is None
    spec = filter_spec([manager], vim.SessionManager, ["currentSession"])
    (answer,) = other.content.propertyCollector.RetrieveContents([spec])
    assert not answer.propSet
    assert isinstance(answer.missingSet[0].fault, vim.fault.NotAuthenticated)
    spec = filter_spec([other.content.rootFolder], vim.Folder, ["name"])
    with pytest.raises(vim.fault.NotAuthenticated):
        other.content.propertyCollector.RetrieveContents([spec])
    other._stub.DropConnections()


def test_updates_come_in_versions_and_in_parts(client: Client, lab_control: LabControl) -> None:
    collector = client.content.propertyCollector.CreatePropertyCollector()
    collector.CreateFilter(client.view_spec(["name", "config.annotation"]), False)
    options = PC.WaitOptions(maxObjectUpdates=1, maxWaitSeconds=5)
    first = collector.WaitForUpdatesEx("", options)
    second = collector.WaitForUpdatesEx(first.version, options)
    assert (first.truncated, second.truncated) == (True, None)
    told = [s.obj for update in (first, second) for s in update.filterSet[0].objectSet]
    assert {vm._moId for vm in told} == {vm._moId for vm in client.vms()}
    assert collector.WaitForUpdatesEx(second.version, PC.WaitOptions(maxWaitSeconds=0)) is None
    lab_control.configure("small2", notes="changed")
    third = collector.WaitForUpdatesEx(second.version, options)
    (change,) = third.filterSet[0].objectSet
    assert (change.kind, [c.name for c in change.changeSet]) == ("modify", ["config.annotation"])
    # An answer that was lost is asked for again, by the version before it.
    again = collector.WaitForUpdatesEx(second.version, options)
    assert [c.val for c in again.filterSet[0].objectSet[0].changeSet] == ["changed"]
    with pytest.raises(vmodl.query.InvalidCollectorVersion):
        collector.WaitForUpdatesEx(first.version, options)
    collector.DestroyPropertyCollector()


def test_what_samples_read_of_hosts_and_datastores(client: Client) -> None:
    datacenter = client.content.rootFolder.childEntity[0].childEntity[0]
    (compute,) = datacenter.hostFolder.childEntity
    (host,) = compute.host
    assert host.summary.config.name == host.name
    assert host.summary.hardware.memorySize == host.hardware.memorySize > 0
    assert {vm.name for vm in host.vm} == {vm.name for vm in compute.resourcePool.vm}
    assert compute.summary.numHosts == 1
    one, two = host.datastore
    assert isinstance(one.info, vim.host.VmfsDatastoreInfo)
    assert [mount.key for mount in one.host] == [host]
    assert {vm.name for vm in one.vm} == {"small1", "small2"}
    assert [vm.name for vm in two.vm] == ["small2"]
    index = client.content.searchIndex
    assert index.FindByUuid(None, host.hardware.systemInfo.uuid, False) == host
    assert index.FindByDnsName(None, host.name, False) == host
    vm = client.vm("small1")
    assert index.FindAllByDnsName(None, "small1.lab.example.com", True) == [vm]
    assert index.FindAllByIp(None, "10.0.0.11", True) == [vm]
    assert index.FindByIp(None, "10.0.0.11", False) is None


def test_a_browser_lists_disks_and_folders(client: Client) -> None:
    datastore = client.vm("small2").datastore[0]
    spec = vim.host.DatastoreBrowser.SearchSpec(matchPattern=["*.vmdk"])
    task = datastore.browser.SearchDatastore_Task("[datastore1] small2", spec)
    WaitForTask(task)
    assert task.info.result.folderPath == "[datastore1] small2/"
    assert [file.path for file in task.info.result.file] == ["small2.vmdk"]
    with pytest.raises(vim.fault.FileNotFound):
        WaitForTask(datastore.browser.SearchDatastore_Task("[datastore1] nowhere", spec))


def test_several_vms_are_powered_on_at_once(client: Client) -> None:
    vm = client.vm("small2")
    datacenter = client.content.rootFolder.childEntity[0].childEntity[0]
    task = datacenter.PowerOnMultiVM_Task([vm])
    WaitForTask(task)
    (attempted,) = task.info.result.attempted
    WaitForTask(attempted.task)
    assert vm.runtime.powerState == "poweredOn"


def test_what_is_not_simulated_is_a_fault(client: Client) -> None:
    vm = client.vm("small2")
    with pytest.raises(vmodl.fault.MethodNotFound):
        vm.CloneVM_Task(vm.parent, "x", vim.vm.CloneSpec(location=vim.vm.RelocateSpec()))
    answer = raw_call(client, "Teleport", "VirtualMachine", vm._moId)
    assert "InvalidRequestFault" in answer
    assert client.content.licenseManager is None


def test_faults_may_be_of_classes_that_no_client_knows(
    client: Client, lab_control: LabControl
) -> None:
    vm = client.vm("small2")
    lab_control.fail("QueryChangedDiskAreas", fault="unknown:DiskIsElsewhere", message="elsewhere")
    body = "<deviceKey>2000</deviceKey><startOffset>0</startOffset><changeId>*</changeId>"
    answer = raw_call(client, "QueryChangedDiskAreas", "VirtualMachine", vm._moId, body)
    assert '<DiskIsElsewhereFault xsi:type="DiskIsElsewhere"' in answer
    assert "<faultstring>elsewhere</faultstring>" in answer
    lab_control.fail("CreateSnapshot_Task", fault="unknown:TooQuantum", in_task=True)
    task = vm.CreateSnapshot_Task("s", "", False, False)
    for _ in range(100):
        info = value(client, task._moId, "info", "Task")
        if ">error<" in info:
            break
        time.sleep(0.02)
    assert '<fault xsi:type="TooQuantum">' in info
    with pytest.raises(ControlError, match="not the name of a vSphere fault"):
        lab_control.fail("CreateSnapshot_Task", fault="unknown:<x>")
