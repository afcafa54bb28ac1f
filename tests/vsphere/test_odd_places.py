"""What is odd about a host, a folder, a network or a datastore costs its own name at most: the VMs
are read, one by one and all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyVmomi import vim

from contexts.vsphere import datastore, privileges, snapshots
from contexts.vsphere.endpoint import Endpoint, Trust
from contexts.vsphere.errors import VmUnreadable, VSphereFault
from contexts.vsphere.inventory import VmRecord, read_vm, read_vms
from contexts.vsphere.session import Session
from contexts.vsphere.tls import presented_certificate
from vmrep.lab import Lab
from vmrep.lab.control.client import LabControl

TEXT = '<val xsi:type="xsd:string">%s</val>'
REFERENCE = '<val xsi:type="ManagedObjectReference" type="%s">%s</val>'
REFERENCES = (
    '<val xsi:type="ArrayOfManagedObjectReference">'
    '<ManagedObjectReference type="%s">%s</ManagedObjectReference></val>'
)


@pytest.fixture(autouse=True)
def usual_again(control: LabControl, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("contexts.vsphere.session._PAUSE_SECONDS", 0.0)
    yield
    control.clear_odd_properties()


def read_all(session: Session, page_size: int = 200) -> dict[str, VmRecord]:
    return {vm.moref: vm for page in read_vms(session, page_size) for vm in page.records}


def place(session: Session, vm: VmRecord, word: str) -> str:
    """The reference of the VM's host or folder; the name of another object as it is."""
    found = session.object(vim.VirtualMachine, vm.moref)
    return {"host": found.runtime.host._moId, "folder": found.parent._moId}.get(word, word)


ODD: dict[str, tuple[str, str, set[str]]] = {
    "a host without a name": ("host", TEXT % "", {"host_name"}),
    "a folder without a name": ("folder", TEXT % "", {"vm_path", "folder", "datacenter"}),
    "a datacenter without a name": ("DC1", TEXT % "", {"vm_path", "folder", "datacenter"}),
    "a network whose name is a number": ("VM Network", '<val xsi:type="xsd:int">7</val>', set()),
    "a datastore without a name": ("datastore1", TEXT % "", set()),
    "a datastore with a bell": ("datastore1", TEXT % "a\x07b", set()),
}


@pytest.mark.parametrize("what", ODD)
def test_a_name_that_is_none_is_unsaid(
    what: str, session: Session, control: LabControl, vms: dict[str, VmRecord]
) -> None:
    where, xml, unsaid = ODD[what]
    usual = vms["small1"]
    control.odd_property(place(session, usual, where), "name", xml)
    found = read_all(session)
    odd = found[usual.moref]
    assert odd.unsaid - usual.unsaid == unsaid
    assert {moref: vm.disks for moref, vm in found.items()} == {
        vm.moref: vm.disks for vm in vms.values()
    }
    said = {name: value for name, value in odd.specs.items() if name not in odd.unsaid}
    assert said.items() <= usual.specs.items()
    assert read_vm(session, usual.instance_uuid or "", usual.moref) == odd


PARENTS = {
    "itself": ("Folder", "folder"),
    "a folder that is not there": ("Folder", "group-v9999"),
    "a host": ("HostSystem", "host"),
    "a kind that nobody knows": ("QuantumFolder", "group-q1"),
}


@pytest.mark.parametrize("parent", PARENTS)
@pytest.mark.parametrize("where", ["folder", "DC1"])
def test_folders_that_lead_nowhere_end(
    where: str, parent: str, session: Session, control: LabControl, vms: dict[str, VmRecord]
) -> None:
    usual = vms["small1"]
    kind, target = PARENTS[parent]
    xml = REFERENCE % (kind, place(session, usual, target))
    control.odd_property(place(session, usual, where), "parent", xml)
    odd = read_all(session)[usual.moref]
    assert "vm_path" in odd.unsaid
    assert odd.disks == usual.disks
    assert read_vm(session, usual.instance_uuid or "", usual.moref).disks == usual.disks
    datastore.datacenter_path(session, usual.moref)


