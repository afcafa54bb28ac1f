"""The stored secrets of all tables: encrypted with the newest key, or as another version does."""

from __future__ import annotations

from typing import NamedTuple

from django.apps import apps
from django.db import models, transaction

from contexts import crypto
from contexts.errors import SecretUnreadable
from contexts.fields import SealedField


class Rotated(NamedTuple):
    """How many secrets were encrypted anew, and why others could not be read."""

    secrets: int
    problems: list[str]


def rotate() -> Rotated:
    """Encrypt every stored secret with the newest key. What cannot be read stays as it is: a row
    that was changed without vmrep does not become one that is trusted."""
    rotated, problems = 0, []
    for table in apps.get_models():
        for field in table._meta.get_fields():
            if not isinstance(field, SealedField):
                continue
            for key in list(table._default_manager.order_by("pk").values_list("pk", flat=True)):
                try:
                    rotated += _rotate(table, field.attname, key)
                except SecretUnreadable as problem:
                    problems.append(str(problem))
    return Rotated(rotated, problems)


def _rotate(table: type[models.Model], column: str, key: object) -> int:
    """One row, locked: nobody changes meanwhile what its secret is for."""
    with transaction.atomic():
        row = table._default_manager.select_for_update(no_key=True).filter(pk=key).first()
        if row is None:  # removed meanwhile
            return 0
        crypto.seal(row, column, crypto.unseal(row, column))
        row.save(update_fields=[column])
    return 1


def seal_older(table: type[models.Model], column: str, names: tuple[str, ...]) -> None:
    """For migrations: bind secrets that an earlier version stored to the columns `names`. What none
    of the keys decrypts stays as it is, and unreadable."""
    for row in table._default_manager.only("pk", column, *names).order_by("pk"):
        secret = crypto.decrypt_alone(getattr(row, column))
        if secret is not None:
            token = crypto.encrypt(secret, crypto.purpose(row, column, names))
            table._default_manager.filter(pk=row.pk).update(**{column: token})


def unseal_all(table: type[models.Model], column: str) -> None:
    """For migrations: as earlier versions stored them."""
    for row in table._default_manager.only("pk", column).order_by("pk"):
        secret = crypto.secret_alone(getattr(row, column))
        if secret is not None:
            token = crypto.encrypt_alone(secret)
            table._default_manager.filter(pk=row.pk).update(**{column: token})
