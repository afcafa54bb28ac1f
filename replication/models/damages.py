"""What is known to be wrong with images."""

from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField
from replication.models.images import DiskImage
from replication.states import DamageFinder


class ImageDamage(models.Model):
    """A fault of a committed image, from when it was found until a look found it gone.

    A recovery point whose chain has such an image is damaged (`RecoveryPoint.damaged_at`).
    """

    image = models.ForeignKey(DiskImage, on_delete=models.CASCADE, related_name="damages")
    code = models.CharField(max_length=40, help_text="That of the integrity check's finding.")
    what = models.TextField()
    found_by = models.CharField(max_length=10, choices=DamageFinder.choices)
    needs_deep_look = models.BooleanField(
        help_text="Whether only a look through tables and digests can find it gone."
    )
    found_at = MomentField(auto_now_add=True)
    cleared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "image_damages"
        ordering = ["id"]
        constraints = [
            ColumnTypes(name="image_damage_column_types"),
            models.CheckConstraint(
                condition=~Q(code="") & ~Q(what=""), name="image_damage_says_what"
            ),
            models.CheckConstraint(
                condition=Q(found_by__in=DamageFinder.values), name="image_damage_finder_known"
            ),
            models.UniqueConstraint(
                fields=["image", "code"],
                condition=Q(cleared_at__isnull=True),
                name="damage_once_per_image_and_code",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} of image {self.image_id}"