DANGLING = {
    "its host": ("runtime.host", REFERENCE % ("HostSystem", "host-9999")),
    "its folder": ("parent", REFERENCE % ("Folder", "group-v9999")),
    "its networks": ("network", REFERENCES % ("Network", "network-9999")),
    "its datastores": ("datastore", REFERENCES % ("Datastore", "datastore-9999")),
}


@pytest.mark.parametrize("what", DANGLING)
def test_what_a_vm_refers_to_may_be_gone(
    what: str, session: Session, control: LabControl, vms: dict[str, VmRecord]
) -> None:
    """It was taken for the VM itself: a job said that the VM is gone."""
    usual = vms["small1"]
    control.odd_property("small1", *DANGLING[what])
    odd = read_vm(session, usual.instance_uuid or "", usual.moref)
    assert odd.disks == usual.disks
    assert not odd.lacks
    assert read_all(session)[usual.moref].disks == usual.disks


@pytest.mark.parametrize("where", ["host", "folder", "DC1", "datastore1", "VM Network"])
def test_an_account_that_may_not_see_what_is_around_a_vm_reads_the_vm(
    where: str, session: Session, control: LabControl, vms: dict[str, VmRecord]
) -> None:
    usual = vms["small1"]
    control.hide_object(place(session, usual, where))
    odd = read_vm(session, usual.instance_uuid or "", usual.moref)
    assert not odd.lacks
    assert [disk.vmdk_path for disk in odd.disks] == [disk.vmdk_path for disk in usual.disks]
    assert odd == read_all(session)[usual.moref]
    datastore.datacenter_path(session, usual.moref)


FAULTS = {
    "a network that is gone": ("ManagedObjectNotFound", "network-9999"),
    "a failure": ("SystemError", ""),
    "a fault of tomorrow": ("unknown:QuantumFault", ""),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("where", ["host", "folder", "datastore1", "VM Network"])
def test_a_place_that_ends_every_call_costs_its_name(
    where: str, fault: str, session: Session, control: LabControl, vms: dict[str, VmRecord]
) -> None:
    usual = vms["small1"]
    name, about = FAULTS[fault]
    control.spoil_reading(place(session, usual, where), name, "not today", about)
    found = read_all(session)
    assert {moref: vm.disks[0].vmdk_path for moref, vm in found.items()} == {
        vm.moref: vm.disks[0].vmdk_path for vm in vms.values()
    }
    alone = read_vm(session, usual.instance_uuid or "", usual.moref)
    assert not alone.lacks
    assert [disk.vmdk_path for disk in alone.disks] == [disk.vmdk_path for disk in usual.disks]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_vm_that_ends_every_call_is_not_gone(
    fault: str, session: Session, control: LabControl, vms: dict[str, VmRecord]
) -> None:
    """Above all not where the fault says that something else is gone."""
    usual, other = vms["small1"], vms["small2"]
    name, about = FAULTS[fault]
    control.spoil_reading("small1", name, "not today", about)
    found = read_all(session)
    assert found[other.moref] == other
    odd = found[usual.moref]
    assert "not today" in odd.unreadable
    assert odd.lacks == {"instance_uuid", "disks", "snapshots"}
    with pytest.raises((VmUnreadable, VSphereFault), match="not today"):
        read_vm(session, usual.instance_uuid or "", usual.moref)
    assert privileges.read_privileges(session, {"datastore"}).vms_seen == 2
    assert {vm.vm_moref for vm in snapshots.of_all_vms(session)} == {usual.moref, other.moref}


def test_a_page_of_odd_vms_affects_no_other_page(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with Lab(tmp_path_factory.mktemp("lab") / "small", "small") as lab:
        control = LabControl(lab.control_url)
        control.clone("small1", "small3")
        control.clone("small1", "small4")
        pin = Trust("pin", presented_certificate(lab.host, lab.port).fingerprint_sha256)
        with Session(Endpoint(lab.host, lab.port, lab.username, lab.password, pin)) as session:
            for name, about in FAULTS.values():
                for odd in ("small3", "small4"):
                    control.spoil_reading(odd, name, "not today", about)
                found = list(read_all(session, page_size=2).values())
                assert [vm.name for vm in found[:2]] == ["small1", "small2"]
                assert ["not today" in vm.unreadable for vm in found[2:]] == [True, True]
