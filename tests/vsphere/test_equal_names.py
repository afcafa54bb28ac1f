"""Two sites in which everything has the same names: datacenter, host, datastore, network, folder
and VM. Nothing of one is taken for the other's."""

from __future__ import annotations

from pathlib import Path

from contexts.vsphere import datastore
from contexts.vsphere.endpoint import Endpoint, Trust
from contexts.vsphere.inventory import read_vm, read_vms
from contexts.vsphere.session import Session
from contexts.vsphere.tls import presented_certificate
from tests.vsphere.conftest import PASSWORD
from vmrep.lab import Lab

SCENARIO = str(Path(__file__).parents[1] / "scenarios" / "equal_names.toml")


def test_equal_names_are_not_mixed_up(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab", SCENARIO, password=PASSWORD) as lab:
        fingerprint = presented_certificate(lab.host, lab.port).fingerprint_sha256
        login = Endpoint(lab.host, lab.port, lab.username, PASSWORD, Trust("pin", fingerprint))
        with Session(login) as session:
            bonn, mainz = [vm for page in read_vms(session) for vm in page.records]
            assert [vm.specs["vm_path"] for vm in (bonn, mainz)] == [
                "/Bonn/Production/vm/Servers/web",
                "/Mainz/Production/vm/Servers/web",
            ]
            assert bonn.instance_uuid != mainz.instance_uuid
            (first,), (second,) = bonn.disks, mainz.disks
            assert first.vmdk_path == second.vmdk_path == "[ssd] web/web.vmdk"
            assert first.datastore_moref != second.datastore_moref
            for vm, site in ((bonn, "Bonn"), (mainz, "Mainz")):
                assert read_vm(session, vm.instance_uuid or "", vm.moref) == vm
                # Even a hint that leads to the other's namesake.
                other = mainz if vm is bonn else bonn
                assert read_vm(session, vm.instance_uuid or "", other.moref) == vm
                assert datastore.datacenter_path(session, vm.moref) == f"{site}/Production"
                found = datastore.locate(session, vm.disks[0], None)
                assert f"dcPath={site}%2FProduction&" in found.target
