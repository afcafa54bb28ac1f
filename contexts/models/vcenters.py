"""Where VMs come from: vSphere endpoints and the runs that read them."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField, SealedField
from contexts.states import DiscoveryStatus, TransportKind, TrustMode
from contexts.vsphere.privileges import Privileges


class VCenter(models.Model):
    """A vSphere endpoint (vCenter Server or a lone ESXi host): address, login, trust, transport.

    The password is stored encrypted together with the address, the user and the trust
    (`contexts.crypto`); no page or API ever shows it.
    `privileges` is the result of the connection test of this instance; it is not stored.
    """

    privileges: Privileges | None = None

    name = models.CharField(max_length=100, unique=True)
    host = models.CharField(max_length=255, help_text="Host name or IP address.")
    port = models.PositiveIntegerField(
        default=443, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    username = models.CharField(max_length=255, verbose_name="user name")
    password_encrypted = SealedField(
        editable=False,
        verbose_name="encrypted password",
        what="password",
        bound_to=("host", "port", "username", "trust_mode", "fingerprint_sha256"),
    )
    trust_mode = models.CharField(
        max_length=10, choices=TrustMode.choices, default=TrustMode.VERIFY
    )
    fingerprint_sha256 = models.CharField(
        max_length=95,
        blank=True,
        default="",
        validators=[RegexValidator(r"^([0-9A-F]{2}:){31}[0-9A-F]{2}$")],
        help_text="The pinned certificate's fingerprint: hexadecimal pairs with colons.",
        verbose_name="SHA-256 fingerprint",
    )
    transport = models.CharField(
        max_length=20, choices=TransportKind.choices, default=TransportKind.AUTO
    )
    nbd_command = models.CharField(
        max_length=60,
        blank=True,
        default="",
        verbose_name="NBD command",
        help_text="The name of the command that serves disks, in each worker's settings file.",
    )
    instance_uuid = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="The vCenter's own identity; any other at this address is refused.",
        verbose_name="instance UUID",
    )
    host_uuid = models.CharField(
        max_length=36,
        blank=True,
        default="",
        help_text="The hardware UUID of a lone ESXi host, which has no instance UUID.",
        verbose_name="host UUID",
    )
    login_refused_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Since then vmrep does not log in by itself: that might lock the account.",
    )
    login_refused_why = models.TextField(blank=True, default="", editable=False)
    login_tried_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Until then, no other worker logs in."
    )
    found_instance_uuid = models.CharField(
        max_length=64,
        blank=True,
        default="",
        editable=False,
        help_text="Another vCenter that answered at this address; an operator decides about it.",
    )
    found_at = models.DateTimeField(null=True, blank=True, editable=False)
    former_instance_uuid = models.CharField(
        max_length=64,
        blank=True,
        default="",
        editable=False,
        help_text="The instance UUID before an operator confirmed that the vCenter was rebuilt.",
    )
    replaced_at = models.DateTimeField(null=True, blank=True, editable=False)
    replaced_by = models.CharField(max_length=150, blank=True, default="", editable=False)
    product = models.CharField(max_length=255, blank=True, default="")
    api_version = models.CharField(
        max_length=50, blank=True, default="", verbose_name="API version"
    )
    created_at = MomentField(auto_now_add=True)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "vcenters"
        verbose_name = "vCenter"
        verbose_name_plural = "vCenters"
        ordering = ["name"]
        constraints = [
            ColumnTypes(name="vcenter_column_types"),
            models.UniqueConstraint(
                fields=["host", "port"],
                name="vcenter_address_once",
                violation_error_message="This vCenter has already been added.",
            ),
            models.CheckConstraint(
                condition=~Q(name="") & ~Q(host="") & ~Q(username=""), name="vcenter_is_named"
            ),
            models.UniqueConstraint(
                fields=["instance_uuid"],
                condition=~Q(instance_uuid=""),
                name="vcenter_estate_once",
                violation_error_message=(
                    "This vCenter has already been added under another address."
                ),
            ),
            models.UniqueConstraint(
                fields=["host_uuid"],
                condition=~Q(host_uuid=""),
                name="vcenter_host_once",
                violation_error_message="This host has already been added under another address.",
            ),
            models.CheckConstraint(
                condition=Q(port__gte=1, port__lte=65535), name="vcenter_port_possible"
            ),
            models.CheckConstraint(
                condition=Q(trust_mode__in=TrustMode.values), name="vcenter_trust_mode_known"
            ),
            models.CheckConstraint(
                condition=Q(transport__in=TransportKind.values), name="vcenter_transport_known"
            ),
            models.CheckConstraint(
                condition=Q(login_refused_at__isnull=True, login_refused_why="")
                | (Q(login_refused_at__isnull=False) & ~Q(login_refused_why="")),
                name="vcenter_refusal_says_why",
            ),
            models.CheckConstraint(
                condition=Q(found_at__isnull=True, found_instance_uuid="")
                | (
                    Q(found_at__isnull=False)
                    & ~Q(found_instance_uuid="")
                    & ~Q(found_instance_uuid=F("instance_uuid"))
                ),
                name="vcenter_found_is_another",
            ),
            models.CheckConstraint(
                condition=Q(replaced_at__isnull=True, replaced_by="", former_instance_uuid="")
                | (Q(replaced_at__isnull=False) & ~Q(replaced_by="") & ~Q(former_instance_uuid="")),
                name="vcenter_replacement_is_whole",
            ),
            models.CheckConstraint(
                condition=~Q(transport=TransportKind.NBD) | ~Q(nbd_command=""),
                name="vcenter_nbd_names_its_command",
                violation_error_message="A command that serves NBD needs its name.",
            ),
            models.CheckConstraint(
                condition=~Q(trust_mode=TrustMode.PIN) | ~Q(fingerprint_sha256=""),
                name="vcenter_pin_has_fingerprint",
                violation_error_message="A pinned certificate needs its fingerprint.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def estate_uuid(self) -> str:
        """What tells it from another at its address: the instance UUID, or that of the lone host's
        hardware. Empty when neither is known."""
        return self.instance_uuid or self.host_uuid


class Discovery(models.Model):
    """One run that read a vCenter's VMs. It changes no VM.

    `error_message` says why it failed or, if it is completed, which VMs it left as they were
    because other transactions held their rows.
    """

    vcenter = models.ForeignKey(
        VCenter, on_delete=models.CASCADE, related_name="discoveries", verbose_name="vCenter"
    )
    status = models.CharField(
        max_length=10, choices=DiscoveryStatus.choices, default=DiscoveryStatus.PENDING
    )
    requested_by = models.CharField(max_length=150, blank=True, default="")
    vms_seen = models.PositiveIntegerField(default=0, verbose_name="VMs seen")
    vms_total = models.PositiveIntegerField(null=True, blank=True, verbose_name="VMs in total")
    error_message = models.TextField(blank=True, default="")
    created_at = MomentField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "discoveries"
        verbose_name_plural = "discoveries"
        ordering = ["-id"]
        constraints = [
            ColumnTypes(name="discovery_column_types"),
            models.CheckConstraint(
                condition=Q(status__in=DiscoveryStatus.values), name="discovery_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status__in=DiscoveryStatus.active(), completed_at__isnull=True)
                | (~Q(status__in=DiscoveryStatus.active()) & Q(completed_at__isnull=False)),
                name="discovery_ended_has_its_time",
            ),
            models.CheckConstraint(
                condition=~Q(status=DiscoveryStatus.FAILED) | ~Q(error_message=""),
                name="discovery_failed_says_why",
            ),
            models.UniqueConstraint(
                fields=["vcenter"],
                condition=Q(status__in=DiscoveryStatus.active()),
                name="discovery_one_active_per_vcenter",
                violation_error_message="A discovery of this vCenter is already running.",
            ),
        ]

    def __str__(self) -> str:
        return f"discovery {self.pk} of {self.vcenter_id}"
