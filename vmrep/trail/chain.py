"""The digest and the seal of an event.

The digest chains: whoever changes, removes or inserts a row has to make all later digests anew. The
seal keeps that from whoever can write to the database but has no key of this installation. A key
that is no longer there costs nothing, as long as a later event is sealed by one that is: its digest
vouches for all before it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from django.conf import settings

FIELDS = (
    *("number", "previous_digest", "at", "verb", "outcome", "actor", "user_id", "via", "address"),
    *("request_id", "kind", "object_id", "object_name", "vm_context_id", "vcenter_id", "folder"),
    *("job_id", "old", "new"),
)
"""What the digest is over, in this order."""
VERSION = 1


def digest(values: Sequence[object]) -> str:
    """`values`: those of FIELDS, in their order."""
    return hashlib.sha256(_canonical(values)).hexdigest()


def seal(digest: str) -> str:
    """By the newest key."""
    return _hmac(_keys(tuple(settings.FIELD_KEYS))[0], digest)


def is_sealed(digest: str, seal: str) -> bool:
    """Whether any of this installation's keys made it."""
    return any(
        hmac.compare_digest(_hmac(key, digest), seal) for key in _keys(tuple(settings.FIELD_KEYS))
    )


def as_json(values: Mapping[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _canonical(values: Sequence[object]) -> bytes:
    """The same bytes from both databases, whatever the process's time zone."""
    plain = [
        value.astimezone(UTC).isoformat(timespec="microseconds")
        if isinstance(value, datetime)
        else value
        for value in values
    ]
    return json.dumps([VERSION, *plain], ensure_ascii=True, separators=(",", ":")).encode()


@lru_cache(maxsize=4)
def _keys(field_keys: tuple[str, ...]) -> tuple[bytes, ...]:
    """Keys of their own: a seal tells nothing of the keys that encrypt secrets."""
    return tuple(
        hmac.new(key.encode(), b"vmrep audit trail", hashlib.sha256).digest() for key in field_keys
    )


def _hmac(key: bytes, digest: str) -> str:
    return hmac.new(key, digest.encode(), hashlib.sha256).hexdigest()
