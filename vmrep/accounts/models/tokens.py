"""What programs log in with."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField
from vmrep.client_address import LONGEST


class TokenScope(models.TextChoices):
    """What a token may do at most; its user's role decides whether it may. Each scope has the
    rights of those before it."""

    READ = "read", "Read"
    WRITE = "write", "Read and change"
    DANGER = "danger", "Read, change, delete, and change what is trusted"


class TokenOrigin(models.TextChoices):
    """How a token was made."""

    PAGE = "page", "on the account page"
    API = "api", "through the API"
    EARLIER = "earlier", "by an earlier version"


class Token(models.Model):
    """A program's login. The key itself is nowhere: `digest` recognises it."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens"
    )
    name = models.CharField(max_length=80)
    scope = models.CharField(max_length=10, choices=TokenScope.choices)
    digest = models.CharField(
        max_length=64, unique=True, help_text="HMAC-SHA256 of the key, in hexadecimal."
    )
    prefix = models.CharField(
        max_length=12, help_text="How the key begins: by it, people recognise a token."
    )
    origin = models.CharField(max_length=10, choices=TokenOrigin.choices)
    created_at = MomentField(auto_now_add=True)
    created_from = models.CharField(max_length=LONGEST, blank=True, default="")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Null: never.")
    last_used_at = models.DateTimeField(
        null=True, blank=True, help_text="To the hour: not every request writes."
    )
    last_used_from = models.CharField(max_length=LONGEST, blank=True, default="")

    class Meta:
        db_table = "api_tokens"
        ordering = ["-created_at", "-id"]
        constraints = [
            ColumnTypes(name="token_column_types"),
            models.CheckConstraint(condition=~Q(name=""), name="token_is_named"),
            models.CheckConstraint(
                condition=Q(scope__in=TokenScope.values), name="token_scope_known"
            ),
            models.CheckConstraint(
                condition=Q(origin__in=TokenOrigin.values), name="token_origin_known"
            ),
            models.CheckConstraint(condition=~Q(digest=""), name="token_has_a_digest"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
