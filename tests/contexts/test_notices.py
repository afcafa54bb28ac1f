"""What is known of a special VM stays known until vSphere says otherwise."""

from __future__ import annotations

from contexts.services import records
from contexts.vsphere.records import Traits, VmRecord, no_specs


def test_what_vsphere_does_not_say_changes_no_notice() -> None:
    unsaid = VmRecord("a-uuid", {**no_specs(), "moref": "vm-1", "vm_name": "edge"})
    assert "notices" not in records.columns_of(unsaid)
    said = VmRecord(**{**_fields(unsaid), "traits": Traits()})
    assert records.columns_of(said)["notices"] == []
    owned = VmRecord(**{**_fields(unsaid), "traits": Traits(managed_by="com.acme")})
    (notice,) = records.columns_of(owned)["notices"]
    assert notice["code"] == "managed_by"


def _fields(record: VmRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in ("instance_uuid", "specs")}
