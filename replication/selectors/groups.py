"""Groups as pages and API show them: with their VMs' worst state and their last runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from django.db.models import OuterRef, QuerySet, Subquery

from contexts.models import VMContext
from replication.models import GroupRun, GroupRunMember, RecoveryPoint, VMGroup, VMGroupMember
from replication.selectors.contexts import contexts_in_detail
from replication.selectors.protection import Terms
from replication.states import (
    GroupMemberState,
    GroupRunState,
    Protection,
    RecoveryPointState,
)

if TYPE_CHECKING:
    from replication.selectors.contexts import ContextInList

MOST_RUNS = 20
_WORST_FIRST = (
    *(Protection.BROKEN, Protection.UNPROTECTED, Protection.OVER_TARGET),
    *(Protection.NO_TARGET, Protection.PROTECTED),
)


class Member(NamedTuple):
    """A VM of a group, with its state of protection."""

    member: VMGroupMember
    vm: ContextInList


class RunShown(NamedTuple):
    """A run with its VMs, in the order of the group at that time. `points`: how many recovery
    points of those taken together are still there."""

    run: GroupRun
    members: Sequence[GroupRunMember]
    points: int

    @property
    def together(self) -> int:
        """How many VMs were, once it has ended."""
        return sum(each.state == GroupMemberState.TOGETHER for each in self.members)

    @property
    def left(self) -> list[GroupRunMember]:
        """Those that are known not to be with the others."""
        return [each for each in self.members if each.why]

    @property
    def is_active(self) -> bool:
        return self.run.state != GroupRunState.ENDED

    @property
    def is_whole(self) -> bool:
        return not self.is_active and self.together == len(self.members)

    @property
    def has_jobs_to_cancel(self) -> bool:
        return any(each.job is not None and each.job.is_active for each in self.members)


class GroupShown(NamedTuple):
    """`worst`: of its VMs' states of protection; None while it has none. `runs`: the newest
    first."""

    group: VMGroup
    members: Sequence[Member]
    runs: Sequence[RunShown]

    @property
    def worst(self) -> Protection | None:
        states = {each.vm.protection for each in self.members}
        return next((state for state in _WORST_FIRST if state in states), None)

    @property
    def vms(self) -> list[ContextInList]:
        return [each.vm for each in self.members]

    @property
    def last_run(self) -> RunShown | None:
        return self.runs[0] if self.runs else None

    @property
    def is_gathered(self) -> bool:
        """Whether a run waits or is being gathered: no other one can begin."""
        return any(each.run.state in GroupRunState.before_the_snapshots() for each in self.runs)


def shown(
    groups: Iterable[VMGroup],
    terms: Terms,
    *,
    runs: int = 1,
    among: QuerySet[VMContext] | None = None,
) -> list[GroupShown]:
    """These groups, each with those of its VMs that are `among` these (None: with all), and with so
    many of its runs. The number of queries does not depend on theirs."""
    groups = list(groups)
    members = _members(groups, terms, among)
    found = _runs(groups, runs, among)
    return [GroupShown(group, members[group.pk], found[group.pk]) for group in groups]


def _members(
    groups: Sequence[VMGroup], terms: Terms, among: QuerySet[VMContext] | None
) -> defaultdict[int, list[Member]]:
    members = VMGroupMember.objects.filter(group__in=groups).order_by("group", "position")
    rows = list(members if among is None else members.filter(vm_context__in=among))
    vms = contexts_in_detail(terms).filter(pk__in=[row.vm_context_id for row in rows])
    by_key = {vm.pk: vm for vm in vms}
    found: defaultdict[int, list[Member]] = defaultdict(list)
    for row in rows:
        found[row.group_id].append(Member(row, by_key[row.vm_context_id]))
    return found


def _runs(
    groups: Sequence[VMGroup], most: int, among: QuerySet[VMContext] | None
) -> defaultdict[int, list[RunShown]]:
    newest = GroupRun.objects.filter(group=OuterRef("group")).order_by("-pk")
    rows = GroupRun.objects.filter(group__in=groups)
    if most == 1:
        rows = rows.filter(pk=Subquery(newest.values("pk")[:1]))
    runs = list(rows.order_by("-pk")[: most * max(1, len(groups))])
    return _with_members(runs, among)


def _with_members(
    runs: Sequence[GroupRun], among: QuerySet[VMContext] | None
) -> defaultdict[int, list[RunShown]]:
    members: defaultdict[int, list[GroupRunMember]] = defaultdict(list)
    rows = GroupRunMember.objects.filter(run__in=runs).select_related("vm_context__vcenter", "job")
    if among is not None:
        rows = rows.filter(vm_context__in=among)
    for row in rows.order_by("run", "position"):
        members[row.run_id].append(row)
    points = _points(members)
    found: defaultdict[int, list[RunShown]] = defaultdict(list)
    for run in runs:
        of_run = members[run.pk]
        there = sum(each.job_id in points for each in of_run)
        found[run.group_id].append(RunShown(run, of_run, there))
    return found


def _points(members: defaultdict[int, list[GroupRunMember]]) -> set[str]:
    """The jobs whose recovery points, taken together with others, are still there."""
    jobs = [
        each.job_id
        for rows in members.values()
        for each in rows
        if each.job_id and each.state == GroupMemberState.TOGETHER
    ]
    there = RecoveryPoint.objects.filter(job__in=jobs, state=RecoveryPointState.AVAILABLE)
    return set(there.values_list("job", flat=True))


def runs_of(group: VMGroup) -> QuerySet[GroupRun]:
    """All runs of a group, the newest first."""
    return group.runs.order_by("-pk")


def run_shown(runs: Sequence[GroupRun], among: QuerySet[VMContext] | None = None) -> list[RunShown]:
    """These runs of one group, with their VMs (those `among` these), in this order."""
    by_group = _with_members(runs, among)
    return [each for rows in by_group.values() for each in rows]


def group_of(context: VMContext) -> VMGroup | None:
    """The group that a VM belongs to."""
    return VMGroup.objects.filter(members__vm_context=context).first()


def free_vms(among: QuerySet[VMContext], group: VMGroup) -> QuerySet[VMContext]:
    """The managed VMs that could be added: of no group, and of the vCenter of its VMs."""
    rows = among.filter(unmanaged_at__isnull=True, group_member__isnull=True).order_by("vm_name")
    first = group.members.select_related("vm_context").first()
    return rows.filter(vcenter=first.vm_context.vcenter_id) if first else rows
