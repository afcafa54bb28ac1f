"""The columns of a VM's specs, made from the one list of spec fields.

What vmrep knows about a VM is listed once, in `contexts.vsphere.specs.SPEC_FIELDS`. Discovered VMs
and contexts share the columns made here; pages, API and admin go through the same list. Unknown is
null in every column, whatever its kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q

from contexts.vsphere.specs import LARGEST_INT, SPEC_FIELDS, SpecField

SPEC_NAMES: tuple[str, ...] = tuple(spec.name for spec in SPEC_FIELDS)


def _column(spec: SpecField) -> models.Field[Any, Any]:
    options: dict[str, Any] = {
        "null": True,
        "blank": True,
        "default": None,
        "verbose_name": spec.label,
        "help_text": spec.help,
    }
    if spec.kind == "int":
        return models.BigIntegerField(**options)
    if spec.kind == "bool":
        return models.BooleanField(**options)
    if spec.kind == "list":
        return models.JSONField(**options)
    if spec.max_length is not None:
        return models.CharField(max_length=spec.max_length, **options)
    return models.TextField(**options)


def specs_possible(name: str) -> models.CheckConstraint:
    """The range that `SPEC_FIELDS` promises for whole numbers, as constraints of the table."""
    possible = Q()
    for spec in SPEC_FIELDS:
        if spec.kind == "int":
            possible &= Q(**{f"{spec.name}__gte": 0, f"{spec.name}__lte": LARGEST_INT})
    return models.CheckConstraint(condition=possible, name=name)


class VMSpecs(models.Model):
    """Abstract: one column per spec field."""

    if TYPE_CHECKING:
        # The specs that code refers to by name; SPEC_FIELDS below makes all columns.
        vm_name: str | None
        moref: str | None
        vm_path: str | None

    class Meta:
        abstract = True

    def specs(self) -> list[tuple[SpecField, object]]:
        """(field, value) of every spec in the list's order; a value of None is unknown."""
        return [(spec, getattr(self, spec.name)) for spec in SPEC_FIELDS]

    def spec_values(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in SPEC_NAMES}


for _spec in SPEC_FIELDS:
    VMSpecs.add_to_class(_spec.name, _column(_spec))
