from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

import pytest

from contexts.vsphere.endpoint import Endpoint, Trust
from contexts.vsphere.errors import ConnectionLost, ObjectGone, PrivilegeMissing
from contexts.vsphere.inventory import VmRecord, read_vm, read_vms
from contexts.vsphere.preflight import refusals
from contexts.vsphere.records import DiskRecord, NicRecord
from contexts.vsphere.session import Session
from contexts.vsphere.specs import SPEC_FIELDS
from contexts.vsphere.tls import presented_certificate
from vmrep.lab import Lab
from vmrep.lab.control.client import LabControl

READ, CONTINUE = "RetrievePropertiesEx", "ContinueRetrievePropertiesEx"


def read_all(session: Session, page_size: int = 500) -> list[VmRecord]:
    return [vm for page in read_vms(session, page_size) for vm in page.records]


# ------------------------------------------------------------------ all VMs


def test_a_vm_is_read_with_everything(vm: VmRecord, control: LabControl) -> None:
    (truth,) = [one for one in control.list_vms() if one["name"] == "small1"]
    assert vm.instance_uuid == truth["instance_uuid"]
    assert vm.problem is None
    known = dict(vm.specs)
    assert len(str(known.pop("bios_uuid"))) == 36
    assert known.pop("change_version")
    assert str(known.pop("vm_tools_version")).isdecimal()
    assert known == {
        "vm_name": "small1",
        "moref": truth["moref"],
        "vmx_path": "[datastore1] small1/small1.vmx",
        "annotation": "One disk with a Linux file system",
        "vm_path": "/Lab/DC1/vm/Tests/small1",
        "datacenter": "DC1",
        "host_name": "esx1.lab.example.com",
        "cpu_count": 2,
        "cores_per_socket": 2,
        "memory_mb": 2048,
        "hardware_version": "vmx-19",
        "firmware": "bios",
        "os_type": "Debian GNU/Linux 12 (64-bit)",
        "guest_id": "debian12_64Guest",
        "vm_tools_status": "toolsOk",
        "guest_hostname": "small1.lab.example.com",
        "ip_addresses": ("10.0.0.11", "fe80::250:56ff:fe00:11"),
        "power_state": "poweredOn",
        "connection_state": "connected",
        "is_template": False,
        "cbt_enabled": False,
        "snapshot_count": 0,
        "consolidation_needed": False,
        "fault_tolerance_state": "notConfigured",
    }
    assert vm.tools_running is True


def test_disks_and_adapters_are_read(vms: dict[str, VmRecord]) -> None:
    (disk,) = vms["small1"].disks
    assert disk == DiskRecord(
        device_key=2000,
        disk_uuid=disk.disk_uuid,
        label="Hard disk 1",
        capacity_bytes=64 << 20,
        vmdk_path="[datastore1] small1/small1.vmdk",
        datastore="datastore1",
        provisioning_type="thin",
        disk_mode="persistent",
        sharing="sharingNone",
        backing_type="flat",
        controller_type="pvscsi",
        change_id=None,
        has_parent=False,
        datastore_type="VMFS",
        datastore_moref=disk.datastore_moref,
        encrypted=False,
    )
    assert disk.disk_uuid
    second = vms["small2"].disks[1]
    assert (second.device_key, second.capacity_bytes) == (2001, 20 << 20)
    assert (second.datastore, second.provisioning_type) == ("datastore2", "thick_eager")
    (nic,) = vms["small1"].networks
    assert nic == NicRecord(
        device_key=4000,
        label="Network adapter 1",
        mac_address=nic.mac_address,
        network_name="VM Network",
        adapter_type="vmxnet3",
        connected=True,
        ip_addresses=("10.0.0.11", "fe80::250:56ff:fe00:11"),
    )
    assert nic.mac_address


def test_a_vm_that_is_off_has_no_guest_data(vms: dict[str, VmRecord]) -> None:
    off = vms["small2"]
    assert off.specs["power_state"] == "poweredOff"
    assert off.specs["guest_hostname"] is None
    assert off.specs["ip_addresses"] is None
    assert [nic.ip_addresses for nic in off.networks] == [()]
    assert not off.tools_running


