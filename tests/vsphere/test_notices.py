"""What makes a VM more than an ordinary one is said, and prevents nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contexts.vsphere.inventory import VmRecord, read_vm
from contexts.vsphere.notices import notices
from contexts.vsphere.preflight import refusals
from contexts.vsphere.records import Traits
from contexts.vsphere.session import Session
from vmrep.lab.control.client import LabControl

MANAGER = '<val xsi:type="ManagedByInfo"><extensionKey>{0}</extensionKey><type>{1}</type></val>'


@pytest.mark.parametrize(
    ("path", "xml", "code", "words"),
    [
        ("config.managedBy", MANAGER.format("com.acme.&lt;b&gt;", "worker"), "managed_by", "<b>"),
        ("config.managedBy", MANAGER.format("com.vmware.vim.eam", "agent"), "agent", "Agent"),
        (
            "config.keyId",
            '<val xsi:type="CryptoKeyId"><keyId>k</keyId></val>',
            "encrypted",
            "is encrypted in vSphere",
        ),
        (
            "summary.config.tpmPresent",
            '<val xsi:type="xsd:boolean">true</val>',
            "vtpm",
            "BitLocker",
        ),
        (
            "config.vAppConfig.product",
            '<val xsi:type="ArrayOfVAppProductInfo"><VAppProductInfo><key>0</key>'
            "<name>VMware vCenter Server Appliance</name></VAppProductInfo></val>",
            "vcenter",
            "vCenter Server runs in it",
        ),
    ],
)
def test_a_vm_says_what_it_is(
    session: Session, control: LabControl, vm: VmRecord, path: str, xml: str, code: str, words: str
) -> None:
    assert notices(vm) == ()
    control.call("odd_property", entity=vm.moref, path=path, xml=xml)
    try:
        found = read_vm(session, vm.instance_uuid or "", vm.moref)
    finally:
        control.call("odd_property", entity=vm.moref, path=path, xml="")
    (notice,) = notices(found)
    assert notice.code == code
    assert words in notice.text
    assert notice.summary
    assert refusals(found) == ()


@pytest.mark.parametrize(
    ("name", "owner", "codes"),
    [
        ("vCLS-4c4c4544-0042", "com.vmware.vim.eam", ["vcls"]),
        ("vCLS (1)", "com.vmware.vim.eam", ["vcls"]),
        ("vCLS-of-mine", "com.acme", ["managed_by"]),
        ("nsx-edge", "com.vmware.vim.eam", ["agent"]),
        ("web", "", []),
    ],
)
def test_who_owns_a_vm(vm: VmRecord, name: str, owner: str, codes: list[str]) -> None:
    named = replace(vm, specs={**vm.specs, "vm_name": name}, traits=Traits(managed_by=owner))
    assert [notice.code for notice in notices(named)] == codes


def test_a_mapped_lun_becomes_an_ordinary_disk(vm: VmRecord) -> None:
    (disk,) = vm.disks
    mapped = replace(vm, disks=(replace(disk, backing_type="rdm_virtual"),))
    assert [notice.code for notice in notices(mapped)] == ["rdm"]


def test_a_virtual_tpm_is_told_once_with_the_encryption_that_it_needs(vm: VmRecord) -> None:
    sealed = replace(vm, traits=Traits(has_tpm=True, is_encrypted=True))
    assert [notice.code for notice in notices(sealed)] == ["vtpm"]
