"""What the API remembers of requests."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField

LONGEST_KEY = 255


class KeyedRequest(models.Model):
    """A request with an `Idempotency-Key`, and what was answered. The row is written in the
    transaction of what was asked for: both are there, or neither."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=LONGEST_KEY)
    request_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    body = models.TextField(blank=True, default="", help_text="JSON.")
    location = models.TextField(blank=True, default="")
    created_at = MomentField(auto_now_add=True)

    class Meta:
        db_table = "api_keyed_requests"
        ordering = ["id"]
        constraints = [
            ColumnTypes(name="api_keyed_request_column_types"),
            models.CheckConstraint(condition=~Q(key=""), name="api_keyed_request_has_a_key"),
            models.UniqueConstraint(fields=["user", "key"], name="api_keyed_request_once"),
        ]

    def __str__(self) -> str:
        return self.key
