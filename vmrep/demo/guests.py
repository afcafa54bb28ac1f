"""Guests that write between two replications."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from contexts.models import VMContext
from vmrep.lab.control.client import LabControl

CBT_BLOCK_BYTES = 64 << 10
# The busy one shows that an incremental replication transfers what has changed, and no more.
BUSY, BUSY_BYTES = "pgtest2", 32 << 20
QUIET_BYTES = 2 << 20


def write(contexts: Collection[VMContext], lab: LabControl, seed: str) -> dict[str, int]:
    """Makes every running guest write to each of its disks; returns the bytes written, by context.

    The writes come after the file systems, which stay intact, and fill whole blocks of CBT, so that
    exactly as much has to be transferred.
    """
    vms = {vm["moref"]: vm for vm in lab.list_vms()}
    return {context.pk: _write(vms[context.moref], lab, seed) for context in contexts}


def _write(vm: dict[str, Any], lab: LabControl, seed: str) -> int:
    if vm["power_state"] != "poweredOn":
        return 0
    wanted = BUSY_BYTES if vm["name"] == BUSY else QUIET_BYTES
    written = 0
    for disk in vm["disks"]:
        first = -(-disk["free_start"] // CBT_BLOCK_BYTES)
        room = disk["capacity_bytes"] // CBT_BLOCK_BYTES - first
        blocks = max(0, min(wanted // CBT_BLOCK_BYTES, room - 1))
        # In two places with a block between them, so that there are two extents to read.
        half = blocks // 2
        for start, count in ((first, half), (first + half + 1, blocks - half)):
            if count:
                offset, length = start * CBT_BLOCK_BYTES, count * CBT_BLOCK_BYTES
                lab.fill(vm["moref"], disk["device_key"], offset, length, f"{seed} {offset}")
        written += blocks * CBT_BLOCK_BYTES
    return written
