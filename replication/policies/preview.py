"""What a change of a policy would do, before it is saved: for which VMs something else would be in
effect, and what that means for workers and repositories. Nothing is written. The number of queries
does not depend on how many VMs there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

from django.db.models import Avg, DurationField, ExpressionWrapper, F

from contexts.clock import about_now
from contexts.models import DiscoveredVM, VCenter, VMContext
from replication.models import Policy, ReplicationJob, Repository, VMSchedule
from replication.models.policies import KEEP
from replication.policies import telling
from replication.policies.checking import Wanted
from replication.policies.resolve import Resolved, applies, in_order
from replication.policies.services import Where, possible_place, wanted_of
from replication.policies.settle import facts_of, resolve_all, scope_rows
from replication.policies.taking_new import to_be_taken
from replication.policies.values import GROUPS, TITLES, ScopeRow, Values, VMFacts
from replication.retention.forecast import Stored
from replication.scheduler.estimate import Estimate
from replication.scheduler.keeping import NOT_KNOWN, spoken, verdict
from replication.scheduler.stored import in_the_end
from replication.selectors.schedules import estimate_of, stored_of
from replication.services import repositories
from replication.states import JobStatus, RetentionKind, ScopeKind

LATELY = timedelta(days=7)
SHOWN = 50
_NEW = 1 << 62  # the ID of a scope that does not exist yet: it is younger than all others


class Change(NamedTuple):
    """What is to be different about a policy: what it says, a place more, or a place (the ID of its
    scope) less."""

    policy: Policy
    wanted: Wanted | None = None
    add: Where | None = None
    remove: int | None = None


class Load(NamedTuple):
    """Of the VMs that would change. `jobs_per_hour`: that their targets ask for at least.
    `busy_workers`: how many workers those jobs keep busy, by how long they took lately.
    `most_points`: how many recovery points stay at most, None: all. `point_bytes`: what those
    take in the end, as measured of these VMs; None with `most_points`."""

    jobs_per_hour: float = 0.0
    busy_workers: float = 0.0
    most_points: int | None = 0
    point_bytes: int | None = 0


class ChangedVM(NamedTuple):
    """`lines`: of each group that differs its title, and its words before and after."""

    context_id: str
    name: str
    lines: tuple[tuple[str, str, str], ...]


class TooSlow(NamedTuple):
    """`why`: “5 min cannot be kept: 18 GiB/h at 40 MiB/s needs 8 min”."""

    context_id: str
    name: str
    why: str


class Taken(NamedTuple):
    """A VM that would come under management. `repository`: where it would be kept."""

    vm: DiscoveredVM
    repository: str


class Preview(NamedTuple):
    """`unmeasured`: how many of the VMs that change had no replication lately, so that nothing is
    known of their load. `too_slow`: those that could not keep their targets, as measured.
    `not_known`: how many have had too few incremental replications to tell. `taken`: the VMs that
    are not managed and that the new place would take by itself; `lacks_repository`: it would take
    them, but no policy names a repository for them, and there is more than one, or none."""

    vm_count: int
    shown: tuple[ChangedVM, ...]
    before: Load
    after: Load
    unmeasured: int
    too_slow: tuple[TooSlow, ...]
    not_known: int
    taken: tuple[Taken, ...]
    lacks_repository: bool

    @property
    def to_be_taken(self) -> int:
        return len(self.taken)

    @property
    def why_not_known(self) -> str:
        return NOT_KNOWN


class _Differs(NamedTuple):
    vm: VMFacts
    before: Resolved
    after: Resolved


class _Measured(NamedTuple):
    """`known` and `stored` are None while too little is known for them."""

    seconds: float
    read_bytes: float
    known: Estimate | None
    stored: Stored | None


def preview(change: Change) -> Preview:
    """Raises ScopeRefused for a place where no policy can apply."""
    before = in_order(scope_rows())
    after = in_order(_changed(before, change))
    reached = [scope for scope in (*before, *after) if _is_meant(scope, change)]
    vms = [vm for vm in _managed() if any(applies(scope, vm) for scope in reached)]
    pairs = zip(vms, resolve_all(vms, before), resolve_all(vms, after), strict=True)
    found = [it for it in map(_Differs._make, pairs) if it.before.values != it.after.values]
    measured = _measured()
    prospects = _prospects(found, measured)
    return Preview(
        vm_count=len(found),
        shown=tuple(_shown(it) for it in found[:SHOWN]),
        before=_load([(it.vm, it.before.values) for it in found], measured),
        after=_load([(it.vm, it.after.values) for it in found], measured),
        unmeasured=sum(it.vm.context_id not in measured for it in found),
        too_slow=prospects.too_slow,
        not_known=prospects.not_known,
        taken=tuple(_taken(change, after)),
        lacks_repository=_lacks_repository(change, after),
    )


def _taken(change: Change, after: Sequence[ScopeRow]) -> Iterator[Taken]:
    if change.add is None or not change.add.takes_new:
        return
    added = [scope for scope in after if scope.id == _NEW or not scope.takes_new]
    vcenters = VCenter.objects.all() if change.add.vcenter is None else [change.add.vcenter]
    for vcenter in vcenters:
        for vm, _, repository in to_be_taken(vcenter, added):
            yield Taken(vm, repository.name)


def _lacks_repository(change: Change, after: Sequence[ScopeRow]) -> bool:
    if change.add is None or not change.add.takes_new:
        return False
    names_one = [scope for scope in after if scope.values["repository_id"] is not None]
    may_reach = any(scope.id == _NEW or scope.kind != ScopeKind.VM for scope in names_one)
    return not may_reach and repositories.default(Repository.objects.all()) is None


def _managed() -> Iterator[VMFacts]:
    contexts = VMContext.objects.filter(unmanaged_at__isnull=True).order_by("vm_name", "pk")
    columns = contexts.only("vcenter_id", "vm_name", "vm_path")
    return map(facts_of, columns.iterator(chunk_size=2000))


def _is_meant(scope: ScopeRow, change: Change) -> bool:
    if change.wanted is not None:
        return scope.policy_id == change.policy.pk
    return scope.id in (_NEW, change.remove)


def _changed(scopes: Sequence[ScopeRow], change: Change) -> list[ScopeRow]:
    """The scopes as they would be."""
    rows = [scope for scope in scopes if scope.id != change.remove]
    if change.add is not None:
        place = possible_place(change.add)
        rows.append(
            ScopeRow(
                _NEW,
                place.kind,
                place.vcenter.pk if place.vcenter else None,
                place.folder,
                place.pattern,
                place.vm_context.pk if place.vm_context else None,
                change.policy.pk,
                change.policy.name or "",
                wanted_of(change.policy).values,
                place.takes_new,
            )
        )
    if change.wanted is not None:
        said = change.wanted.values
        rows = [
            row._replace(values=said) if row.policy_id == change.policy.pk else row for row in rows
        ]
    return rows


def _measured() -> dict[str, _Measured]:
    """Of each VM, what its replications of the last days took and stored."""
    took = ExpressionWrapper(F("completed_at") - F("started_at"), output_field=DurationField())
    lately = ReplicationJob.objects.filter(
        status=JobStatus.COMPLETED,
        completed_at__gte=about_now() - LATELY,
        started_at__isnull=False,
    )
    rows = (
        lately.order_by()
        .values("vm_context_id")
        .annotate(took=Avg(took), read=Avg("bytes_transferred"))
        .values_list("vm_context_id", "took", "read")
    )
    schedules = VMSchedule.objects.in_bulk()
    return {
        key: _Measured(
            max(duration.total_seconds(), 0.0),
            float(read or 0),
            estimate_of(schedules[key]) if key in schedules else None,
            stored_of(schedules[key]) if key in schedules else None,
        )
        for key, duration, read in rows
    }


def _load(vms: Sequence[tuple[VMFacts, Values]], measured: dict[str, _Measured]) -> Load:
    jobs = busy = 0.0
    points: int | None = 0
    stored = 0.0
    for vm, values in vms:
        known = measured.get(vm.context_id)
        per_hour = _jobs_per_hour(values)
        jobs += per_hour
        busy += per_hour * known.seconds / 3600 if known else 0.0
        most = _most_points(values)
        points = None if most is None or points is None else points + most
        stored += _in_the_end(known, values, most) if most and known else 0.0
    return Load(jobs, busy, points, None if points is None else int(stored))


def _in_the_end(known: _Measured, values: Values, most: int) -> float:
    """Of a VM whose history is too short, what its replications read lately."""
    steady = in_the_end(known.stored, values)
    return most * known.read_bytes if steady is None else float(steady)


def _jobs_per_hour(values: Values) -> float:
    seconds = values["rpo_target_seconds"]
    if not isinstance(seconds, int):
        return 0.0
    late = values["latest_start_minutes"]
    return 3600 / max(seconds - (late * 60 if isinstance(late, int) else 0), 60)


def _most_points(values: Values) -> int | None:
    """None: all."""
    if values["retention_kind"] != RetentionKind.RULES:
        return None
    return sum(count for column in KEEP if isinstance(count := values[column], int))


class _Prospects(NamedTuple):
    too_slow: tuple[TooSlow, ...]
    not_known: int


def _prospects(found: Sequence[_Differs], measured: dict[str, _Measured]) -> _Prospects:
    """Of the VMs that will have a target: which cannot keep it, and of how many it is not known."""
    too_slow, not_known = [], 0
    for it in found:
        target = it.after.values["rpo_target_seconds"]
        if not isinstance(target, int):
            continue
        known = measured.get(it.vm.context_id)
        told = verdict(known.known if known else None, target)
        why = told.words if told.can_be_kept is False else _slower(known, target)
        if told.can_be_kept is None and why is None:
            not_known += 1
        elif not told.can_be_kept and why is not None:
            too_slow.append(TooSlow(it.vm.context_id, it.vm.name or it.vm.context_id, why))
    return _Prospects(tuple(too_slow), not_known)


def _slower(known: _Measured | None, target: int) -> str | None:
    """Why a target cannot be kept of which all that is known is how long replications took."""
    if known is None or known.seconds <= target:
        return None
    return f"{spoken(target)} cannot be kept: replications took {spoken(known.seconds)} lately"


def _shown(it: _Differs) -> ChangedVM:
    before, after = it.before.values, it.after.values
    lines = tuple(
        (TITLES[group], telling.group(group, before), telling.group(group, after))
        for group in GROUPS
        if telling.group(group, before) != telling.group(group, after)
    )
    return ChangedVM(it.vm.context_id, it.vm.name or it.vm.context_id, lines)
