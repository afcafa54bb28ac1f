"""What holds for the whole installation."""

from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField

ONLY_ID = 1


class Installation(models.Model):
    """One row at most, made when something of it is first needed."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY_ID, editable=False)
    generation = models.PositiveBigIntegerField(
        default=0,
        help_text="How often policies changed: what follows from them for a VM is out of date when"
        " it was made at another number.",
    )
    uuid = models.UUIDField(
        null=True,
        blank=True,
        editable=False,
        help_text="By which repositories tell installations apart. A copy of the database has it,"
        " too.",
    )
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "installation"
        verbose_name_plural = "installation"
        constraints = [
            ColumnTypes(name="installation_column_types"),
            models.CheckConstraint(condition=Q(id=ONLY_ID), name="installation_is_one"),
        ]

    def __str__(self) -> str:
        return "installation"