@pytest.mark.parametrize("page_size", [1, 2, 500])
def test_pages_of_any_size_hold_the_same_vms_and_the_total(
    session: Session, vms: dict[str, VmRecord], page_size: int
) -> None:
    pages = list(read_vms(session, page_size))
    assert [page.total for page in pages] == [2] * len(pages)
    assert max(len(page.records) for page in pages) <= page_size
    assert {vm.name: vm for page in pages for vm in page.records} == vms


def test_the_calls_follow_the_pages_not_the_vms(session: Session, calls: list[str]) -> None:
    listed = ["CreateContainerView", READ, "DestroyView"]
    read_all(session)
    assert calls == [*listed, READ, *listed, READ]
    calls.clear()
    read_all(session, page_size=1)
    places, vms = calls[3:-5], calls[-5:]
    assert set(places) == {READ}
    assert vms == [*listed, READ, READ]


# ------------------------------------------------------------------ trouble in between


def test_a_login_that_expired_before_the_first_page_is_renewed(
    session: Session, control: LabControl, vms: dict[str, VmRecord]
) -> None:
    control.expire_sessions()
    assert {vm.name: vm for vm in read_all(session)} == vms


def test_a_lost_connection_at_the_first_page_is_mended(
    session: Session, control: LabControl, vms: dict[str, VmRecord]
) -> None:
    for method in ("CreateContainerView", "Fetch", READ):
        control.drop_connection(method)
        assert {vm.name: vm for vm in read_all(session)} == vms


@pytest.mark.parametrize("renewed", [False, True])
def test_a_login_that_expires_between_pages_is_renewed(
    session: Session, control: LabControl, vms: dict[str, VmRecord], renewed: bool
) -> None:
    pages = read_vms(session, 1)
    found = list(next(pages).records)
    control.expire_sessions()
    if renewed:
        session.renew()
    found += [vm for page in pages for vm in page.records]
    assert {vm.name: vm for vm in found} == vms


def test_a_connection_that_is_lost_twice_between_pages_ends_the_reading(
    session: Session, control: LabControl, vms: dict[str, VmRecord]
) -> None:
    pages = read_vms(session, 1)
    first = list(next(pages).records)
    control.drop_connection(READ)
    assert {vm.name: vm for vm in (*first, *next(pages).records)} == vms
    pages = read_vms(session, 1)
    next(pages)
    control.drop_connection(READ, times=2)
    with pytest.raises(ConnectionLost) as lost:
        next(pages)
    assert lost.value.transient


def test_a_missing_privilege_is_reported(session: Session, control: LabControl) -> None:
    control.fail(READ, fault="NoPermission", message="Permission was denied.")
    with pytest.raises(PrivilegeMissing, match=r"Reading folders.*Permission was denied"):
        read_all(session)


# ------------------------------------------------------------------ one VM


def test_one_vm_reads_like_all(session: Session, vms: dict[str, VmRecord]) -> None:
    for vm in vms.values():
        assert read_vm(session, vm.instance_uuid or "") == vm
        assert read_vm(session, vm.instance_uuid or "", vm.moref) == vm


def test_a_right_hint_saves_the_search(session: Session, vm: VmRecord, calls: list[str]) -> None:
    read_vm(session, (vm.instance_uuid or "").upper(), vm.moref)
    assert calls == [READ, READ]


def test_a_wrong_hint_is_not_believed(session: Session, vms: dict[str, VmRecord]) -> None:
    vm, other = vms["small1"], vms["small2"]
    for hint in (other.moref, "vm-999999"):
        assert read_vm(session, vm.instance_uuid or "", hint) == vm


def test_a_vm_that_is_not_there_is_gone(session: Session, vm: VmRecord) -> None:
    for hint in (None, vm.moref, "vm-999999"):
        with pytest.raises(ObjectGone, match="no VM with this instance UUID"):
            read_vm(session, "50000000-0000-0000-0000-000000000000", hint)


