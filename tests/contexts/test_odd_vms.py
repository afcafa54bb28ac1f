"""One odd VM in a page: it is listed with its reason, and the others are as without it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pyVmomi import vim

from contexts.models import DiscoveredVM, VMContext
from contexts.services import discovery, management
from contexts.vsphere.collector import Found
from contexts.vsphere.inventory import InventoryPage, VmRecord, record_of
from contexts.vsphere.names import Places
from tests import factories

pytestmark = pytest.mark.django_db

dev = vim.vm.device
BACKING = {"fileName": "[ds1] a/a.vmdk", "diskMode": "persistent", "uuid": "6000C29a-1"}


def disk(*, backing: dict[str, object] | None = None, **values: object) -> vim.vm.device:
    return dev.VirtualDisk(
        **{
            "key": 2000,
            "capacityInKB": 65536,
            "backing": dev.VirtualDisk.FlatVer2BackingInfo(**{**BACKING, **(backing or {})}),
            **values,
        }
    )


def adapter(**values: object) -> vim.vm.device:
    backing = dev.VirtualEthernetCard.NetworkBackingInfo(deviceName="VM Network")
    return dev.VirtualVmxnet3(**{"key": 4000, "backing": backing, **values})


def read(moref: str, *devices: object, **properties: object) -> VmRecord:
    """As the vSphere layer reads a VM with these devices."""
    read = {
        "name": moref,
        "config.instanceUuid": f"5000-{moref}",
        "config.hardware.device": list(devices) or [disk()],
        **properties,
    }
    return record_of(Found(vim.VirtualMachine(moref), read, {}), Places("group-d1"))


ODD = {
    "an instance UUID of 100 characters": ({"config.instanceUuid": "u" * 100}, [disk()]),
    "a disk UUID of 300": ({}, [disk(backing={"uuid": "d" * 300})]),
    "a disk mode of 50": ({}, [disk(backing={"diskMode": "m" * 50})]),
    "a sharing of 50": ({}, [disk(backing={"sharing": "s" * 50})]),
    "a disk without a size": ({}, [disk(capacityInBytes=0)]),
    "a disk of less than nothing": ({}, [disk(capacityInBytes=-1)]),
    "a disk beyond every number": ({}, [disk(capacityInBytes=1 << 63)]),
    "a device key beyond 32 bits": ({}, [disk(key=1 << 40)]),
    "an address of 300": ({}, [adapter(macAddress="a" * 300)]),
    "two adapters of one key": ({}, [adapter(), adapter(macAddress="00:50:56:00:00:01")]),
    "an adapter key beyond 32 bits": ({}, [adapter(key=1 << 40)]),
    "a million CPUs": ({"config.hardware.numCPU": 10**12}, [disk()]),
    "a long change ID": ({}, [disk(backing={"changeId": "c" * 10_000})]),
}


@pytest.mark.parametrize("what", ODD)
def test_whatever_a_vcenter_says_of_a_vm_it_can_be_stored(what):
    """And taken, where it can be told apart; twice, for the second time is another way."""
    properties, devices = ODD[what]
    at = factories.vcenter()
    page = InventoryPage((read("vm-1"), read("vm-2", *devices, **properties), read("vm-3")), 3)
    for _ in range(2):
        list(discovery.store(at, [page]))
        odd = DiscoveredVM.objects.get(moref="vm-2", gone_at=None)
        others = DiscoveredVM.objects.exclude(pk=odd.pk)
        assert [vm.identity_problem for vm in others] == ["", ""]
        takable = list(others) if odd.identity_problem else [odd, *others]
        contexts = management.take(takable, repository=None, actor="ops")
        assert len(contexts) == len(takable)
        assert odd.identity_problem or odd.vmware_vm_id == "5000-vm-2"


def test_an_instance_uuid_that_is_too_long_is_said_to_be():
    assert "more than 64 characters" in str(read("vm-1", **ODD[next(iter(ODD))][0]).problem)


@pytest.mark.parametrize("columns", [{"instance_uuid": "u" * 100}, {"power_state": "p" * 100}])
def test_a_vm_that_the_database_refuses_is_listed_with_its_reason(columns):
    """The vSphere layer promises that there is none; should it be wrong, the others do not pay."""
    at = factories.vcenter()
    good = [factories.vm_record(name) for name in ("one", "two")]
    odd = factories.vm_record("odd", **columns)
    list(discovery.store(at, [InventoryPage((good[0], odd, good[1]), 3)]))
    problems = dict(DiscoveredVM.objects.values_list("vm_name", "identity_problem"))
    assert (problems["one"], problems["two"]) == ("", "")
    assert "cannot be stored" in problems["odd"]


def test_a_managed_vm_whose_devices_are_refused_keeps_its_context():
    at = factories.vcenter()
    record = factories.vm_record("web")
    other = factories.vm_record("other")
    list(discovery.store(at, [InventoryPage((record, other), 2)]))
    management.take(list(DiscoveredVM.objects.all()), repository=None, actor="ops")
    odd = replace(record, networks=(factories.nic_record(mac_address="m" * 300),))
    faster = replace(other, specs={**other.specs, "cpu_count": 32})
    list(discovery.store(at, [InventoryPage((odd, faster), 2)]))
    vm = DiscoveredVM.objects.get(vm_name="web")
    assert (vm.gone_at, vm.vmware_vm_id) == (None, record.instance_uuid)
    (refusal,) = [each for each in vm.refusals if each["code"] == "not_as_described"]
    assert "cannot be stored" in refusal["reason"]
    context = VMContext.objects.get(vm_name="web")
    assert context.network_adapters.get().mac_address == record.networks[0].mac_address
    assert VMContext.objects.get(vm_name="other").cpu_count == 32
