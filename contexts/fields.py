"""Columns that fill themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.expressions import Combinable

from contexts.clock import about_now

if TYPE_CHECKING:
    _Moment = models.DateTimeField[str | datetime | date | Combinable, datetime]
else:
    _Moment = models.DateTimeField


class MomentField(_Moment):
    """A DateTimeField whose `auto_now` and `auto_now_add` mean the database's time: rows that
    several machines write are compared with one another."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        if not (self.auto_now or (self.auto_now_add and add)):
            return super().pre_save(model_instance, add)
        now = about_now()
        setattr(model_instance, self.attname, now)
        return now

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """In migrations it is the column that it makes."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs
