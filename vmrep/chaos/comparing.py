"""Whether an image reads as its snapshot did, byte by byte, by its files' headers."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from vmrep.lab.control.client import LabControl

if TYPE_CHECKING:  # it is imported before Django is set up
    from replication.models import DiskImage


class Broken(Exception):
    """Something is not as it must always be."""


def require_equal(control: LabControl, repository: Path, image: DiskImage) -> None:
    """`image`: with its disk. The lab has kept what was in the snapshot. Raises Broken."""
    raw = control.kept_content(image.snapshot_moref or "", image.disk.device_key)
    file = repository / image.locator
    command = ["qemu-img", "compare", "-U", "-f", "qcow2", "-F", "raw", str(file), str(raw)]
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    if told.returncode:
        raise Broken(
            f"{image.locator} of recovery point {image.recovery_point_id} is not what was in"
            f" {image.snapshot_moref}: {told.stdout}{told.stderr}"
        )
