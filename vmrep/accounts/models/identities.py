"""Who users are at a provider of identities (OpenID Connect)."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField


class Identity(models.Model):
    """A user as a provider knows them: by issuer and subject, which never change. (A name or an
    e-mail address can be given to somebody else.)"""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="identities"
    )
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    created_at = MomentField(auto_now_add=True)

    class Meta:
        db_table = "identities"
        verbose_name_plural = "identities"
        constraints = [
            ColumnTypes(name="identity_column_types"),
            models.CheckConstraint(
                condition=~Q(issuer="") & ~Q(subject=""), name="identity_is_somebodys"
            ),
            models.UniqueConstraint(fields=["issuer", "subject"], name="identity_is_one_users"),
        ]

    def __str__(self) -> str:
        return self.subject
