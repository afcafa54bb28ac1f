"""Which removal of a VM comes next, and what the others wait for."""

from __future__ import annotations

from django.db.models import Exists, Q
from django.db.models.functions import Now

from contexts.text import storable
from replication.models import PointRemoval
from replication.retention import steps
from replication.retention.standing import Standing
from replication.services import leases
from replication.states import MergeStage, RemovalState

LOOK_AT = 100  # the number of VMs that one run looks at
_IS_DUE = Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=Now())


def due() -> list[str]:
    """The contexts with a removal that may go on now, the longest waiting first."""
    wanted = (
        PointRemoval.objects.exclude(state=RemovalState.DONE)
        .filter(_IS_DUE)
        .filter(~Exists(leases.live_lease()))
    )
    # Of a point that is on its way out the rows may be behind the files: that comes first.
    ordered = wanted.order_by("state", "id").values_list("vm_context", flat=True)
    return list(dict.fromkeys(ordered))[:LOOK_AT]


def stuck(context_id: str) -> list[PointRemoval]:
    """Those that are under way, are due, and cannot go on since an image is damaged."""
    mine = PointRemoval.objects.filter(vm_context=context_id, state=RemovalState.UNDER_WAY)
    under_way = list(mine.filter(_IS_DUE).order_by("-recovery_point_id"))
    if not under_way:
        return []
    standing = Standing(context_id)
    return [it for it in under_way if why_it_waits(it, standing) == standing.damaged_words]


def next_removal(context_id: str) -> PointRemoval | None:
    """What is to be done next. Whatever is due and has to wait says so, and is not due then."""
    removals = PointRemoval.objects.filter(vm_context=context_id).exclude(state=RemovalState.DONE)
    due = set(removals.filter(_IS_DUE).values_list("pk", flat=True))
    if not due:
        return None
    standing, going = Standing(context_id), dict[int, PointRemoval]()
    last: PointRemoval | None = None
    # Of two that are under way the upper one ends first.
    ordered = removals.select_related("recovery_point", "vm_context").order_by("-recovery_point_id")
    for removal in ordered:
        is_due = removal.pk in due
        if why := why_it_waits(removal, standing):
            if is_due or removal.problem != storable(why):
                steps.waits(removal, why)
        elif removal.state == RemovalState.UNDER_WAY and _may_be_passed(removal, standing):
            last = removal if is_due else None
        elif removal.state == RemovalState.UNDER_WAY:
            if is_due:
                return removal
            steps.others_wait(removal)
            return None
        elif is_due:
            going[removal.recovery_point_id] = removal
    in_order = standing.chains.in_order(going.keys())
    return going[in_order[0].point] if in_order else last


def why_it_waits(removal: PointRemoval, standing: Standing) -> str:
    """Why the removal cannot begin, or go on; empty if it can."""
    point = removal.recovery_point_id
    if removal.state == RemovalState.WANTED:
        return standing.why_it_waits(point)
    if standing.is_below_one_that_goes(point):
        return standing.one_above_words
    # What was merged and read again only has to take its name.
    is_certain = removal.merges.filter(stage=MergeStage.MERGED).exists()
    return standing.damaged_words if standing.is_stuck(point) and not is_certain else ""


def _may_be_passed(removal: PointRemoval, standing: Standing) -> bool:
    """Whether others may go first: where each name that a merged file is to take is of a damaged
    image. It may never come to that, and they may be what has to go before."""
    names = removal.merges.filter(stage=MergeStage.MERGED).values_list("child", flat=True)
    return bool(names) and all(child is not None and standing.is_damaged(child) for child in names)
