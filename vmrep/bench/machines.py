"""The VMs of a generated estate: plausible names and specs, hostile and long ones among them."""

from __future__ import annotations

import uuid
from random import Random

from contexts.vsphere.records import DiskRecord, NicRecord, VmRecord, no_specs

GIB = 1 << 30

ROLES = ("web", "app", "db", "mail", "dc", "file", "build", "mon", "proxy", "cache", "erp", "git")
SITES = ("ber", "ham", "muc", "vie", "zrh", "par")
HOSTILE_NAMES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "../../../../etc/passwd",
    "'; DROP TABLE vm_disks; --",
    "$(reboot) `reboot` & reboot",
    "invoice\u202egnp.exe",
    "two\nlines\tand a tab",
    "\x1b[31mred\x1b[0m",
    "100 % of {{ 7 * 7 }} %s",
    "仮想マシン-データベース",
    "قاعدة البيانات",
    "🐘 postgres 🐘",
    "-rf --no-preserve-root",
    "x" * 80,
    "a name with many words " * 40,
)
SYSTEMS = (
    ("Debian GNU/Linux 12 (64-bit)", "debian12_64Guest"),
    ("Microsoft Windows Server 2022 (64-bit)", "windows2022srvNext_64Guest"),
    ("Microsoft Windows Server 2019 (64-bit)", "windows2019srv_64Guest"),
    ("Red Hat Enterprise Linux 9 (64-bit)", "rhel9_64Guest"),
    ("Ubuntu Linux (64-bit)", "ubuntu64Guest"),
    ("SUSE Linux Enterprise 15 (64-bit)", "sles15_64Guest"),
    ("FreeBSD 13 or later versions (64-bit)", "freebsd13_64Guest"),
    (None, None),
)
CAPACITIES = (16 * GIB, 40 * GIB, 60 * GIB, 100 * GIB, 250 * GIB, 500 * GIB, 2048 * GIB)


def name_of(number: int, random: Random) -> str:
    """Every twentieth name is hostile or long; the others are ordinary, and each occurs once."""
    if number % 20 == 7:
        return f"{HOSTILE_NAMES[number // 20 % len(HOSTILE_NAMES)]} {number}"
    return f"{random.choice(SITES)}-{random.choice(ROLES)}-{number:05d}"


def machine(number: int, random: Random) -> VmRecord:
    """A VM as a discovery would read it."""
    name = name_of(number, random)
    system, guest_id = random.choices(SYSTEMS, weights=(30, 20, 10, 14, 14, 6, 3, 3))[0]
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    datastore = f"ds-{number % 24:02d}"
    on = random.random() < 0.93
    specs = {
        "vm_name": name,
        "moref": f"vm-{number + 1000}",
        "bios_uuid": _uuid(random),
        "vmx_path": f"[{datastore}] vm-{number}/vm-{number}.vmx",
        "change_version": "2026-01-07T09:00:00.000000Z",
        "annotation": f"Owner: team {number % 40}. Ticket OPS-{number}." if number % 3 else None,
        "vm_path": f"/Frankfurt/vm/{ROLES[number % len(ROLES)]}/{name.replace('/', '%2f')}",
        "datacenter": "Frankfurt",
        "host_name": f"esx{number % 64:02d}.estate.invalid",
        "cpu_count": random.choice((1, 2, 2, 4, 4, 8, 16)),
        "cores_per_socket": 1,
        "memory_mb": random.choice((1024, 2048, 4096, 4096, 8192, 16384, 65536)),
        "hardware_version": "vmx-19",
        "firmware": "efi",
        "os_type": system,
        "guest_id": guest_id,
        "vm_tools_version": "12.3.5" if on else None,
        "vm_tools_status": "guestToolsRunning" if on else "guestToolsNotRunning",
        "guest_hostname": f"vm{number}.estate.invalid" if on else None,
        "ip_addresses": (address,) if on else None,
        "power_state": "poweredOn" if on else "poweredOff",
        "connection_state": "connected",
        "is_template": False,
        "cbt_enabled": True,
        "snapshot_count": 0,
        "consolidation_needed": False,
    }
    count = random.choices((1, 2, 3, 6), weights=(70, 20, 8, 2))[0]
    return VmRecord(
        instance_uuid=_uuid(random),
        specs=no_specs() | specs,
        disks=tuple(_disk(number, datastore, key, random) for key in range(2000, 2000 + count)),
        networks=(_adapter(number, address if on else None),),
    )


def _disk(number: int, datastore: str, device_key: int, random: Random) -> DiskRecord:
    return DiskRecord(
        device_key=device_key,
        disk_uuid=_uuid(random),
        label=f"Hard disk {device_key - 1999}",
        capacity_bytes=random.choice(CAPACITIES),
        vmdk_path=f"[{datastore}] vm-{number}/vm-{number}_{device_key - 2000}.vmdk",
        datastore=datastore,
        provisioning_type="thin",
        disk_mode="persistent",
        sharing="sharingNone",
        backing_type="flat",
        controller_type="pvscsi",
        change_id=None,
        has_parent=False,
        datastore_type="VMFS",
    )


def _adapter(number: int, address: str | None) -> NicRecord:
    return NicRecord(
        device_key=4000,
        label="Network adapter 1",
        mac_address=f"00:50:56:{number >> 16 & 63:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
        network_name=f"VLAN {number % 30 + 100}",
        adapter_type="vmxnet3",
        connected=True,
        ip_addresses=(address,) if address else (),
    )


def _uuid(random: Random) -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))
