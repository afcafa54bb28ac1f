"""One odd object at a real server: it is told with the server's words, and the others are read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyVmomi import vim

from contexts.vsphere import inventory, privileges, snapshots
from contexts.vsphere.endpoint import Endpoint, Trust
from contexts.vsphere.errors import ObjectGone, VmUnreadable
from contexts.vsphere.inventory import VmRecord, read_vm, read_vms
from contexts.vsphere.session import Session
from contexts.vsphere.tls import presented_certificate
from vmrep.lab import Lab
from vmrep.lab.control.client import LabControl

TEXT = '<val xsi:type="xsd:string">%s</val>'
DEVICES = "config.hardware.device"
DISK = (
    "<VirtualDevice xsi:type='VirtualDisk'><key>2000</key><backing"
    " xsi:type='VirtualDiskFlatVer2BackingInfo'><fileName>[d] a.vmdk</fileName>"
    "<diskMode>persistent</diskMode></backing>%s</VirtualDevice>"
)


def devices(*each: str) -> str:
    return f'<val xsi:type="ArrayOfVirtualDevice">{"".join(each)}</val>'


@pytest.fixture(autouse=True)
def usual_again(control: LabControl) -> Iterator[None]:
    yield
    control.clear_odd_properties()
    control.hide("small1", [])


def read_all(session: Session) -> dict[str, VmRecord]:
    return {vm.moref: vm for page in read_vms(session) for vm in page.records}


# What is answered for a property, what of the VM is unsaid for it, and a part of the words.
ODD: dict[str, tuple[str, str, set[str], str]] = {
    "a control character": ("config.annotation", TEXT % "a\x01b", set(), "XML forbids: 'a�b'"),
    "one as a reference": ("config.annotation", TEXT % "a&#1;b", set(), "XML forbids"),
    "broken UTF-8": ("config.annotation", TEXT % "a\udcffb", set(), "XML forbids"),
    "an open tag": ("config.annotation", TEXT % "a<b", {*inventory.SPEC_FIELDS_BY_NAME}, "not XML"),
    "an unknown type": (
        "config.annotation",
        '<val xsi:type="Quantum"/>',
        {"annotation"},
        "Quantum",
    ),
    "an unknown choice": (
        "runtime.powerState",
        '<val xsi:type="VirtualMachinePowerState">hibernated</val>',
        {"power_state"},
        "'hibernated' is no",
    ),
    "a number of 30 digits": (
        "config.hardware.numCPU",
        f'<val xsi:type="xsd:int">{"9" * 30}</val>',
        {"cpu_count"},
        "not a whole number",
    ),
    "no value": ("config.hardware.numCPU", "<x/>", {"cpu_count"}, "without a value"),
    "a value twice": (
        "config.hardware.numCPU",
        '<val xsi:type="xsd:int">2</val></propSet><propSet><name>config.hardware.numCPU</name>'
        '<val xsi:type="xsd:int">4</val>',
        {"cpu_count"},
        "it came twice",
    ),
    "a reference to nothing": (
        "runtime.host",
        '<val xsi:type="ManagedObjectReference" type="NoSuchKind">x-1</val>',
        {"host_name"},
        "is not a reference",
    ),
    "a reference to a datastore": (
        "runtime.host",
        '<val xsi:type="ManagedObjectReference" type="Datastore">datastore-1</val>',
        {"host_name"},
        "does not belong there",
    ),
    "less than nothing": (
        DEVICES,
        devices(DISK % "<capacityInKB>-5</capacityInKB>"),
        {"disks"},
        "has -5120 bytes",
    ),
    "no capacity": (DEVICES, devices(DISK % ""), {"disks"}, "has no capacity"),
    "two disks of one key": (
        DEVICES,
        devices(*[DISK % "<capacityInKB>5</capacityInKB>"] * 2),
        {"disks"},
        "two disks have the device key 2000",
    ),
    "a device of tomorrow": (
        DEVICES,
        devices("<VirtualDevice xsi:type='VirtualQuantum'><key>9</key></VirtualDevice>"),
        set(),
        "does not know VirtualQuantum",
    ),
    "a disk of tomorrow": (
        DEVICES,
        devices("<VirtualDevice xsi:type='NewDisk'><capacityInKB>1</capacityInKB></VirtualDevice>"),
        {"disks"},
        "NewDisk may be a disk",
    ),
    "a time that is none": (
        "snapshot",
        '<val xsi:type="VirtualMachineSnapshotInfo"><rootSnapshotList><snapshot'
        ' type="VirtualMachineSnapshot">snapshot-1</snapshot><name>n</name><createTime>NaN'
        "</createTime></rootSnapshotList></val>",
        {"snapshots", "snapshot_count"},
        "'NaN' is not a time",
    ),
    "a thousand levels": (
        "config.annotation",
        '<val xsi:type="xsd:string">' + "<a>" * 1000 + "</a>" * 1000 + "</val>",
        {*inventory.SPEC_FIELDS_BY_NAME},
        "depth",
    ),
}


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_about_one_vm_is_reported_and_affects_nothing_else(
    what: str, session: Session, control: LabControl, vms: dict[str, VmRecord]
) -> None:
    path, xml, unsaid, words = ODD[what]
    usual, other = vms["small1"], vms["small2"]
    control.odd_property("small1", path, xml)
    found = read_all(session)
    assert found[other.moref] == other
    odd = found[usual.moref]
    assert odd.unsaid - usual.unsaid >= unsaid - {"moref"}
    assert words in odd.unreadable
    if not {*inventory.SPEC_FIELDS_BY_NAME} <= unsaid:
        assert odd.unsaid - usual.unsaid == unsaid
        known = {name: value for name, value in odd.specs.items() if name not in odd.unsaid}
        assert known.items() - {("annotation", "a�b")} <= usual.specs.items()
    # A job reads the same VM by itself: it goes on where it can, and says why where it cannot.
    if odd.lacks:
        with pytest.raises(VmUnreadable) as refused:
            read_vm(session, usual.instance_uuid or "", usual.moref)
        assert words in str(refused.value)
    else:
        assert read_vm(session, usual.instance_uuid or "", usual.moref) == odd
    assert privileges.read_privileges(session, {"datastore"}).vms_seen == 2
    assert {vm.vm_moref for vm in snapshots.of_all_vms(session)} == {usual.moref, other.moref}


def test_what_is_mended_is_kept(session: Session, control: LabControl) -> None:
    control.odd_property("small1", "config.annotation", TEXT % "Owner:\x0b \udcfcberall")
    control.odd_property("small1", "name", TEXT % "small\x001")
    (vm,) = [vm for vm in read_all(session).values() if vm.name == "small�1"]
    assert vm.specs["annotation"] == "Owner:� �berall"
    assert not vm.lacks


@pytest.mark.parametrize("fault", ["NoPermission", "QuantumFault", "ManagedObjectNotFound"])
def test_a_property_that_is_refused_says_by_what(
    fault: str, session: Session, control: LabControl, vms: dict[str, VmRecord]
) -> None:
    control.refuse_property("small1", DEVICES, fault, "not for you")
    vm = read_all(session)[vms["small1"].moref]
    assert vm.lacks == {"disks"}
    assert f"{DEVICES}: vSphere refuses it with {fault}: not for you" in vm.unreadable


@pytest.mark.parametrize("path", ["config", DEVICES, "snapshot", "name", "parent", "runtime.host"])
def test_unset_is_unsaid(
    path: str, session: Session, control: LabControl, vms: dict[str, VmRecord]
) -> None:
    """A VM without snapshots has none; one with snapshots that are not delivered has some."""
    if path == "snapshot":
        control.take_snapshot("small1", "mine")
    control.hide("small1", [path])
    vm = read_all(session)[vms["small1"].moref]
    expected = {
        "config": {"instance_uuid", "disks", "networks", "snapshots", "cpu_count", "bios_uuid"},
        DEVICES: {"disks", "networks"},
        "snapshot": {"snapshots", "snapshot_count"},
        "name": {"vm_name", "vm_path"},
        "parent": {"vm_path", "datacenter"},
        "runtime.host": {"host_name"},
    }
    assert expected[path] <= vm.unsaid
    if path == "snapshot":
        control.hide("small1", [])
        control.remove_snapshots("small1")


def test_odd_places_cost_their_names_only(
    session: Session, control: LabControl, vms: dict[str, VmRecord]
) -> None:
    host = session.object(vim.VirtualMachine, vms["small1"].moref).runtime.host
    for place in (host._moId, "Tests", "VM Network", "datastore1"):
        control.odd_property(place, "name", '<val xsi:type="Quantum"/>')
    found = read_all(session)
    assert {vm.moref: vm.disks for vm in found.values()} == {
        vm.moref: vm.disks for vm in vms.values()
    }
    assert {"host_name", "vm_path"} <= found[vms["small1"].moref].unsaid
    assert read_vm(session, vms["small1"].instance_uuid or "").disks == vms["small1"].disks


@pytest.mark.parametrize("whole_call", [True, False])
def test_a_vm_that_goes_while_it_is_read_takes_no_other_along(
    whole_call: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Lab(tmp_path_factory.mktemp("lab") / "small", "small") as lab:
        pin = Trust("pin", presented_certificate(lab.host, lab.port).fingerprint_sha256)
        with Session(Endpoint(lab.host, lab.port, lab.username, lab.password, pin)) as session:
            before = {vm.name: vm for vm in read_all(session).values()}
            LabControl(lab.control_url).vanish_when_read("small2", whole_call=whole_call)
            found = {vm.name: vm for vm in read_all(session).values()}
            assert found["small1"] == before["small1"]
            assert all(vm.lacks for name, vm in found.items() if name != "small1")
            with pytest.raises(ObjectGone):
                read_vm(session, before["small2"].instance_uuid or "", before["small2"].moref)
