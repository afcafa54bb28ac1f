"""By propagation: every spec field, followed from a real lab to every place that shows it.

`FOLLOWED` has an entry for each name of SPEC_FIELDS and for no other: a new field fails here until
somebody says what it is at first, how the vCenter can leave it out, and how it changes there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contexts.models import DiscoveredVM, VMContext
from contexts.models.specs import SPEC_NAMES
from contexts.services import management, vcenters
from contexts.vsphere.session import Session
from contexts.vsphere.specs import SPEC_FIELDS_BY_NAME
from tests.contexts.faces import Faces
from tests.sync.estate import Estate
from vmrep.lab import LabControl

SITES = str(Path(__file__).parents[1] / "scenarios" / "two_sites.toml")
pytestmark = [pytest.mark.scenario(SITES), pytest.mark.any_database]

MIB = 1 << 20
HOSTILE = "<b>Owner</b> & 'co' \"x\" {{ 1 }}"
IN_GUEST = ("guest.toolsRunningStatus", "guest.toolsStatus")


@dataclass(frozen=True)
class Followed:
    """`first`: what the field is of the VM "web". `unset`: the properties without which the vCenter
    says nothing of it (its own path, if none are named). `change` at the vCenter, given the
    VM's instance UUID, makes it `then`. A callable value is asked of the vCenter."""

    first: Any
    change: Callable[[LabControl, str], object]
    then: Any
    unset: tuple[str, ...] = ()


def at_vcenter(path: str) -> Callable[[Estate, str], Any]:
    """What pyVmomi reads of the VM, past all of vmrep's own reading."""

    def read(estate: Estate, uuid: str) -> Any:
        with Session(vcenters.endpoint(estate.vcenter)) as session:
            found = session.content.searchIndex.FindByUuid(None, uuid, True, True)
            for step in path.split("."):
                found = getattr(found, step)
            return found

    return read


def configured(**values: Any) -> Callable[[LabControl, str], object]:
    return lambda control, uuid: control.configure(uuid, **values)


