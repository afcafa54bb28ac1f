"""Descriptors as hosts, tools and people have written them."""

from __future__ import annotations

import codecs

import pytest

from contexts.vsphere import descriptors
from contexts.vsphere.descriptors import Descriptor, Extent, NotADescriptor

PLAIN = """# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=fffffffe
parentCID=ffffffff
createType="vmfs"

# Extent description
RW 131072 VMFS "web-flat.vmdk"

# The Disk Data Base
#DDB

ddb.uuid = "60 00 C2 9a 01 23 45 67-89 ab cd ef 00 11 22 33"
"""
UUID = "60 00 C2 9a 01 23 45 67-89 ab cd ef 00 11 22 33"
WEB = Descriptor((Extent(131072, "VMFS", "web-flat.vmdk", 0),), (UUID,), "ffffffff")
UMLAUT = PLAIN.replace("web-", "Büro-")


def renamed(name: str) -> Descriptor:
    return Descriptor((Extent(131072, "VMFS", name, 0),), (UUID,), "ffffffff")


def in_encoding(name: str, text: str = UMLAUT) -> bytes:
    return text.replace("UTF-8", name).encode(name)


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        "\n\n" + PLAIN,
        PLAIN.upper().replace("WEB-FLAT.VMDK", "web-flat.vmdk").replace(UUID.upper(), UUID),
        PLAIN.replace("=", " = ").replace("RW 131072 VMFS", "  RW\t131072  VMFS "),
        # Odd order: extents first, the data base before the header's values.
        "# Disk DescriptorFile\n" + "\n".join(reversed(PLAIN.splitlines()[1:])),
        PLAIN.replace("parentCID=ffffffff", 'parentCID="FFFFFFFF"'),
        PLAIN.replace('"web-flat.vmdk"', '"web-flat.vmdk" 0'),
        PLAIN + "some=thing\n= = =\n\x0b\x1c\u2028\n",
    ],
)
def test_however_it_is_written(text: str) -> None:
    found = descriptors.read(text.encode())
    assert (found.extents, found.uuids, found.has_parent) == (WEB.extents, (UUID,), False)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (in_encoding("windows-1252"), "Büro-flat.vmdk"),
        (in_encoding("ISO-8859-1"), "Büro-flat.vmdk"),
        (in_encoding("windows-1251", PLAIN.replace("web-", "Мир-")), "Мир-flat.vmdk"),
        (in_encoding("Shift_JIS", PLAIN.replace("web-", "試験-")), "試験-flat.vmdk"),
        (in_encoding("GBK", PLAIN.replace("web-", "服务器-")), "服务器-flat.vmdk"),
        (in_encoding("Big5", PLAIN.replace("web-", "伺服器-")), "伺服器-flat.vmdk"),
        # A host writes UTF-8, whatever tool's header it keeps.
        (UMLAUT.replace("UTF-8", "windows-1252").encode(), "Büro-flat.vmdk"),
        (codecs.BOM_UTF8 + UMLAUT.encode(), "Büro-flat.vmdk"),
        (codecs.BOM_UTF8 + UMLAUT.replace("UTF-8", "windows-1252").encode(), "Büro-flat.vmdk"),
        (codecs.BOM_UTF16_LE + UMLAUT.encode("utf-16-le"), "Büro-flat.vmdk"),
        (codecs.BOM_UTF16_BE + UMLAUT.encode("utf-16-be"), "Büro-flat.vmdk"),
        (in_encoding("windows-1252").replace(b"\n", b"\r\n"), "Büro-flat.vmdk"),
        (in_encoding("windows-1252").replace(b"\n", b"\r"), "Büro-flat.vmdk"),
        (PLAIN.replace("web-", 'a "b" c-').encode(), 'a "b" c-flat.vmdk'),
        (PLAIN.replace("web-", "a\x85b\u2028c-").encode(), "a\x85b\u2028c-flat.vmdk"),
        (PLAIN.replace("web-", " two  blanks ").encode(), " two  blanks flat.vmdk"),
        (PLAIN.replace("web-", "a%2fb [x] =-").encode(), "a%2fb [x] =-flat.vmdk"),
    ],
)
def test_the_name_of_its_file_is_what_was_meant(data: bytes, name: str) -> None:
    assert descriptors.read(data) == renamed(name)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a disk descriptor"),
        (b"KDMV\x01\x00\x00\x00", "not text"),
        (b"<html>a login page</html>", "not a disk descriptor"),
        (PLAIN.replace("Descriptor", "Inscription").encode(), "not a disk descriptor"),
        (in_encoding("windows-1252").replace(b"windows-1252", b"UTF-8"), r"names \(UTF-8\)"),
        (in_encoding("windows-1252").replace(b"encoding=", b"coding="), "which encoding"),
        (in_encoding("windows-1252").replace(b"windows-1252", b"klingon"), "klingon"),
        *(
            (in_encoding("latin-1").replace(b"latin-1", odd), "does not know")
            for odd in (
                b"hex",
                b"zlib",
                b"rot13",
                b"idna",
                b"utf-7",
                b"unicode_escape",
                b"undefined",
            )
        ),
        (in_encoding("windows-1252").replace(b"windows-1252", b"ascii"), "ascii"),
        (codecs.BOM_UTF16_LE + UMLAUT.encode("utf-16-le")[:-1], "utf-16-le"),
        (codecs.BOM_UTF8 + b"\xff", "utf-8"),
    ],
)
def test_what_is_none_says_why(data: bytes, why: str) -> None:
    with pytest.raises(NotADescriptor, match=why):
        descriptors.read(data)


@pytest.mark.parametrize(
    ("line", "is_delta"),
    [
        ("parentCID=6b1f8f0e", True),
        ('PARENTCID = "6B1F8F0E"', True),
        ("parentCID=ffffffff", False),
        ("parentCID=FFFFFFFF", False),
        # Of two, the one that names a parent counts.
        ("parentCID=ffffffff\nparentCID=6b1f8f0e", True),
        ("parentCID=6b1f8f0e\nparentCID=ffffffff", True),
        ("parentCID=", True),
        ("parentCID=xyz", True),
        ("", False),
    ],
)
def test_a_delta_is_never_taken_for_a_whole_disk(line: str, is_delta: bool) -> None:
    data = PLAIN.replace("parentCID=ffffffff", line).encode()
    assert descriptors.read(data).has_parent is is_delta


def test_several_extents_and_uuids_are_all_told() -> None:
    more = PLAIN + 'RW 8 SESPARSE "x.vmdk"\nRW 16 ZERO\nrdonly 4 flat "y" 7\nddb.uuid = "other"\n'
    assert descriptors.read(more.encode()) == Descriptor(
        (
            *WEB.extents,
            Extent(8, "SESPARSE", "x.vmdk", 0),
            Extent(16, "ZERO", "", 0),
            Extent(4, "FLAT", "y", 7),
        ),
        (UUID, "other"),
        "ffffffff",
    )
