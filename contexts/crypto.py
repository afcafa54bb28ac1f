"""Secrets at rest: encrypted with dedicated keys, never with Django's SECRET_KEY, and together with
what they are for.

What is encrypted names the column and the values of its row's columns `bound_to`
(`contexts.fields.SealedField`), such as a vCenter's address, user and trust. Whoever can write to
the database, but has no key, can therefore not have a password sent elsewhere: in a row that was
changed, or in another row, it is unreadable.

The keys come from VMREP_FIELD_KEYS or the data folder's `field_keys` (see settings). The first key
encrypts, and every key decrypts. `manage.py rotate_secrets` encrypts all with the first one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

from contexts.errors import SecretUnreadable
from contexts.fields import SealedField

_COLUMN = "column"


def seal(row: models.Model, column: str, secret: str) -> None:
    """Put the secret into the row, encrypted; nothing is saved. What it is bound to must already be
    in the row, and be saved together with it."""
    setattr(row, column, encrypt(secret, purpose(row, column, _field(type(row), column).bound_to)))


def unseal(row: models.Model, column: str) -> str:
    """The row's secret. Raises SecretUnreadable when none of the keys decrypts it, and when it was
    stored for something else than what the row says now."""
    field = _field(type(row), column)
    what = f"The stored {field.what} of {row}"
    try:
        found = _content(_decrypted(getattr(row, column)))
    except InvalidToken:
        raise SecretUnreadable(
            f"{what} cannot be decrypted: its key is neither in VMREP_FIELD_KEYS nor in the data"
            f" folder's field_keys. Restore that key, or enter the {field.what} again."
        ) from None
    wanted = purpose(row, column, field.bound_to)
    if found is None or found[1].get(_COLUMN) != wanted[_COLUMN]:
        raise SecretUnreadable(
            f"{what} was not stored there by this version of vmrep, so it is not used. Enter the"
            f" {field.what} again."
        )
    secret, stored_for = found
    changed = [name for name in wanted if stored_for.get(name) != wanted[name]]
    if changed:
        names = ", ".join(_words(row, name) for name in changed)
        raise SecretUnreadable(
            f"{what} was stored for something else, so it is not used: somebody changed the"
            f" database without vmrep ({names}). Check that, then enter the {field.what} again."
        )
    return secret


def bound_to(table: type[models.Model], column: str) -> tuple[str, ...]:
    """The columns that say what the secret in this one is for."""
    return _field(table, column).bound_to


def purpose(row: models.Model, column: str, names: tuple[str, ...]) -> dict[str, str]:
    """What the secret in a row's column is for: the column itself, and the columns `names`."""
    where = f"{row._meta.db_table}.{column}"
    return {_COLUMN: where, **{name: str(getattr(row, name)) for name in names}}


def encrypt(secret: str, stored_for: Mapping[str, str]) -> str:
    content = json.dumps({"secret": secret, "for": stored_for})
    return _cipher().encrypt(content.encode()).decode()


def encrypt_alone(secret: str) -> str:
    """As earlier versions stored it: bound to nothing. For migrations back to them."""
    return _cipher().encrypt(secret.encode()).decode()


def decrypt_alone(token: str) -> str | None:
    """What an earlier version stored; None if none of the keys decrypts it."""
    try:
        return _decrypted(token)
    except InvalidToken:
        return None


def secret_alone(token: str) -> str | None:
    """The secret, whatever it was stored for; None if it cannot be read. For migrations."""
    found = _content(decrypt_alone(token) or "")
    return found and found[0]


def has_key(token: str) -> bool:
    """Whether one of the keys decrypts it."""
    return decrypt_alone(token) is not None


def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.FIELD_KEYS])


def _decrypted(token: str) -> str:
    return _cipher().decrypt(token.encode()).decode()


def _content(decrypted: str) -> tuple[str, dict[str, str]] | None:
    """The secret, and what it was stored for; None for one of an earlier version."""
    try:
        content = json.loads(decrypted)
    except ValueError:
        return None
    if not isinstance(content, dict) or content.keys() != {"secret", "for"}:
        return None
    return content["secret"], content["for"]


def _field(table: type[models.Model], column: str) -> SealedField:
    field = table._meta.get_field(column)
    if not isinstance(field, SealedField):
        raise TypeError(f"{column} holds no secret")
    return field


def _words(row: models.Model, name: str) -> str:
    return str(getattr(row._meta.get_field(name), "verbose_name", name))
