"""What prevents protecting a VM, judged from its record alone: no call is made.

Every rule was paid for in the field: without the refusal, the result would usually be a copy that
looks right and is not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from contexts.vsphere.records import DiskRecord, SnapshotRecord, VmRecord
from contexts.vsphere.transports import TRANSPORTS, Transport

OLDEST_HARDWARE = 7
_PLAIN_MODE = "persistent"
_SHARED = {
    "sharingMultiWriter": "is shared with other VMs (multi-writer)",
    "physicalSharing": "is on a controller whose bus is shared between hosts",
    "virtualSharing": "is on a controller whose bus is shared between VMs",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a VM cannot be replicated now, and what would change that.

    `code` is for programs and stays; `summary` (a few words for a list, without names), `reason`
    and `remedy` are for people. Names in them are hostile text.
    """

    code: str
    reason: str
    remedy: str
    summary: str


def refusals(
    record: VmRecord,
    *,
    own_snapshots: Collection[str] = (),
    transport: str = "auto",
    accepted_unprotected: Collection[str] = (),
) -> tuple[Refusal, ...]:
    """All reasons why this VM cannot be replicated now; empty when there is none.

    `transport`: one of `TRANSPORTS`. `own_snapshots`: morefs or names of vmrep's own recorded
    snapshots; they are cleaned up first and do not count. `accepted_unprotected`: disks (UUID,
    device key, or "disk-<device key>") that the operator agreed to leave out because a snapshot
    cannot hold them.
    """
    return (
        *_identity(record),
        *_condition(record),
        *_disks(record, accepted_unprotected),
        *_unreadable(record, own_snapshots, transport),
    )


def transports_for(
    record: VmRecord, *, own_snapshots: Collection[str] = (), transport: str
) -> dict[str, tuple[Refusal, ...]]:
    """For each transport that the given one stands for, the best first: why it cannot read all of
    the VM's disks; empty when it can, as far as the VM's record tells."""
    return {
        code: (
            *_snapshots(record, own_snapshots, TRANSPORTS[code]),
            *_readable(record, TRANSPORTS[code]),
        )
        for code in TRANSPORTS[transport].candidates
    }


def _unreadable(
    record: VmRecord, own_snapshots: Collection[str], transport: str
) -> tuple[Refusal, ...]:
    """What keeps every candidate from it, in the words of the best."""
    found = transports_for(record, own_snapshots=own_snapshots, transport=transport)
    return () if not all(found.values()) else next(iter(found.values()))


def unprotected_disks(record: VmRecord) -> tuple[tuple[DiskRecord, str], ...]:
    """The disks that no snapshot holds, each with the reason ("is independent …")."""
    return tuple(
        (disk, reason) for disk in record.disks if (reason := _why_unprotected(disk)) is not None
    )


def _identity(record: VmRecord) -> Iterator[Refusal]:
    if record.problem is not None and record.instance_uuid is None:
        yield Refusal(
            "unreadable",
            record.problem,
            "Repair or re-register the VM in the vCenter, or let the account read it.",
            "cannot be read",
        )
    elif record.problem is not None:
        yield Refusal(
            "not_as_described",
            record.problem,
            "Correct it in the vCenter, then run discovery again.",
            "cannot be understood",
        )
    elif record.instance_uuid is None:
        yield Refusal(
            "no_instance_uuid",
            "The VM has no instance UUID, so vmrep could not recognise it later.",
            "Re-register the VM in the vCenter: that gives it one.",
            "no instance UUID",
        )
    state = record.specs["connection_state"]
    if state not in (None, "connected"):
        yield Refusal(
            "not_connected",
            f"The VM is {state} in the vCenter.",
            "Bring its host and datastore back, or re-register the VM.",
            "not connected",
        )
    if record.specs["is_template"]:
        yield Refusal(
            "template",
            "It is a template, which cannot have snapshots.",
            "Convert it to a virtual machine, or deploy one from it.",
            "a template",
        )


def _condition(record: VmRecord) -> Iterator[Refusal]:
    hardware = re.fullmatch(r"vmx-0*(\d{1,4})", record.text("hardware_version") or "")
    if hardware and int(hardware[1]) < OLDEST_HARDWARE:
        yield Refusal(
            "hardware_too_old",
            f"Hardware version {hardware[0]} has no changed block tracking.",
            f"Upgrade the VM's compatibility to vmx-{OLDEST_HARDWARE:02} or newer.",
            "hardware too old",
        )
    if record.specs["fault_tolerance_state"] not in (None, "notConfigured"):
        yield Refusal(
            "fault_tolerance",
            "Fault tolerance is configured, and such a VM cannot have snapshots.",
            "Turn fault tolerance off for this VM.",
            "fault tolerance",
        )


