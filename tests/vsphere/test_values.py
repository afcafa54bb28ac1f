"""What is read at once is what is read when it is asked for, however odd the object is."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from contexts.vsphere.description import named
from contexts.vsphere.values import Data, NotAsDescribed, Read, value_of
from contexts.vsphere.wanted import WANTED, wanted_of

NAMESPACES = (
    'xmlns="urn:vim25" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:o="urn:other"'
)
USUAL = (
    "<key>2000</key><deviceInfo><label>Hard disk 1</label><summary/></deviceInfo>"
    '<backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[d] a.vmdk</fileName>'
    '<datastore type="Datastore">datastore-1</datastore><diskMode>persistent</diskMode>'
    "<thinProvisioned>true</thinProvisioned></backing>"
    "<controllerKey>1000</controllerKey><capacityInKB>5</capacityInKB>"
)
DISKS = {
    "usual": USUAL,
    "nothing": "",
    "a value twice": USUAL + "<key>2000</key>",
    "another twice": USUAL + "<capacityInBytes>1</capacityInBytes>" * 2,
    "no number": USUAL.replace(">5<", ">five<"),
    "digits of another script": USUAL.replace(">5<", ">\N{ARABIC-INDIC DIGIT FIVE}<"),
    "a large number": USUAL.replace(">5<", f">{2**63}<"),
    "a number too large for its kind": USUAL.replace("2000", "2147483648"),
    "a negative number": USUAL.replace(">5<", ">-5<"),
    "another namespace": USUAL.replace("<key>2000</key>", "<o:key>7</o:key>"),
    "both namespaces": USUAL + "<o:key>7</o:key>",
    "nothing known": USUAL + "<newField>7</newField>",
    "a type": USUAL.replace("<key>", '<key xsi:type="xsd:int">'),
    "a wrong type": USUAL.replace("<key>", '<key xsi:type="xsd:string">'),
    "a long type": USUAL.replace("<key>", f'<key xsi:type="{"x" * 5000}">'),
    "elements for text": USUAL.replace("[d] a.vmdk", "<b>[d]</b> a.vmdk"),
    "an unknown backing": USUAL.replace("VirtualDiskFlatVer2BackingInfo", "NewBacking"),
    "a backing that is none": USUAL.replace("VirtualDiskFlatVer2BackingInfo", "Description"),
    "no reference": USUAL.replace('type="Datastore"', 'type="Folder"'),
}


def _said(disk: Data, path: str) -> Any:
    at: Any = disk
    try:
        for step in path.split("."):
            at = getattr(at, step)
    except (NotAsDescribed, AttributeError) as why:
        return type(why), str(why)
    return type(at.kind) if isinstance(at, Data) else at


@pytest.mark.parametrize("odd", DISKS.values(), ids=DISKS)
def test_a_disk_read_at_once_says_the_same(odd: str) -> None:
    element = etree.fromstring(f"<d {NAMESPACES}>{odd}</d>")
    kind = named("VirtualDisk")
    assert wanted_of(kind)
    backing = ("fileName", "datastore", "diskMode", "uuid", "parent", "thinProvisioned", "split")
    for path in (
        *(*sorted(wanted_of(kind)), "unitNumber", "deviceInfo.label"),
        *(f"backing.{field}" for field in backing),
    ):
        at_once = _said(Read(element, kind, None), path)
        assert at_once == _said(Data(element, kind, None), path), path


def test_lists_are_read_at_once() -> None:
    element = etree.fromstring(
        f"<n {NAMESPACES}><ipAddress>10.0.0.1</ipAddress><ipAddress>fe80::1</ipAddress></n>"
    )
    kind = named("GuestNicInfo")
    guest, none = Read(element, kind, None), Read(etree.fromstring("<n/>"), kind, None)
    assert (guest.ipAddress, guest.macAddress) == (["10.0.0.1", "fe80::1"], None)
    assert (none.ipAddress, none.macAddress) == ([], None)


def test_the_fields_that_are_read_at_once_exist() -> None:
    """Of an abstract kind, in one of those that are meant by it."""
    missing = [
        (kind.__name__, field)
        for kind, fields in WANTED
        for field in fields
        if not any(each._GetPropertyInfo(field) for each in _with(kind, field))
    ]
    assert missing == []


def _with(kind: Any, field: str) -> list[Any]:
    names = ("VirtualDiskFlatVer2BackingInfo", "VirtualDiskRawDiskMappingVer1BackingInfo")
    kinds = [kind, *(named(name) for name in names if issubclass(named(name), kind))]
    return [each for each in kinds if field in {info.name for info in each._GetPropertyList()}]


def test_an_array_is_refused_at_once_for_what_does_not_belong_there() -> None:
    devices = "<VirtualDevice><key>1</key></VirtualDevice>"
    array = f'<val {NAMESPACES} xsi:type="ArrayOfVirtualDevice">%s</val>'
    declared = named("ArrayOfVirtualDevice")
    found = value_of(etree.fromstring(array % devices), declared, None)
    assert [len(found), found[0].key, [one.key for one in found]] == [1, 1, [1]]
    strange = '<VirtualDevice xsi:type="Description"/>'
    with pytest.raises(NotAsDescribed, match="does not belong there"):
        value_of(etree.fromstring(array % (devices + strange)), declared, None)
