"""Secrets at rest: encrypted with dedicated keys, never with Django's SECRET_KEY.

The keys come from VMREP_FIELD_KEYS or the data folder's `field_keys` (see settings). The first key
encrypts, and every key decrypts. To rotate, put a new key first, and remove the old ones once every
secret has been saved again.
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
    """Raises SecretUnreadable when none of the keys decrypts it."""
    try:
        return _cipher().decrypt(token.encode()).decode()
    except InvalidToken:
        raise SecretUnreadable(
            "A stored password cannot be decrypted: its key is neither in VMREP_FIELD_KEYS nor in"
            " the data folder's field_keys. Restore that key, or enter the password again."
        ) from None