FOLLOWED: dict[str, Followed] = {
    "vm_name": Followed(
        "web", lambda control, uuid: control.rename(uuid, HOSTILE), HOSTILE, ("name",)
    ),
    "moref": Followed(
        at_vcenter("_moId"), lambda control, uuid: control.reregister(uuid), at_vcenter("_moId")
    ),
    "bios_uuid": Followed(
        at_vcenter("config.uuid"),
        configured(bios_uuid="12345678-1234-1234-1234-123456789abc"),
        "12345678-1234-1234-1234-123456789abc",
    ),
    "vmx_path": Followed(
        "[bonn-ds1] web/web.vmx",
        lambda control, uuid: control.move(uuid, "Tests", datastore="bonn-ds2"),
        "[bonn-ds2] web/web.vmx",
    ),
    "change_version": Followed(
        at_vcenter("config.changeVersion"),
        configured(notes="a new version"),
        at_vcenter("config.changeVersion"),
    ),
    "annotation": Followed("Owner: web team", configured(notes=HOSTILE), HOSTILE),
    "vm_path": Followed(
        "/Bonn/vm/Tests/web",
        lambda control, uuid: control.move(uuid, "Archive/A%2fB"),
        lambda estate, uuid: "/Bonn/vm/Archive/A%2fB/" + HOSTILE.replace("/", "%2f"),
        ("parent", "parentVApp"),
    ),
    "datacenter": Followed(
        "Bonn",
        lambda control, uuid: control.move(uuid, "", datacenter="Mainz"),
        "Mainz",
        ("parent", "parentVApp"),
    ),
    "host_name": Followed(
        "esx1.example.com",
        lambda control, uuid: control.move(uuid, "", datacenter="Mainz"),
        "esx2.example.com",
        ("runtime.host",),
    ),
    "cpu_count": Followed(2, configured(cpu=12), 12),
    "cores_per_socket": Followed(1, configured(cores_per_socket=6), 6),
    "memory_mb": Followed(2048, configured(memory_mb=6144), 6144),
    "hardware_version": Followed("vmx-19", configured(hardware_version="vmx-21"), "vmx-21"),
    "firmware": Followed("bios", configured(firmware="efi"), "efi"),
    "os_type": Followed(
        at_vcenter("config.guestFullName"), configured(guest_name="Plan 9"), "Plan 9"
    ),
    "guest_id": Followed(
        at_vcenter("config.guestId"), configured(guest_id="otherGuest64"), "otherGuest64"
    ),
    "vm_tools_version": Followed(
        "12352", configured(tools={"version": "13000"}), "13000", ("guest.toolsVersion",)
    ),
    "vm_tools_status": Followed(
        "toolsOk", configured(tools={"status": "toolsOld"}), "toolsOld", IN_GUEST
    ),
    "guest_hostname": Followed(
        "web.example.com",
        configured(tools={"hostname": "shop.example.com"}),
        "shop.example.com",
        ("guest.hostName",),
    ),
    "ip_addresses": Followed(
        ["10.0.0.11", "fe80::250:56ff:fe00:11"],
        lambda control, uuid: control.set_addresses(uuid, ["192.0.2.7"]),
        ["192.0.2.7"],
        ("guest.ipAddress", "guest.net", *IN_GUEST),
    ),
    "power_state": Followed("poweredOn", configured(power="suspended"), "suspended"),
    "connection_state": Followed(
        "connected", configured(connection_state="inaccessible"), "inaccessible"
    ),
    "is_template": Followed(False, configured(template=True), True),
    "cbt_enabled": Followed(False, configured(tracking=True), True),
    "snapshot_count": Followed(
        0,
        lambda control, uuid: control.take_snapshot(uuid, "mine"),
        1,
        ("snapshot", "config.hardware.device"),
    ),
    "consolidation_needed": Followed(False, configured(consolidation_needed=True), True),
    "fault_tolerance_state": Followed(
        "notConfigured", configured(fault_tolerance_state="enabled"), "enabled"
    ),
}
ALWAYS_KNOWN = {"moref"}  # whatever vSphere tells, it tells of a reference
# Guest data is believed while tools run, and templates have no snapshots: these change last.
LAST = ("power_state", "is_template", "connection_state")
# What changes with the VM's configuration, and so with its change version: all of them at once.
# What changes without a new version is followed by itself.
RECONFIGURED = (
    *("bios_uuid", "annotation", "cpu_count", "cores_per_socket", "memory_mb", "hardware_version"),
    *("firmware", "os_type", "guest_id", "cbt_enabled"),
)


def expected(value: Any, estate: Estate, uuid: str) -> Any:
    return value(estate, uuid) if callable(value) else value


@pytest.fixture
def web(estate) -> VMContext:
    return estate.take("web")


@pytest.fixture
def faces(web) -> Faces:
    return Faces(web)


def test_every_field_of_the_one_list_is_followed_and_no_other():
    assert set(FOLLOWED) == set(SPEC_NAMES)


def test_with_all_of_them_set_every_face_shows_every_one(estate, web, faces):
    uuid = web.vmware_vm_id
    values = {name: expected(each.first, estate, uuid) for name, each in FOLLOWED.items()}
    assert [name for name, value in values.items() if value is None] == []
    assert faces.all_differences(values) == []


def hidden_paths(name: str) -> list[str]:
    """The properties without which the vCenter says nothing of a field."""
    return [path for path in FOLLOWED[name].unset or (SPEC_FIELDS_BY_NAME[name].path,) if path]


