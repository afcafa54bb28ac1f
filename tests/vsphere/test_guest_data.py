"""What counts of a guest's own words, and what of a VM that says little."""

from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import vim

from contexts.vsphere.collector import Found
from contexts.vsphere.inventory import VmRecord, record_of
from contexts.vsphere.names import Places

# ------------------------------------------------------------------ what vSphere may leave out


def record(missing: dict[str, Any] | None = None, **read: Any) -> VmRecord:
    properties = {name.replace("__", "."): value for name, value in read.items()}
    places = Places("group-d1")
    return record_of(Found(vim.VirtualMachine("vm-7"), properties, missing or {}), places)


def test_a_vm_of_which_nothing_can_be_read_is_still_listed() -> None:
    vm = record(name="ghost%2f1", runtime__connectionState="orphaned")
    assert vm.instance_uuid is None
    assert (vm.moref, vm.name) == ("vm-7", "ghost/1")
    assert "orphaned" in (vm.problem or "")
    known = {name for name, value in vm.specs.items() if value is not None}
    assert known == {"moref", "vm_name", "connection_state"}


def test_a_vm_that_the_account_may_not_read_says_so() -> None:
    refused = vim.fault.NoPermission(msg="Permission to perform this operation was denied.")
    vm = record({"config.instanceUuid": refused}, name="hidden")
    assert "config.instanceUuid: vSphere refuses it with NoPermission" in (vm.problem or "")
    assert "Permission to perform" in vm.unreadable


@pytest.mark.parametrize(
    ("uuid", "why"),
    [
        ("", "vSphere reports no instance UUID for this VM."),
        ("x" * 65, "This VM's instance UUID has more than 64 characters"),
    ],
)
def test_a_vm_without_instance_uuid_is_read_but_not_identified(uuid: str, why: str) -> None:
    vm = record(
        name="a", config__instanceUuid=uuid, config__hardware__device=[], config__hardware__numCPU=2
    )
    assert vm.instance_uuid is None
    assert (vm.problem or "").startswith(why)
    assert vm.specs["cpu_count"] == 2
    assert vm.specs["snapshot_count"] == 0


@pytest.mark.parametrize(
    ("read", "lacks"),
    [
        ({"config__hardware__device": [object()]}, "disks"),
        ({"config__hardware__device": [vim.vm.device.VirtualDisk(key=2000)]}, "disks"),
        (
            {
                "config__hardware__device": [
                    vim.vm.device.VirtualUSB(key=key) for key in range(1_001)
                ]
            },
            "disks",
        ),
        ({"snapshot": object()}, "snapshots"),
    ],
)
def test_what_of_a_vm_cannot_be_understood_is_unsaid_with_the_reason(
    read: dict[str, Any], lacks: str
) -> None:
    keyboard = vim.vm.device.VirtualKeyboard(key=600)
    usual = {"config__instanceUuid": "5000", "config__hardware__device": [keyboard]}
    vm = record(name="odd", **{**usual, **read})
    assert vm.lacks == {lacks}
    assert (vm.moref, vm.name, vm.instance_uuid) == ("vm-7", "odd", "5000")
    assert vm.unreadable
    assert vm.disks == vm.snapshots == ()


@pytest.mark.parametrize("nics", [[7], [object()]])
def test_what_a_guest_says_and_nobody_understands_affects_nothing_else(nics: list[Any]) -> None:
    vm = record(
        name="odd",
        config__instanceUuid="5000",
        config__hardware__device=[vim.vm.device.VirtualVmxnet3(key=4000)],
        guest__toolsStatus="toolsOk",
        guest__net=nics,
    )
    assert not vm.lacks
    assert {"ip_addresses", "addresses"} <= vm.unsaid
    assert [nic.device_key for nic in vm.networks] == [4000]
    assert "guest.net" in vm.unreadable


def guest(**read: Any) -> VmRecord:
    nic = vim.vm.GuestInfo.NicInfo(connected=True, deviceConfigId=4000, ipAddress=["10.0.0.1"])
    return record(
        name="a",
        config__instanceUuid="5000",
        config__hardware__device=[vim.vm.device.VirtualVmxnet3(key=4000)],
        guest__hostName="a.example.com",
        guest__net=[nic],
        **read,
    )


@pytest.mark.parametrize(
    "read",
    [
        {"guest__toolsRunningStatus": "guestToolsRunning"},
        {"guest__toolsStatus": "toolsOld"},
        {},
    ],
)
def test_guest_data_is_taken_while_tools_run_or_say_nothing(read: dict[str, str]) -> None:
    vm = guest(**read)
    assert vm.specs["guest_hostname"] == "a.example.com"
    assert vm.specs["ip_addresses"] == ("10.0.0.1",)
    assert vm.networks[0].ip_addresses == ("10.0.0.1",)


@pytest.mark.parametrize(
    "read",
    [
        {"guest__toolsRunningStatus": "guestToolsNotRunning"},
        {"guest__toolsStatus": "toolsNotRunning"},
        {"guest__toolsStatus": "toolsNotInstalled"},
    ],
)
def test_guest_data_from_before_the_tools_stopped_counts_as_unknown(read: dict[str, str]) -> None:
    vm = guest(**read)
    assert vm.specs["guest_hostname"] is None
    assert vm.specs["ip_addresses"] is None
    assert vm.networks[0].ip_addresses == ()
    assert vm.tools_running is False


def test_running_tools_without_an_address_are_known_to_have_none() -> None:
    vm = record(name="a", guest__toolsRunningStatus="guestToolsRunning", guest__net=[])
    assert vm.specs["ip_addresses"] == ()
    assert record(name="a").specs["ip_addresses"] is None


def test_the_one_address_serves_where_adapters_tell_none() -> None:
    vm = record(name="a", guest__toolsStatus="toolsOk", guest__ipAddress="10.0.0.9")
    assert vm.specs["ip_addresses"] == ("10.0.0.9",)


@pytest.mark.parametrize(
    ("version", "expected"),
    [("12389", "12389"), ("2147483647", "2147483647"), ("0", None), ("", None), (None, None)],
)
def test_tools_version_zero_is_no_version(version: str | None, expected: str | None) -> None:
    assert record(name="a", guest__toolsVersion=version).specs["vm_tools_version"] == expected
