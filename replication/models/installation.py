"""What is set for the whole installation."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField
from contexts.models.contexts import MAX_RPO_TARGET_SECONDS

ONLY_ID = 1


class Installation(models.Model):
    """One row at most, made when somebody first sets something."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY_ID, editable=False)
    default_rpo_target_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        verbose_name="default RPO target (seconds)",
        help_text="For VMs without a target of their own; null: none.",
        validators=[MinValueValidator(1), MaxValueValidator(MAX_RPO_TARGET_SECONDS)],
    )
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "installation"
        verbose_name_plural = "installation"
        constraints = [
            ColumnTypes(name="installation_column_types"),
            models.CheckConstraint(condition=Q(id=ONLY_ID), name="installation_is_one"),
            models.CheckConstraint(
                condition=Q(default_rpo_target_seconds__isnull=True)
                | Q(
                    default_rpo_target_seconds__gte=1,
                    default_rpo_target_seconds__lte=MAX_RPO_TARGET_SECONDS,
                ),
                name="installation_rpo_target_possible",
            ),
        ]

    def __str__(self) -> str:
        return "installation"