def _disks(record: VmRecord, accepted: Collection[str]) -> Iterator[Refusal]:
    if not record.disks:
        if record.problem is None:
            yield Refusal(
                "no_disks",
                "The VM has no virtual disk.",
                "Add a disk, or leave the VM out.",
                "no disk",
            )
        return
    unprotected = unprotected_disks(record)
    for disk, reason in unprotected:
        if not _accepted(disk, accepted):
            yield Refusal(
                "unprotected_disk",
                f"{_named(disk)} {reason}.",
                "Make it a dependent disk of this VM alone, or choose in the Disks tab of the"
                " managed VM to replicate without it.",
                f"{_kind_of_unprotected(disk)}: will not be protected",
            )
    if len(unprotected) == len(record.disks):
        yield Refusal(
            "no_protectable_disk",
            "None of the VM's disks can be in a snapshot.",
            "Make at least one disk dependent (mode persistent).",
            "no disk can be protected",
        )


def _why_unprotected(disk: DiskRecord) -> str | None:
    if disk.backing_type == "rdm_physical":
        return "is a raw device mapping in physical mode, which cannot be in a snapshot"
    if disk.backing_type == "raw":
        return "is a raw device, which cannot be in a snapshot"
    if disk.sharing in _SHARED:
        return f"{_SHARED[disk.sharing]}, so it cannot be in a snapshot"
    mode = disk.disk_mode
    if mode is not None and mode.startswith("independent"):
        return f"is independent ({mode}), so snapshots leave it out"
    if mode not in (None, _PLAIN_MODE):
        return f"is in mode {mode}, which snapshots leave out"
    return None


def _kind_of_unprotected(disk: DiskRecord) -> str:
    """What `_why_unprotected` says, in a word or two."""
    if disk.backing_type in ("rdm_physical", "raw"):
        return "raw device"
    if disk.sharing in _SHARED:
        return "shared disk"
    return "independent disk" if (disk.disk_mode or "").startswith("independent") else "disk mode"


def _has_snapshots(snapshots: list[SnapshotRecord]) -> str:
    return "has a snapshot" if len(snapshots) == 1 else f"has {len(snapshots)} snapshots"


def _snapshots(record: VmRecord, own: Collection[str], transport: Transport) -> Iterator[Refusal]:
    foreign = [one for one in record.snapshots if one.moref not in own and one.name not in own]
    if foreign and not transport.reads_behind_snapshots:
        yield Refusal(
            "user_snapshots",
            f"The VM has snapshots ({_names(foreign)}): its base files, which {transport.name}"
            " reads, are older than its disks.",
            "Remove the snapshots in the vCenter, then run discovery again; or read this vCenter's"
            " disks over NFC, if change tracking is on for the VM.",
            _has_snapshots(foreign),
        )
    elif foreign and record.specs["cbt_enabled"] is not True:
        yield Refusal(
            "user_snapshots",
            f"The VM has snapshots ({_names(foreign)}): changed block tracking that is enabled "
            "now may answer wrongly without an error.",
            "Remove the snapshots; you can take new ones after the first replication.",
            _has_snapshots(foreign),
        )


def _readable(record: VmRecord, transport: Transport) -> Iterator[Refusal]:
    """What the transport cannot read, of the disks that a snapshot holds."""
    for disk in record.disks:
        if _why_unprotected(disk) is not None:
            continue
        found = transport.why_unreadable(disk, has_snapshots=bool(record.snapshots))
        if found is not None:
            yield Refusal(
                "disk_not_readable",
                f"{_named(disk)} {found.reason}, and {transport.name} cannot read it.",
                found.remedy,
                found.summary,
            )


def _accepted(disk: DiskRecord, accepted: Collection[str]) -> bool:
    names = {str(disk.device_key), f"disk-{disk.device_key}", disk.disk_uuid}
    return any(name in accepted for name in names if name)


def _named(disk: DiskRecord) -> str:
    return disk.label or f"disk {disk.device_key}"


def _names(snapshots: list[SnapshotRecord]) -> str:
    shown = ", ".join(f"“{one.name}”" for one in snapshots[:5])
    return shown if len(snapshots) <= 5 else f"{shown} and {len(snapshots) - 5} more"
