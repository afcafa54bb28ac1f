"""How a lone ESXi host is recognised: unlike a vCenter, it has no instance UUID."""

from __future__ import annotations

import re

from pyVmomi import vim

from contexts.vsphere.collector import BulkReading
from contexts.vsphere.session import Session

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What board makers write when they assign no UUID: many machines have these.
_NOBODYS = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "03000200-0400-0500-0006-000700080009",
    }
)


def lone_host_uuid(session: Session) -> str | None:
    """The hardware UUID of this ESXi host, in lower case.

    None for a vCenter, and for a host that does not say, or whose UUID many machines have.
    """
    if session.about.api_type != "HostAgent":
        return None
    reading = BulkReading(
        session,
        f"Asking {session.endpoint.host} for its hardware UUID",
        {vim.HostSystem: ("hardware.systemInfo.uuid",)},
        page_size=2,
    )
    said = [one.properties.get("hardware.systemInfo.uuid") for page in reading for one in page]
    found = str(said[0] or "").lower() if len(said) == 1 else ""
    return found if _UUID.fullmatch(found) and found not in _NOBODYS else None