def test_what_was_never_said_is_unknown_in_every_face_and_nothing_is_invented(estate):
    (vm,) = [vm for vm in estate.control.list_vms() if vm["name"] == "web"]
    hidden = {path for name in FOLLOWED for path in hidden_paths(name)}
    estate.control.hide(vm["moref"], sorted(hidden))
    estate.discover()
    found = DiscoveredVM.objects.filter(vmware_vm_id=vm["instance_uuid"])
    faces = Faces(management.take(found, repository=estate.repository, actor="ops")[0])
    assert faces.all_differences(dict.fromkeys(FOLLOWED.keys() - ALWAYS_KNOWN)) == []


@pytest.mark.slow
def test_one_that_is_not_said_this_time_stays_as_it_was(estate, web, faces):
    """One after the other: what is hidden is all that is hidden."""
    disks = list(web.disks.values("pk", "removed_at"))
    wrong = []
    for name in sorted(FOLLOWED.keys() - ALWAYS_KNOWN):
        if name == "change_version":  # the hiding of others changed it
            web.refresh_from_db(fields=[name])
        value = getattr(web, name)
        estate.control.hide(web.vmware_vm_id, hidden_paths(name))
        estate.discover()
        wrong += faces.differences(name, list(value) if isinstance(value, tuple) else value)
        assert list(web.disks.values("pk", "removed_at")) == disks, name
    assert wrong == []


def test_after_a_change_at_the_vcenter_every_face_shows_the_new_value(estate, web, faces):
    uuid = web.vmware_vm_id
    wrong = []
    alone = [(name,) for name in FOLLOWED if name not in RECONFIGURED]
    for names in (RECONFIGURED, *sorted(alone, key=lambda names: names[0] in LAST)):
        web.refresh_from_db()
        before = {name: getattr(web, name) for name in names}
        for name in names:
            FOLLOWED[name].change(estate.control, uuid)
        estate.discover()
        values = {name: expected(FOLLOWED[name].then, estate, uuid) for name in names}
        for name, value in values.items():
            if name != "host_name":  # it changed along with the datacenter
                assert value != before[name], name
        wrong += faces.all_differences(values)
    assert wrong == []
    assert VMContext.objects.count() == 1


def test_what_is_0_or_none_at_the_vcenter_is_not_unknown(estate, web, faces):
    """The other way round: a fact must not become "unknown", either."""
    estate.control.set_addresses(web.vmware_vm_id, [])
    estate.discover()
    values = {"ip_addresses": [], "snapshot_count": 0, "is_template": False}
    assert faces.all_differences(values) == []


# ------------------------------------------------------------- devices


def disk_of(faces: Faces) -> dict[str, Any]:
    (disk,) = faces.json(f"vm-contexts/{faces.context.pk}/")["disks"]
    return dict(disk)


def adapter_of(faces: Faces) -> dict[str, Any]:
    (adapter,) = faces.json(f"vm-contexts/{faces.context.pk}/")["networks"]
    return dict(adapter)


def discovered(faces: Faces, kind: str) -> dict[str, Any]:
    rows = faces.json(f"vcenters/{faces.context.vcenter_id}/discovery/")["results"]
    (row,) = [row for row in rows if row["vmware_vm_id"] == faces.context.vmware_vm_id]
    (device,) = row[kind]
    return dict(device)


def in_admin(faces: Faces) -> str:
    return faces.page(f"/admin/contexts/vmcontext/{faces.context.pk}/change/")


ADAPTER = {
    "label": "Network adapter 1",
    "network_name": "Servers",
    "adapter_type": "vmxnet3",
    "connected": True,
    "ip_addresses": ["10.0.0.11", "fe80::250:56ff:fe00:11"],
}
CHANGED_ADAPTER = {
    "label": HOSTILE,
    "mac_address": "00:50:56:0a:0b:0c",
    "network_name": "Guests",
    "adapter_type": "e1000e",
    "connected": False,
    "ip_addresses": ["192.0.2.8", "2001:db8::8"],
}


