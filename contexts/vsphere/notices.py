"""What somebody should know about a VM before taking it. No notice prevents a replication.

A VM with a notice is only taken by itself, never along with many others: some replicas are of no
use, others lack something, and a snapshot of the rest is a risk that somebody must accept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contexts.vsphere.records import Traits, VmRecord
from contexts.vsphere.texts import MOST_IDENTIFIER, MOST_NAME, cut

TRAIT_PATHS: tuple[str, ...] = (
    "config.managedBy",
    "config.keyId",
    "config.vAppConfig.product",
    "summary.config.tpmPresent",
)
# The managers of VMs that vSphere makes, moves and deletes by itself (cluster services, agents).
_AGENTS = frozenset({"com.vmware.vim.eam"})
_CLUSTER_SERVICES = ("vCLS-", "vCLS (")
_VCENTER = "vcenter server"


@dataclass(frozen=True, slots=True)
class Notice:
    """`code` is for programs and stays; `summary` (a few words for a list) and `text` are for
    people. Names in them are hostile text."""

    code: str
    summary: str
    text: str


def traits_of(read: Mapping[str, Any]) -> Traits:
    """Out of a VM's properties that were read with TRAIT_PATHS. Raises NOT_AS_DESCRIBED's."""
    manager, products = read.get("config.managedBy"), read.get("config.vAppConfig.product")
    return Traits(
        managed_by=cut(str(manager.extensionKey or ""), MOST_IDENTIFIER) if manager else "",
        managed_type=cut(str(manager.type or ""), MOST_IDENTIFIER) if manager else "",
        products=tuple(cut(str(each.name or ""), MOST_NAME) for each in (products or ())[:10]),
        has_tpm=bool(read.get("summary.config.tpmPresent")),
        is_encrypted=read.get("config.keyId") is not None,
    )


def notices(record: VmRecord) -> tuple[Notice, ...]:
    """All that is to be known of this VM; empty for an ordinary one."""
    return (*_owners(record), *_vcenter(record), *_secrets(record), *_mappings(record))


def _traits(record: VmRecord) -> Traits:
    return record.traits or Traits()


def _owners(record: VmRecord) -> Iterator[Notice]:
    owner, kind = _traits(record).managed_by, _traits(record).managed_type
    if record.name.startswith(_CLUSTER_SERVICES) and owner in ("", *_AGENTS):
        yield Notice(
            "vcls",
            "vSphere cluster services",
            "It belongs to the vSphere Cluster Services: vSphere makes and deletes such VMs by"
            " itself. A replica is of no use.",
        )
    elif owner in _AGENTS:
        yield Notice(
            "agent",
            "an agent VM",
            "It is an agent that vSphere ESX Agent Manager makes and deletes by itself. A replica"
            " is of little use: deploy the agent again instead.",
        )
    elif owner:
        named = f"{owner} ({kind})" if kind else owner
        yield Notice(
            "managed_by",
            "managed by a solution",
            f"It is managed by the solution {named}, which may change or delete it at any time, and"
            " may not know a VM that was started from the replica.",
        )


def _vcenter(record: VmRecord) -> Iterator[Notice]:
    if any(_VCENTER in name.lower() for name in _traits(record).products):
        yield Notice(
            "vcenter",
            "runs a vCenter",
            "A vCenter Server runs in it. If it is the one that vmrep reads, each snapshot"
            " pauses it for a moment, and it cannot be asked during a failover. Make the vCenter's"
            " own file-based backup as well.",
        )


def _secrets(record: VmRecord) -> Iterator[Notice]:
    if _traits(record).has_tpm:
        yield Notice(
            "vtpm",
            "has a virtual TPM",
            "Its virtual TPM is not in the replica. What the guest has sealed with it is lost"
            " there: BitLocker asks for its recovery key, and keys and certificates in the TPM must"
            " be created again. Keep the recovery keys at hand.",
        )
    elif _traits(record).is_encrypted:
        yield Notice(
            "encrypted",
            "an encrypted VM",
            "It is encrypted in vSphere; its replica is not. Protect the repository accordingly.",
        )


def _mappings(record: VmRecord) -> Iterator[Notice]:
    mapped = [disk for disk in record.disks if disk.backing_type == "rdm_virtual"]
    if mapped:
        names = ", ".join(disk.label or str(disk.device_key) for disk in mapped)
        yield Notice(
            "rdm",
            "a raw device mapping",
            f"{names} is a mapped LUN (virtual compatibility). In the replica it becomes an"
            " ordinary disk: anything else that uses the LUN stays with the original.",
        )
