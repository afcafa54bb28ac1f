"""Disks, adapters, discovered VMs, discoveries, vCenters and repositories."""

from __future__ import annotations

from tests.database.attacks.attack import (
    NOW,
    change,
    insert,
)
from tests.database.attacks.rows import (
    DISCOVERED_ROW,
    DISK_ROW,
    FAILED_DISCOVERY,
    NIC_ROW,
    REPOSITORY_ROW,
    RUNNING_DISCOVERY,
    VCENTER_ROW,
)

INVENTORY = [
    *(
        change(table, key, rule, bad, good, name)
        for table, key, rule, bad, good, name in (
            (
                *("vm_disks", DISK_ROW, "disk_capacity_possible"),
                *("capacity_bytes = 0", "capacity_bytes = NULL", "a disk of no size"),
            ),
            (
                *("vm_disks", DISK_ROW, "disk_id_is_its_key", "device_key = 2999"),
                *("device_key = 2999, disk_id = 'disk-2999'", "a disk under another key"),
            ),
            (
                *("vm_network_adapters", NIC_ROW, "adapter_id_is_its_key", "device_key = 4999"),
                *("device_key = 4999, adapter_id = 'nic-4999'", "an adapter under another key"),
            ),
            (
                *("discovered_vms", DISCOVERED_ROW, "discovered_vm_identity_or_reason"),
                *("vmware_vm_id = NULL", "vmware_vm_id = NULL, identity_problem = 'x'"),
                "a discovered VM without identity and reason",
            ),
            (
                *("discovered_vms", DISCOVERED_ROW, "discovered_vm_specs_possible"),
                *("memory_mb = -1", "memory_mb = NULL", "a discovered VM of negative memory"),
            ),
            (
                *("discoveries", FAILED_DISCOVERY, "discovery_status_known"),
                *("status = 'odd'", "status = 'completed'"),
                "a discovery with an unknown status",
            ),
            (
                *("discoveries", FAILED_DISCOVERY, "discovery_ended_has_its_time"),
                *(
                    "completed_at = NULL",
                    f"completed_at = {NOW}",
                    "a discovery ended without a time",
                ),
            ),
            (
                *("discoveries", FAILED_DISCOVERY, "discovery_failed_says_why"),
                *("error_message = ''", "error_message = 'x'", "a discovery failed for no reason"),
            ),
            (
                *("vcenters", VCENTER_ROW, "vcenter_port_possible"),
                *("port = 65536", "port = 65535", "a port that does not exist"),
            ),
            (
                *("vcenters", VCENTER_ROW, "vcenter_trust_mode_known"),
                *("trust_mode = 'blind'", "trust_mode = 'insecure'"),
                "an unknown trust mode",
            ),
            (
                *("vcenters", VCENTER_ROW, "vcenter_transport_known"),
                *("transport = 'pigeon'", "transport = 'auto'", "an unknown transport"),
            ),
            (
                *("vcenters", VCENTER_ROW, "vcenter_nbd_names_its_command"),
                *("transport = 'nbd'", "transport = 'nbd', nbd_command = 'x'"),
                "an NBD command without a name",
            ),
            (
                *("vcenters", VCENTER_ROW, "vcenter_pin_has_fingerprint", "trust_mode = 'pin'"),
                "trust_mode = 'pin', fingerprint_sha256 = 'AA'",
                "a pin without a fingerprint",
            ),
            (
                *("vcenters", VCENTER_ROW, "vcenter_refusal_says_why"),
                *(
                    f"login_refused_at = {NOW}",
                    f"login_refused_at = {NOW}, login_refused_why = 'x'",
                ),
                "a login that was refused for no reason",
            ),
            (
                *("vcenters", VCENTER_ROW, "vcenter_found_is_another"),
                f"found_at = {NOW}, found_instance_uuid = instance_uuid",
                f"found_at = {NOW}, found_instance_uuid = 'another'",
                "another vCenter that is the known one",
            ),
            (
                *("vcenters", VCENTER_ROW, "vcenter_replacement_is_whole"),
                *("replaced_by = 'ann'",),
                f"replaced_by = 'ann', replaced_at = {NOW}, former_instance_uuid = 'x'",
                "a vCenter that was replaced at no time",
            ),
            (
                *("vcenters", VCENTER_ROW, "vcenter_is_named"),
                *("host = ''", "host = 'x'", "a vCenter without an address"),
            ),
            (
                *("repositories", REPOSITORY_ROW, "repository_kind_known"),
                *("kind = 'cloud'", "kind = 'directory'", "a repository with an unknown kind"),
            ),
            (
                *("repositories", REPOSITORY_ROW, "repository_is_named"),
                *("name = ''", "name = 'x'", "a repository without a name"),
            ),
        )
    ),
    *(
        insert(table, key, rule, bad, good, name)
        for table, key, rule, bad, good, name in (
            (
                *("vm_disks", DISK_ROW, "disk_key_once_per_context", {}, {"removed_at": NOW}),
                "a disk twice",
            ),
            (
                *("vm_network_adapters", NIC_ROW, "adapter_key_once_per_context"),
                *({}, {"removed_at": NOW}, "an adapter twice"),
            ),
            (
                *("discovered_vms", DISCOVERED_ROW, "discovered_vm_identity_once"),
                *({"moref": "'vm-new'"}, {"moref": "'vm-new'", "vmware_vm_id": "'new'"}),
                "a discovered VM twice",
            ),
            (
                *("discovered_vms", DISCOVERED_ROW, "discovered_vm_moref_once"),
                *({"vmware_vm_id": "'new'"}, {"moref": "'vm-new'", "vmware_vm_id": "'new'"}),
                "two discovered VMs under one reference",
            ),
            (
                *("discoveries", RUNNING_DISCOVERY, "discovery_one_active_per_vcenter"),
                *({}, {"status": "'completed'", "completed_at": NOW}),
                "two discoveries of a vCenter at once",
            ),
            (
                *("vcenters", VCENTER_ROW, "vcenter_address_once"),
                *({"name": "'new'", "instance_uuid": "'new'", "host_uuid": "''"},),
                *({"name": "'new'", "port": "444", "instance_uuid": "'new'", "host_uuid": "''"},),
                "two vCenters at one address",
            ),
            (
                *("vcenters", VCENTER_ROW, "vcenter_estate_once"),
                *({"name": "'new'", "port": "444", "host_uuid": "''"},),
                *({"name": "'new'", "port": "444", "instance_uuid": "''", "host_uuid": "''"},),
                "one vCenter twice",
            ),
            (
                *("vcenters", VCENTER_ROW, "vcenter_host_once"),
                *({"name": "'new'", "port": "444", "instance_uuid": "''"},),
                *({"name": "'new'", "port": "444", "instance_uuid": "''", "host_uuid": "''"},),
                "one ESXi host twice",
            ),
        )
    ),
]
