"""Of which VMs somebody sees anything."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField


class Scope(models.Model):
    """A place whose VMs a user, or each user of a group, sees: a vCenter, or a folder in it and all
    below, an inventory path without the last slash. Somebody for whom there is no row sees all VMs.

    The row outlives its vCenter (`vcenter_name` says which it was), so that nobody comes to see
    everything because a vCenter was removed.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="scopes",
    )
    group = models.ForeignKey(
        "auth.Group", null=True, blank=True, on_delete=models.PROTECT, related_name="scopes"
    )
    vcenter = models.ForeignKey(
        "contexts.VCenter",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="scopes_of_users",
        verbose_name="vCenter",
    )
    vcenter_name = models.CharField(max_length=100, verbose_name="vCenter name")
    folder = models.TextField(blank=True, default="")
    created_by = models.CharField(max_length=150)
    created_at = MomentField(auto_now_add=True)

    class Meta:
        db_table = "account_scopes"
        ordering = ["vcenter_name", "folder", "id"]
        constraints = [
            ColumnTypes(name="account_scope_column_types"),
            models.CheckConstraint(
                condition=Q(user__isnull=False, group__isnull=True)
                | Q(user__isnull=True, group__isnull=False),
                name="account_scope_of_a_user_or_a_group",
            ),
            models.CheckConstraint(
                condition=Q(folder="") | Q(folder__startswith="/") & ~Q(folder__endswith="/"),
                name="account_scope_folder_is_a_path",
            ),
            models.UniqueConstraint(
                fields=["user", "vcenter", "folder"], name="account_scope_once_per_user"
            ),
            models.UniqueConstraint(
                fields=["group", "vcenter", "folder"], name="account_scope_once_per_group"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.vcenter_name}{self.folder}"
