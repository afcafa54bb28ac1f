from __future__ import annotations

import pytest
from pyVmomi import vim

from contexts.vsphere.records import no_specs
from contexts.vsphere.specs import SPEC_FIELDS, SPEC_FIELDS_BY_NAME, SpecField, clean

NAMES = """vm_name vm_path datacenter moref bios_uuid vmx_path change_version cpu_count
cores_per_socket memory_mb os_type guest_id power_state connection_state host_name hardware_version
firmware vm_tools_version vm_tools_status guest_hostname ip_addresses annotation is_template
cbt_enabled snapshot_count consolidation_needed fault_tolerance_state"""


def test_the_names_are_the_contract_and_each_is_there_once() -> None:
    assert sorted(field.name for field in SPEC_FIELDS) == sorted(NAMES.split())
    assert set(no_specs()) == set(NAMES.split())
    assert set(no_specs().values()) == {None}


@pytest.mark.parametrize("field", [f for f in SPEC_FIELDS if f.path], ids=lambda f: f.name)
def test_every_path_leads_to_a_property_of_its_kind(field: SpecField) -> None:
    kind = vim.VirtualMachine
    for step in (field.path or "").split("."):
        kind = kind._GetPropertyInfo(step).type
    expected = {"text": str, "int": int, "bool": bool}[field.kind]
    assert issubclass(kind, expected)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("annotation", "<b>\n" * 2_500, "<b>\n" * 2_500),
        ("annotation", "<b>\n" * 100_000, "<b>\n" * 2_500 + " … [cut]"),
        ("vm_name", "n" * 1_000, "n" * 1_000),
        ("vm_name", "n" * 1_001, "n" * 1_000 + " … [cut]"),
        ("annotation", "", None),
        ("annotation", None, None),
        ("annotation", 7, None),
        ("guest_id", "x" * 255, "x" * 255),
        ("guest_id", "x" * 256, None),
        ("cpu_count", 0, 0),
        ("cpu_count", 2**31 - 1, 2**31 - 1),
        ("cpu_count", 2**31, None),
        ("cpu_count", -1, None),
        ("cpu_count", True, None),
        ("cpu_count", "2", None),
        ("is_template", False, False),
        ("is_template", 0, None),
        ("ip_addresses", ["10.0.0.1", "fe80::1"], ("10.0.0.1", "fe80::1")),
        ("ip_addresses", (), ()),
        ("ip_addresses", ["10.0.0.1"] * 200, ("10.0.0.1",) * 100),
        ("ip_addresses", "10.0.0.1", None),
        ("ip_addresses", None, None),
    ],
)
def test_a_value_is_whole_or_unknown_or_says_that_it_was_cut(
    name: str, value: object, expected: object
) -> None:
    assert clean(SPEC_FIELDS_BY_NAME[name], value) == expected


def test_enumerations_become_plain_text() -> None:
    value = clean(SPEC_FIELDS_BY_NAME["power_state"], vim.VirtualMachine.PowerState.poweredOn)
    assert type(value) is str
    assert value == "poweredOn"
