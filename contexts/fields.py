"""Columns that fill themselves, and columns that hold secrets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.expressions import Combinable

from contexts.clock import about_now

if TYPE_CHECKING:
    _Moment = models.DateTimeField[str | datetime | date | Combinable, datetime]
    _Text = models.TextField[str | Combinable, str]
else:
    _Moment = models.DateTimeField
    _Text = models.TextField


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


class SealedField(_Text):
    """A secret, encrypted together with the values of the row's columns `bound_to`, which say what
    it is for. `what` is its name for people. `contexts.crypto` writes and reads it."""

    def __init__(
        self, *args: Any, what: str = "secret", bound_to: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.what = what
        self.bound_to = tuple(bound_to)

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """In migrations it is the column that it makes."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs
