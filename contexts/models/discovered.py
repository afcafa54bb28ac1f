"""What the last discovery of each vCenter saw."""

from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes
from contexts.models.specs import VMSpecs, specs_possible


class DiscoveredVM(VMSpecs):
    """A VM as the last discovery saw it; `gone_at` is set when a later discovery did not see it.

    `vmware_vm_id` is the instance UUID. It is null if vCenter reported none, or reported the same
    UUID for two VMs. Such a VM is listed with the reason in `identity_problem` and cannot be taken
    under management.
    """

    vcenter = models.ForeignKey(
        "contexts.VCenter",
        on_delete=models.CASCADE,
        related_name="discovered_vms",
        verbose_name="vCenter",
    )
    vmware_vm_id = models.CharField(
        max_length=64, null=True, blank=True, verbose_name="instance UUID"
    )
    identity_problem = models.TextField(blank=True, default="")
    disks = models.JSONField(default=list, help_text="The disks as read, one object per disk.")
    networks = models.JSONField(default=list, help_text="The network adapters as read.")
    identity_rejected_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When an operator said that this is another VM than the known one it looks like.",
    )
    refusals = models.JSONField(
        default=list, help_text="Why a replication would be refused: code, reason, remedy."
    )
    notices = models.JSONField(
        default=list,
        help_text="What to know before taking it: code, summary, text. Such VMs are taken one"
        " by one.",
    )
    seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)
    unreadable_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when vCenter has left out something about it, or vmrep did not understand"
        " it; what was known before is kept.",
    )
    unreadable_reason = models.TextField(blank=True, default="")
    untold_places = models.JSONField(
        default=list,
        help_text="Where it is, as far as the last reading was not told: place, since. What was"
        " known before is kept.",
    )
    devices_version = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="While it stays the same, the devices are not read again; empty: always read.",
    )

    class Meta:
        db_table = "discovered_vms"
        verbose_name = "discovered VM"
        ordering = ["vcenter_id", "vm_name", "id"]
        indexes = [
            models.Index(
                fields=["gone_at"], condition=Q(gone_at__isnull=False), name="discovered_vm_gone"
            ),
            models.Index(
                fields=["unreadable_since"],
                condition=Q(unreadable_since__isnull=False),
                name="discovered_vm_unreadable",
            ),
            models.Index(
                fields=["identity_rejected_at"],
                condition=Q(identity_rejected_at__isnull=False),
                name="discovered_vm_rejected",
            ),
        ]
        constraints = [
            ColumnTypes(name="discovered_vm_column_types"),
            models.UniqueConstraint(
                fields=["vcenter", "vmware_vm_id"], name="discovered_vm_identity_once"
            ),
            models.UniqueConstraint(
                fields=["vcenter", "moref"],
                condition=Q(gone_at__isnull=True),
                name="discovered_vm_moref_once",
            ),
            specs_possible("discovered_vm_specs_possible"),
            models.CheckConstraint(
                condition=Q(vmware_vm_id__isnull=True) & ~Q(identity_problem="")
                | Q(vmware_vm_id__isnull=False) & ~Q(vmware_vm_id=""),
                name="discovered_vm_identity_or_reason",
            ),
        ]

    def __str__(self) -> str:
        return str(self.vm_name or self.moref)
