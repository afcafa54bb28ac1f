"""Folders and vApps in one another, as deep as an estate has them and deeper, and in a ring that a
server makes up: bounded, said, and no other VM is affected."""

from __future__ import annotations

from pathlib import Path

from pyVmomi import vim

from contexts.vsphere import datastore
from contexts.vsphere.endpoint import Endpoint, Trust
from contexts.vsphere.inventory import VmRecord, read_vm, read_vms
from contexts.vsphere.names import MOST_LEVELS
from contexts.vsphere.session import Session
from contexts.vsphere.tls import presented_certificate
from vmrep.lab import Lab
from vmrep.lab.control.client import LabControl

SCENARIO = """
[estate]
task_delay_seconds = 0.01

[[datacenters]]
path = "Europe/Bonn"
host = "esx1.example.com"
datastores = [{{ name = "ds1", type = "nfs" }}]
networks = ["VM Network"]

[[vms]]
name = "beside"
disks = [{{ capacity = "1MiB", content = "empty" }}]

[[vms]]
name = "five"
folder = "a/b/c/d/e"
disks = [{{ capacity = "1MiB", content = "empty" }}]

[[vms]]
name = "tier"
folder = "a/b/c/d/e"
vapp = "1/2/3/4/5"
disks = [{{ capacity = "1MiB", content = "empty" }}]

[[vms]]
name = "last"
folder = "{most}"
disks = [{{ capacity = "1MiB", content = "empty" }}]

[[vms]]
name = "beyond"
folder = "{beyond}"
disks = [{{ capacity = "1MiB", content = "empty" }}]
"""
ABOVE = 3  # Europe, Bonn and its folder for VMs
PATHS = {
    "beside": "/Europe/Bonn/vm/beside",
    "five": "/Europe/Bonn/vm/a/b/c/d/e/five",
    "tier": "/Europe/Bonn/vm/a/b/c/d/e/1/2/3/4/5/tier",
    "last": "/Europe/Bonn/vm" + "/f" * (MOST_LEVELS - ABOVE) + "/last",
    "beyond": None,
}
REFERENCE = '<val xsi:type="ManagedObjectReference" type="%s">%s</val>'
WORDS = f"a ring, or in more than {MOST_LEVELS} levels"


def scenario(folder: Path) -> Path:
    levels = MOST_LEVELS - ABOVE
    text = SCENARIO.format(most="/".join("f" * levels), beyond="/".join("f" * (levels + 50)))
    path = folder / "nested.toml"
    path.write_text(text)
    return path


def read_all(session: Session) -> dict[str, VmRecord]:
    """By a reading of all and, the same, of each VM by itself."""
    found = {vm.name: vm for page in read_vms(session) for vm in page.records}
    for vm in found.values():
        assert read_vm(session, vm.instance_uuid or "", vm.moref) == vm
        datastore.datacenter_path(session, vm.moref)
    return found


def test_nested_folders_and_vapps_are_followed_to_the_bound_and_a_ring_ends(
    tmp_path: Path,
) -> None:
    with Lab(tmp_path / "lab", str(scenario(tmp_path))) as lab:
        pin = Trust("pin", presented_certificate(lab.host, lab.port).fingerprint_sha256)
        control = LabControl(lab.control_url)
        with Session(Endpoint(lab.host, lab.port, lab.username, lab.password, pin)) as session:
            found = read_all(session)
            assert {name: vm.specs["vm_path"] for name, vm in found.items()} == PATHS
            assert found["tier"].specs["datacenter"] == "Bonn"
            untold = {name: vm.untold_places for name, vm in found.items() if vm.untold_places}
            assert untold == {"beyond": ("folder", "datacenter")}
            assert [name for name, vm in found.items() if vm.unreadable] == ["beyond"]
            assert WORDS in found["beyond"].unreadable

            innermost = {
                "2": ("parentVApp", session.object(vim.VirtualMachine, found["tier"].moref)),
                "b": ("parent", session.object(vim.VirtualMachine, found["five"].moref)),
            }
            for place, (path, vm) in innermost.items():
                inner = getattr(vm, path)
                kind = type(inner).__name__.rpartition(".")[2]
                control.odd_property(place, path, REFERENCE % (kind, inner._moId))
                odd = read_all(session)
                told = {name for name, vm in odd.items() if vm.unreadable}
                assert told == {"beyond", "tier", *(["five"] if place == "b" else [])}
                assert all(WORDS in odd[name].unreadable for name in told)
                assert {name: vm.disks for name, vm in odd.items()} == {
                    name: vm.disks for name, vm in found.items()
                }
                assert {name: odd[name] for name in found.keys() - told} == {
                    name: found[name] for name in found.keys() - told
                }
                control.clear_odd_properties()
