"""The text that describes a virtual disk: a VMDK descriptor, as many tools have written it.

The format is described in "Virtual Disk Format 1.1". Keys come in any case and order, lines end in
any way, and the text may be in the encoding that it names.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

MOST_BYTES = 64 << 10  # the largest in the field have about 10 KiB

_HEADER = re.compile(r"#\s*Disk\s+DescriptorFile\b", flags=re.IGNORECASE)
_ENCODING = re.compile(
    rb'(?:^|[\r\n])\s*encoding\s*=\s*"?([A-Za-z0-9_.:-]{1,40})', flags=re.IGNORECASE
)
# A name may contain quotes: it ends at the line's last one.
_EXTENT = re.compile(
    r'\s*(RW|RDONLY|NOACCESS)\s+(\d{1,18})\s+(\w{1,40})(?:\s+"(.*)"(?:\s+(\d{1,18}))?)?\s*',
    flags=re.IGNORECASE,
)
_VALUE = re.compile(r'\s*([\w.]{1,100})\s*=\s*"?(.*?)"?\s*')
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_IN_BOMS = frozenset(encoding for _, encoding in _BOMS)
# Python's names for the encodings that operating systems use; it also knows stranger ones.
_OF_FILES = re.compile(
    r"utf-8|ascii|cp\d{3,4}|iso8859-\d{1,2}|koi8-[ru]|gbk|gb2312|gb18030|big5(hkscs)?|shift_jis"
    r"|euc_(jp|kr)|mac-roman"
)


class NotADescriptor(Exception):
    """The message completes "The file …"."""


@dataclass(frozen=True, slots=True)
class Extent:
    """One file, or part of one, with a part of the disk's bytes. `kind` in capitals: "VMFS" …"""

    sectors: int
    kind: str
    file_name: str
    offset_sectors: int


@dataclass(frozen=True, slots=True)
class Descriptor:
    """`uuids`: as they are written, at most one in a valid file. `parent_content_id`: lower case;
    None when it is missing."""

    extents: tuple[Extent, ...]
    uuids: tuple[str, ...]
    parent_content_id: str | None

    @property
    def has_parent(self) -> bool:
        """Whether it is a delta on another disk. A disk without a parent has all bits set."""
        return self.parent_content_id is not None and not re.fullmatch(
            "f{8}", self.parent_content_id
        )


def read(data: bytes) -> Descriptor:
    """Raises NotADescriptor."""
    lines = re.split(r"\r\n|\r|\n", _text(data))
    first = next((line for line in lines if line.strip()), "")
    if not _HEADER.match(first.strip()):
        raise NotADescriptor("is not a disk descriptor")
    values: dict[str, list[str]] = {}
    extents = []
    for line in lines:
        if found := _EXTENT.fullmatch(line):
            extents.append(
                Extent(int(found[2]), found[3].upper(), found[4] or "", int(found[5] or 0))
            )
        elif found := _VALUE.fullmatch(line):
            values.setdefault(found[1].lower(), []).append(found[2])
    parents = [it.strip().lower() for it in values.get("parentcid", [])]
    # Of several, the one that names a parent counts: a delta must not be taken for a whole disk.
    parent = next((it for it in parents if it != "f" * 8), next(iter(parents), None))
    return Descriptor(tuple(extents), tuple(values.get("ddb.uuid", ())), parent)


def _text(data: bytes) -> str:
    """Decoded as UTF-8 if possible, because hosts write that whatever the file says; otherwise as
    the file says."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _decoded(data.removeprefix(bom), encoding)
    if b"\0" in data:
        raise NotADescriptor("is not text")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        named = _ENCODING.search(data)
        if named is None:
            raise NotADescriptor(
                "is not in UTF-8, and does not say which encoding it is in"
            ) from None
    return _decoded(data, named[1].decode())


def _decoded(data: bytes, encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        if not _OF_FILES.fullmatch(name) and encoding not in _IN_BOMS:
            raise LookupError
        return data.decode(name)
    except LookupError:
        raise NotADescriptor(f"is in an encoding that vmrep does not know ({encoding})") from None
    except UnicodeDecodeError:
        raise NotADescriptor(f"is not in the encoding that it names ({encoding})") from None
