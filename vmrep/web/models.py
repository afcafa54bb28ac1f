"""What people keep of the pages."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField


class ViewPage(models.TextChoices):
    """The pages with views: the names of their addresses."""

    VIRTUAL_MACHINES = "virtual-machines", "Virtual machines"
    DISCOVERY = "discovery", "Discovery"
    JOBS = "jobs", "Jobs"
    EVENTS = "events", "Events"
    OCCURRENCES = "occurrences", "What people were told"


class SavedView(models.Model):
    """A page's filters, order and columns under a name: for its user, or for everybody."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views"
    )
    page = models.CharField(max_length=20, choices=ViewPage.choices)
    name = models.CharField(max_length=80)
    query = models.TextField(
        blank=True, default="", help_text="A query string with what the page knows, nothing else."
    )
    is_shared = models.BooleanField(default=False, help_text="Whether others see it, too.")
    is_default = models.BooleanField(
        default=False, help_text="Whether its user's page begins with it."
    )
    created_at = MomentField(auto_now_add=True)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "saved_views"
        ordering = ["name", "id"]
        constraints = [
            ColumnTypes(name="saved_view_column_types"),
            models.CheckConstraint(
                condition=Q(page__in=ViewPage.values), name="saved_view_page_known"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="saved_view_is_named"),
            models.UniqueConstraint(
                fields=["user", "page", "name"], name="saved_view_once_per_name"
            ),
            models.UniqueConstraint(
                fields=["user", "page"],
                condition=Q(is_default=True),
                name="saved_view_one_default",
            ),
        ]

    def __str__(self) -> str:
        return self.name