def assert_adapter(faces: Faces, values: dict[str, Any]) -> None:
    for place in (adapter_of(faces), discovered(faces, "networks")):
        assert {name: place[name] for name in values} == values
    panel = faces.panel("network")
    assert panel["Network"] == values["network_name"]
    assert panel["Type"] == values["adapter_type"]
    assert panel["IP addresses"] == ", ".join(values["ip_addresses"])
    admin = in_admin(faces)
    for shown in (values["network_name"], values["adapter_type"], *values["ip_addresses"]):
        assert shown in admin


def test_a_network_adapter_is_followed_with_its_addresses(estate, web, faces):
    assert_adapter(faces, ADAPTER)
    assert "connected" in faces.page("/virtual-machines/", vm=web.pk, tab="network")
    before = web.network_adapters.get()
    estate.control.set_adapter(
        web.vmware_vm_id,
        4000,
        label=HOSTILE,
        mac_address="00:50:56:0a:0b:0c",
        network="Guests",
        adapter="e1000e",
        connected=False,
        addresses=["192.0.2.8", "2001:db8::8"],
    )
    estate.discover()
    assert_adapter(faces, CHANGED_ADAPTER)
    assert faces.panel("network")["MAC address"] == "00:50:56:0a:0b:0c"
    assert "not connected" in faces.page("/virtual-machines/", vm=web.pk, tab="network")
    assert web.network_adapters.get() == before


def test_an_adapter_of_which_no_address_is_known_says_so(estate, web, faces):
    estate.control.configure(web.vmware_vm_id, tools=None)
    estate.discover()
    assert adapter_of(faces)["ip_addresses"] == []
    assert faces.panel("network")["IP addresses"] == "unknown"


DISK = {
    "label": "Hard disk 1",
    "capacity_bytes": 24 * MIB,
    "vmdk_path": "[bonn-ds1] web/web.vmdk",
    "datastore": "bonn-ds1",
    "provisioning_type": "thin",
    "disk_mode": "persistent",
    "sharing": "sharingNone",
}


def assert_disk(faces: Faces, values: dict[str, Any]) -> None:
    for place in (disk_of(faces), discovered(faces, "disks")):
        assert {name: place[name] for name in values} == values
    panel = faces.panel("disks")
    assert panel["File"] == values["vmdk_path"]
    how = f"{values['provisioning_type']}, mode {values['disk_mode']}"
    assert panel["Provisioning"] == how
    shown = f"{values['capacity_bytes'] // MIB} MiB"
    assert shown in faces.page("/virtual-machines/", vm=faces.context.pk, tab="disks")
    assert faces.panel()["Disks"] == f"1 disk, {shown}"
    assert values["vmdk_path"] in in_admin(faces)


def test_a_disk_is_followed(estate, web, faces):
    assert_disk(faces, DISK)
    before = web.disks.get()
    estate.control.set_disk(
        web.vmware_vm_id,
        2000,
        label="Data",
        capacity_bytes=48 * MIB,
        mode="independent_persistent",
        sharing="sharingMultiWriter",
        provisioning="thick_eager",
    )
    estate.control.move(web.vmware_vm_id, "", datastore="bonn-ds2")
    estate.discover()
    changed = {
        "label": "Data",
        "capacity_bytes": 48 * MIB,
        "vmdk_path": "[bonn-ds2] web/web.vmdk",
        "datastore": "bonn-ds2",
        "provisioning_type": "thick_eager",
        "disk_mode": "independent_persistent",
        "sharing": "sharingMultiWriter",
    }
    assert_disk(faces, changed)
    assert "multi-writer" in disk_of(faces)["unprotected_reason"]
    assert web.disks.get() == before


def test_another_disk_under_the_same_key_is_another_row_and_the_old_one_stays(estate, web, faces):
    old = web.disks.get()
    estate.control.set_disk(web.vmware_vm_id, 2000, uuid="another disk")
    estate.discover()
    assert disk_of(faces)["disk_uuid"] == "another disk"
    assert faces.panel("disks")["Disk UUID"] == "another disk"
    old.refresh_from_db()
    assert old.removed_at is not None
