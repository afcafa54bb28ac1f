"""vCenters, discoveries and discovered VMs as JSON, without passwords."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from contexts import selectors
from contexts.models import DiscoveredVM, Discovery, VCenter
from contexts.models.specs import SPEC_NAMES
from vmrep.api.serializers.parts import NewestDiscovery


class VCenterSerializer(serializers.ModelSerializer[VCenter]):
    vm_count = serializers.IntegerField()
    context_count = serializers.IntegerField()
    last_discovery = serializers.SerializerMethodField()
    read_over = serializers.SerializerMethodField()
    passed_over_vm = serializers.CharField(allow_null=True)
    passed_over_reason = serializers.CharField(allow_null=True)

    class Meta:
        model = VCenter
        fields = [
            *("id", "name", "host", "port", "username", "trust_mode", "fingerprint_sha256"),
            *("transport", "nbd_command", "instance_uuid", "host_uuid", "product", "api_version"),
            *("login_refused_at", "login_refused_why", "found_instance_uuid", "found_at"),
            *("former_instance_uuid", "replaced_at", "replaced_by"),
            *("read_over", "passed_over_vm", "passed_over_reason"),
            *("vm_count", "context_count", "last_discovery", "created_at", "updated_at"),
        ]
        read_only_fields = fields

    def get_read_over(self, vcenter: VCenter) -> dict[str, int]:
        """The number of VMs that each transport last read."""
        return dict(selectors.readings(vcenter))

    def get_last_discovery(self, vcenter: Any) -> NewestDiscovery | None:
        if vcenter.discovery_id is None:
            return None
        ended = vcenter.discovery_completed_at
        return {
            "id": vcenter.discovery_id,
            "status": vcenter.discovery_status,
            "completed_at": ended and serializers.DateTimeField().to_representation(ended),
            "error_message": vcenter.discovery_error,
        }


class DiscoverySerializer(serializers.ModelSerializer[Discovery]):
    class Meta:
        model = Discovery
        fields = [
            *("id", "vcenter_id", "status", "requested_by", "vms_seen", "vms_total"),
            *("error_message", "created_at", "started_at", "completed_at"),
        ]
        read_only_fields = fields


class DiscoveryOfSerializer(serializers.Serializer[Any]):
    """The newest discovery of the vCenter, or null."""

    discovery = DiscoverySerializer(allow_null=True)


class DiscoveredVMSerializer(serializers.ModelSerializer[DiscoveredVM]):
    """A VM of a vCenter, with what would prevent its replication (`refusals`), and what to know
    before taking it (`notices`)."""

    managed_context_id = serializers.CharField(allow_null=True)
    probable_context_id = serializers.CharField(allow_null=True)

    class Meta:
        model = DiscoveredVM
        fields = [
            *("id", "vcenter_id", "vmware_vm_id", "managed_context_id", "identity_problem"),
            *("probable_context_id", "identity_rejected_at"),
            *SPEC_NAMES,
            *("disks", "networks", "refusals", "notices", "seen_at", "gone_at"),
            *("unreadable_since", "unreadable_reason", "untold_places"),
        ]
        read_only_fields = fields
