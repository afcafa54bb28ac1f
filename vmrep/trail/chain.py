"""The digest and the seal of an event of the audit trail (`contexts.chain`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from contexts import chain

FIELDS = (
    *("number", "previous_digest", "at", "verb", "outcome", "actor", "user_id", "via", "address"),
    *("request_id", "kind", "object_id", "object_name", "vm_context_id", "vcenter_id", "folder"),
    *("job_id", "old", "new"),
)
"""What the digest is over, in this order."""
VERSION = 1
PURPOSE = b"vmrep audit trail"


def digest(values: Sequence[object]) -> str:
    """`values`: those of FIELDS, in their order."""
    return chain.digest([VERSION, *values])


def seal(digest: str) -> str:
    """By the newest key."""
    return chain.seal(PURPOSE, digest)


def is_sealed(digest: str, seal: str) -> bool:
    """Whether any of this installation's keys made it."""
    return chain.is_sealed(PURPOSE, digest, seal)


def as_json(values: Mapping[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
