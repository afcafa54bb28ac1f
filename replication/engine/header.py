"""A qcow2 image's header, read without a process: a look that is cheap enough for every image."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from replication.engine.errors import ImageDamaged, target_errors
from replication.engine.qemu import ImageInfo
from replication.engine.regular import open_regular

# magic, version, backing name's offset and length, cluster bits, virtual size, encryption,
# entries and offset of the level 1 table (qemu's docs/interop/qcow2.txt)
_HEADER = struct.Struct(">4sIQIIQIIQ")
_MAGIC = b"QFI\xfb"
_LONGEST_NAME = 1023


def read_header(path: Path) -> ImageInfo:
    """Virtual size and backing file, as `qemu.info` tells them.

    Raises ImageDamaged when this is no qcow2 image or its first table lies beyond its end,
    TargetError when it cannot be read. The image's other tables and its data are not looked at.
    """
    with target_errors(f"reading the header of {path}"), open_regular(path) as file:
        length = os.fstat(file.fileno()).st_size
        start = file.read(_HEADER.size)
        if len(start) < _HEADER.size or start[:4] != _MAGIC:
            raise ImageDamaged(f"{path} is not a qcow2 image: its header is missing.")
        _, _, name_at, name_length, _, size_bytes, _, entries, table_at = _HEADER.unpack(start)
        if table_at + 8 * entries > length:
            raise ImageDamaged(f"{path} ends at {length} bytes, before its own tables: cut short.")
        if not name_at:
            return ImageInfo(size_bytes, None)
        if name_length > _LONGEST_NAME:
            raise ImageDamaged(f"{path} names a backing file of {name_length} letters.")
        file.seek(name_at)
        return ImageInfo(size_bytes, os.fsdecode(file.read(name_length)))