# ------------------------------------------------------------------ odd VMs


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The demo's VMs, by name; of two with one name, both in the list."""
    with Lab(tmp_path_factory.mktemp("lab") / "demo", "demo") as lab:
        pin = Trust("pin", presented_certificate(lab.host, lab.port).fingerprint_sha256)
        with Session(Endpoint(lab.host, lab.port, lab.username, lab.password, pin)) as session:
            found: dict[str, list[VmRecord]] = {}
            for vm in read_all(session):
                found.setdefault(vm.name, []).append(vm)
                assert read_vm(session, vm.instance_uuid or "") == vm
            yield found


def test_every_odd_vm_has_every_spec_and_an_identity(odd: dict[str, list[VmRecord]]) -> None:
    everyone = [vm for same in odd.values() for vm in same]
    assert len(everyone) >= 12
    for vm in everyone:
        assert set(vm.specs) == {field.name for field in SPEC_FIELDS}
        assert vm.problem is None
    assert len({vm.instance_uuid for vm in everyone}) == len(everyone)


def test_two_vms_of_one_name_are_distinguished_by_their_path(
    odd: dict[str, list[VmRecord]],
) -> None:
    one, other = odd["app"]
    assert {one.specs["vm_path"], other.specs["vm_path"]} == {
        "/Frankfurt/vm/Production/Web/app",
        "/Frankfurt/vm/Staging/app",
    }


def test_a_hostile_name_is_what_people_see_and_one_part_of_the_path(
    session: Session, control: LabControl, vms: dict[str, VmRecord]
) -> None:
    moref = vms["small2"].moref
    name, notes = "<script>alert(1)</script>/../x", "<img src=x onerror=alert(2)> '; DROP TABLE --"
    control.rename(moref, name)
    control.odd_property(
        moref, "config.annotation", f'<val xsi:type="xsd:string">{escape(notes)}</val>'
    )
    try:
        vm = next(vm for vm in read_all(session) if vm.name == name)
        assert str(vm.specs["vm_path"]).endswith("/<script>alert(1)<%2fscript>%2f..%2fx")
        assert vm.specs["annotation"] == notes
    finally:
        control.clear_odd_properties()
        control.rename(moref, "small2")


def test_names_with_slash_and_percent_are_decoded_where_people_look(
    odd: dict[str, list[VmRecord]],
) -> None:
    (till,) = odd["till-07"]
    assert till.specs["datacenter"] == "Köln/Bonn"
    assert till.specs["vm_path"] == "/Branch offices/Köln%2fBonn/vm/Tills 100%25/till-07"
    assert [nic.connected for nic in till.networks] == [False]


def test_templates_snapshots_and_disk_modes_are_seen(odd: dict[str, list[VmRecord]]) -> None:
    assert odd["debian12-template"][0].specs["is_template"] is True
    upgrade = odd["upgrade-test"][0]
    assert upgrade.specs["snapshot_count"] == 1
    assert [one.name for one in upgrade.snapshots] == ["before upgrade"]
    assert upgrade.disks[0].has_parent is True
    assert [disk.disk_mode for disk in odd["scratch-disk"][0].disks] == [
        "persistent",
        "independent_persistent",
    ]


def test_what_an_appliance_does_not_say_stays_unknown(odd: dict[str, list[VmRecord]]) -> None:
    (bare,) = odd["appliance"]
    unknown = {name for name, value in bare.specs.items() if value is None}
    assert {"vm_tools_version", "guest_hostname", "ip_addresses"} <= unknown


def test_preflight_refuses_the_odd_ones_and_no_others(odd: dict[str, list[VmRecord]]) -> None:
    always = {
        "debian12-template": {"template"},
        "upgrade-test": {"user_snapshots"},
        "scratch-disk": {"unprotected_disk"},
    }
    for transport, more in (("nfc", {}), ("datastore", {"till-07": {"disk_not_readable"}})):
        refused = {
            name: {refusal.code for vm in same for refusal in refusals(vm, transport=transport)}
            for name, same in odd.items()
        }
        assert {name: codes for name, codes in refused.items() if codes} == always | more
