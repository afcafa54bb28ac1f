"""What makes a row of a chain: a digest over the row before it and its own content, and a seal.

Whoever changes, removes or inserts a row has to make all later digests anew. The seal keeps that
from whoever can write to the database but has no key of this installation. A key that is no longer
there costs nothing, as long as a later row is sealed by one that is: its digest vouches for all
before it.

The audit trail is one such chain, the events of each VM are another.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from django.conf import settings

DIGEST_LENGTH = 64
BEGINNING = "0" * DIGEST_LENGTH
"""What the first row follows."""


def digest(values: Sequence[object]) -> str:
    """SHA-256 of texts, whole numbers, times and nulls, in this order: the same for what both
    databases give back, whatever the process's time zone."""
    plain = [
        value.astimezone(UTC).isoformat(timespec="microseconds")
        if isinstance(value, datetime)
        else value
        for value in values
    ]
    written = json.dumps(plain, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()


def seal(purpose: bytes, digest: str) -> str:
    """By the newest key. `purpose`: of which chain the digest is."""
    return _hmac(_keys(purpose, tuple(settings.FIELD_KEYS))[0], digest)


def is_sealed(purpose: bytes, digest: str, seal: str) -> bool:
    """Whether any of this installation's keys made it."""
    keys = _keys(purpose, tuple(settings.FIELD_KEYS))
    return any(hmac.compare_digest(_hmac(key, digest), seal) for key in keys)


class Seals:
    """Of rows that are read one after another: `unsealed` of them, from `unsealed_from` to the last
    one, nothing vouches for; `old` ones are sealed by keys that are not here any more."""

    def __init__(self, purpose: bytes) -> None:
        self._purpose = purpose
        self.unsealed_from = self.unsealed = self.old = 0

    def note(self, number: int, digest: str, seal: str) -> None:
        """A seal of a key that is here vouches for all rows before it."""
        if is_sealed(self._purpose, digest, seal):
            self.old += self.unsealed
            self.unsealed = 0
            return
        if not self.unsealed:
            self.unsealed_from = number
        self.unsealed += 1


@lru_cache(maxsize=8)
def _keys(purpose: bytes, field_keys: tuple[str, ...]) -> tuple[bytes, ...]:
    """Keys of their own: a seal tells nothing of the keys that encrypt secrets."""
    return tuple(hmac.new(key.encode(), purpose, hashlib.sha256).digest() for key in field_keys)


def _hmac(key: bytes, digest: str) -> str:
    return hmac.new(key, digest.encode(), hashlib.sha256).hexdigest()
