"""Secrets at rest: encrypted with keys of their own, never with Django's SECRET_KEY.

The keys come from VMREP_FIELD_KEYS or the data folder's `field_keys` (see settings). The first key
encrypts, all of them decrypt: a new key is put in front, and the old ones leave once every secret
has been written anew.
"""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from contexts.errors import SecretUnreadable


def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.FIELD_KEYS])


def encrypt(secret: str) -> str:
    return _cipher().encrypt(secret.encode()).decode()


def decrypt(token: str) -> str:
    """Raises SecretUnreadable when none of the keys fits."""
    try:
        return _cipher().decrypt(token.encode()).decode()
    except InvalidToken:
        raise SecretUnreadable(
            "A stored password cannot be decrypted: the key that it was encrypted with is not"
            " among VMREP_FIELD_KEYS or in the data folder's field_keys. Restore that key, or"
            " enter the password again."
        ) from None
