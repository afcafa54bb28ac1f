"""Conversion between a discovered VM's row and the vSphere layer's record."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from typing import Any, cast

from contexts.models import DiscoveredVM
from contexts.services.refresh import spec_columns
from contexts.vsphere.inventory import DiskRecord, NicRecord, VmRecord
from contexts.vsphere.notices import Notice, notices
from contexts.vsphere.preflight import Refusal, refusals
from contexts.vsphere.records import KnownDevices
from contexts.vsphere.specs import SpecValue


def columns_of(record: VmRecord) -> dict[str, Any]:
    """The columns of a DiscoveredVM that a record fills; those of its specs that are unsaid stay as
    they are."""
    return {
        **spec_columns(record),
        "disks": [_flat(disk) for disk in record.disks],
        # A list, as the database returns it, so that an unchanged value compares equal.
        "networks": [
            _flat(nic) | {"ip_addresses": list(nic.ip_addresses)} for nic in record.networks
        ],
        "refusals": [_flat(refusal) for refusal in refusals(_with_its_problem(record))],
        "devices_version": record.devices_version or "",
        **_notices(record),
    }


def _notices(record: VmRecord) -> dict[str, Any]:
    """What is not said this time stays as it is."""
    if record.traits is None or "disks" in record.unsaid:
        return {}
    return {"notices": [_flat(notice) for notice in notices(record)]}


def _with_its_problem(record: VmRecord) -> VmRecord:
    """What a replication would be refused for, if the record lacks what it needs."""
    if record.lacks and record.problem is None:
        return replace(record, problem=record.unreadable)
    return record


def untold_places(
    record: VmRecord, known: DiscoveredVM | None, now: datetime
) -> list[dict[str, str]]:
    """The column of that name: each place that vSphere did not tell, with since when (ISO 8601)."""
    since = {each["place"]: each["since"] for each in known.untold_places} if known else {}
    return [
        {"place": place, "since": since.get(place, now.isoformat())}
        for place in record.untold_places
    ]


def completed(record: VmRecord, known: DiscoveredVM) -> VmRecord:
    """The record, completed with what is known of the VM. What is `unsaid` stays named as such."""
    unsaid = record.unsaid
    if not unsaid:
        return record
    kept = known.spec_values()
    return replace(
        record,
        specs={
            name: _spec(kept[name]) if name in unsaid else value
            for name, value in record.specs.items()
        },
        disks=_completed_disks(record, known),
        networks=_completed_networks(record, known),
    )


def _completed_disks(record: VmRecord, known: DiscoveredVM) -> tuple[DiskRecord, ...]:
    if "disks" in record.unsaid:
        return disks_of(known)
    if "datastore_types" not in record.unsaid:
        return record.disks
    types = {disk.datastore_moref: disk.datastore_type for disk in disks_of(known)}
    return tuple(
        disk
        if disk.datastore_type is not None
        else replace(disk, datastore_type=types.get(disk.datastore_moref))
        for disk in record.disks
    )


def _completed_networks(record: VmRecord, known: DiscoveredVM) -> tuple[NicRecord, ...]:
    if "networks" in record.unsaid:
        return networks_of(known)
    if not record.unsaid & {"addresses", "network_names"}:
        return record.networks
    by_key = {nic.device_key: nic for nic in networks_of(known)}
    return tuple(
        _completed_nic(nic, by_key.get(nic.device_key, nic), record.unsaid)
        for nic in record.networks
    )


def _completed_nic(nic: NicRecord, known: NicRecord, unsaid: frozenset[str]) -> NicRecord:
    return replace(
        nic,
        network_name=nic.network_name or known.network_name,
        ip_addresses=known.ip_addresses if "addresses" in unsaid else nic.ip_addresses,
    )


def _spec(value: object) -> SpecValue:
    return cast("SpecValue", tuple(value) if isinstance(value, list) else value)


def disks_of(vm: DiscoveredVM) -> tuple[DiskRecord, ...]:
    """The disks as the row has them."""
    return tuple(DiskRecord(**disk) for disk in vm.disks)


def networks_of(vm: DiscoveredVM) -> tuple[NicRecord, ...]:
    """The adapters as the row has them."""
    return tuple(
        NicRecord(**{**nic, "ip_addresses": tuple(nic["ip_addresses"])}) for nic in vm.networks
    )


_UNSAID_OF_DEVICES = {"datastores": "datastore_types", "networks": "network_names"}


def known_devices(vm: DiscoveredVM) -> KnownDevices:
    """The devices as the row has them, of a VM of which all devices were told."""
    untold = {each["place"] for each in vm.untold_places}
    unsaid = frozenset(part for place, part in _UNSAID_OF_DEVICES.items() if place in untold)
    return KnownDevices(vm.devices_version, disks_of(vm), networks_of(vm), unsaid)


_NAMES = {
    kind: tuple(each.name for each in fields(kind))
    for kind in (DiskRecord, NicRecord, Refusal, Notice)
}


def _flat(record: DiskRecord | NicRecord | Refusal | Notice) -> dict[str, Any]:
    """Like `asdict`, but without its deep copies, which take longer than the database for thousands
    of VMs."""
    return {name: getattr(record, name) for name in _NAMES[type(record)]}


def from_discovered(vm: DiscoveredVM) -> VmRecord:
    """The record that the row was made from, without its snapshots (a job reads those again)."""
    return VmRecord(
        instance_uuid=vm.vmware_vm_id,
        specs={name: _spec(value) for name, value in vm.spec_values().items()},
        disks=disks_of(vm),
        networks=networks_of(vm),
        snapshots=(),
    )
