"""A context's disks and network adapters. Rows are never deleted: they get `removed_at`."""

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Cast, Concat

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField


def _is_key(column: str, prefix: str) -> Q:
    """The column is a word followed by the device key: disk-2000."""
    return Q(**{column: Concat(Value(prefix), Cast(F("device_key"), models.CharField()))})


class VMDisk(models.Model):
    """One disk of a VM. Another disk (UUID) under the same device key gets its own row."""

    vm_context = models.ForeignKey(
        "contexts.VMContext",
        on_delete=models.CASCADE,
        related_name="disks",
        verbose_name="VM context",
    )
    disk_id = models.CharField(max_length=30, help_text="disk-<device key>", verbose_name="disk ID")
    device_key = models.IntegerField()
    disk_uuid = models.CharField(max_length=255, null=True, blank=True, verbose_name="disk UUID")
    label = models.TextField(null=True, blank=True)
    capacity_bytes = models.BigIntegerField(null=True, blank=True)
    vmdk_path = models.TextField(null=True, blank=True, verbose_name="VMDK path")
    datastore = models.TextField(null=True, blank=True)
    backing_type = models.CharField(max_length=60, null=True, blank=True)
    provisioning_type = models.CharField(max_length=20, null=True, blank=True)
    disk_mode = models.CharField(max_length=40, null=True, blank=True)
    sharing = models.CharField(max_length=40, null=True, blank=True)
    controller_type = models.CharField(max_length=60, null=True, blank=True)
    unprotected_reason = models.TextField(
        blank=True, default="", help_text="Why this disk cannot be replicated; empty if it can."
    )
    accept_unprotected = models.BooleanField(
        default=False,
        help_text="An operator agreed to leave out this disk.",
        verbose_name="left out by agreement",
    )
    tracking_doubt = models.TextField(
        blank=True,
        default="",
        help_text="Why change tracking is not believed for it until the disk has been compared, or"
        " copied whole.",
    )
    read_whole_at_point = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="The number of the newest recovery point for which it was read whole, in"
        " whichever repository. The disk of an older one is compared whole before another is based"
        " on it.",
    )
    created_at = MomentField(auto_now_add=True)
    updated_at = MomentField(auto_now=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "vm_disks"
        verbose_name = "disk"
        ordering = ["vm_context_id", "device_key", "id"]
        indexes = [models.Index(fields=["updated_at"], name="disk_newest_change")]
        constraints = [
            ColumnTypes(name="disk_column_types"),
            models.UniqueConstraint(
                fields=["vm_context", "disk_id"],
                condition=Q(removed_at__isnull=True),
                name="disk_key_once_per_context",
            ),
            models.UniqueConstraint(fields=["id", "vm_context"], name="disk_with_its_context"),
            models.CheckConstraint(
                condition=_is_key("disk_id", "disk-"), name="disk_id_is_its_key"
            ),
            models.CheckConstraint(
                condition=Q(capacity_bytes__gt=0), name="disk_capacity_possible"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.disk_id} of {self.vm_context_id}"


class VMNetworkAdapter(models.Model):
    """One network adapter of a VM, with what is known about its connection."""

    vm_context = models.ForeignKey(
        "contexts.VMContext",
        on_delete=models.CASCADE,
        related_name="network_adapters",
        verbose_name="VM context",
    )
    adapter_id = models.CharField(
        max_length=30, help_text="nic-<device key>", verbose_name="adapter ID"
    )
    device_key = models.IntegerField()
    label = models.TextField(null=True, blank=True)
    mac_address = models.CharField(
        max_length=255, null=True, blank=True, verbose_name="MAC address"
    )
    network_name = models.TextField(null=True, blank=True)
    adapter_type = models.CharField(max_length=60, null=True, blank=True)
    connected = models.BooleanField(null=True, blank=True)
    ip_addresses = models.JSONField(default=list, blank=True, verbose_name="IP addresses")
    created_at = MomentField(auto_now_add=True)
    updated_at = MomentField(auto_now=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "vm_network_adapters"
        verbose_name = "network adapter"
        ordering = ["vm_context_id", "device_key", "id"]
        indexes = [models.Index(fields=["updated_at"], name="adapter_newest_change")]
        constraints = [
            ColumnTypes(name="adapter_column_types"),
            models.UniqueConstraint(
                fields=["vm_context", "adapter_id"],
                condition=Q(removed_at__isnull=True),
                name="adapter_key_once_per_context",
            ),
            models.CheckConstraint(
                condition=_is_key("adapter_id", "nic-"), name="adapter_id_is_its_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.adapter_id} of {self.vm_context_id}"
