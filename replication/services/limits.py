"""Changing how much there may be at once."""

from __future__ import annotations

import logging
import re

from contexts import trail
from contexts.models import VCenter
from contexts.services.transactions import one_transaction
from contexts.trail import Kind, Verb
from replication.errors import LimitRefused
from replication.models import Limit, Repository
from replication.models.limits import HIGHEST
from replication.selectors.limits import Resource
from replication.states import LimitKind

LONGEST_KEY = 300

log = logging.getLogger(__name__)


@one_transaction
def set_limit(resource: Resource, value: int | None, *, actor: str) -> None:
    """Set how many places the resource has; None: as many as all others, or (without a key) as
    vmrep's default. What has more already keeps it, and gets no more. Raises LimitRefused."""
    kind, key = resource
    if value is not None and not 1 <= value <= HIGHEST:
        raise LimitRefused(
            f"A limit is between 1 and {HIGHEST:,}. To let nothing begin, pause instead."
        )
    subject = _subject(resource)
    rows = Limit.objects.filter(kind=kind, resource=key)
    former = rows.values_list("value", flat=True).first()
    if value is None:
        rows.delete()
    else:
        Limit.objects.update_or_create(
            kind=kind, resource=key, defaults={**subject, "value": value, "set_by": actor}
        )
    log.info("%s set the limit %s at %r to %s", actor, kind, key or "all others", value)
    label = LimitKind(kind).label
    about = trail.subject(Kind.LIMIT, f"{kind} {key}".strip(), f"{label}: {key or 'all others'}")
    trail.tell(Verb.CHANGE, about, actor=actor, old={"value": former}, new={"value": value})


def _subject(resource: Resource) -> dict[str, object]:
    """The row that the resource belongs to. Raises LimitRefused when there is none."""
    kind, key = resource
    if kind not in LimitKind.settable():
        raise LimitRefused("How many of its jobs run at once is said in the policy.")
    if not key:
        return {"vcenter": None, "repository": None}
    if kind == LimitKind.HOST_SESSIONS:
        if not _HOST.fullmatch(key):
            raise LimitRefused("A host is named by its address and port, as in 10.0.0.5:902.")
        return {"vcenter": None, "repository": None}
    number = _OWNER.match(key)
    is_whole = number is not None and (
        (number[0] == key) != (kind == LimitKind.DATASTORE_SNAPSHOTS)
    )
    if number is None or not is_whole or len(key) > LONGEST_KEY:
        raise LimitRefused(f"{key[:100]!r} is no resource of the limit “{LimitKind(kind).label}”.")
    owner_id = int(number[1])
    if kind == LimitKind.REPOSITORY_JOBS:
        repository = Repository.objects.filter(pk=owner_id).first()
        if repository is None:
            raise LimitRefused(f"There is no repository {owner_id}.")
        return {"vcenter": None, "repository": repository}
    vcenter = VCenter.objects.filter(pk=owner_id).first()
    if vcenter is None:
        raise LimitRefused(f"There is no vCenter {owner_id}.")
    return {"vcenter": vcenter, "repository": None}


_HOST = re.compile(r"[^\s\x00-\x1f]{1,250}:[0-9]{1,5}")
_OWNER = re.compile(r"([1-9][0-9]{0,17})(:|$)")
