"""Policies that take VMs: whoever is found in their folder, and can be taken without a doubt, comes
under management by itself."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from contexts import selectors
from contexts.errors import ContextError
from contexts.models import DiscoveredVM, Discovery, VCenter
from contexts.services.management import Taken
from contexts.services.transactions import one_transaction
from contexts.states import DiscoveryStatus
from contexts.text import plural
from replication.models import Policy, PolicyScope, PolicyTaking, Repository
from replication.policies import taking
from replication.policies.resolve import applies, in_order, resolve
from replication.policies.settle import scope_rows
from replication.policies.values import ScopeRow, VMFacts
from replication.services import occurrences, repositories
from replication.states import OccurrenceKind

log = logging.getLogger(__name__)

AT_ONCE = 100
NAMED = 5


def tick() -> None:
    """A part of the tick: the VMs of one vCenter whose last discovery nobody has looked at yet.
    Many are taken a part at a time."""
    if not PolicyScope.objects.filter(takes_new=True).exists():
        return
    for vcenter_id, discovery_id in _unseen()[:1]:
        take_new(VCenter.objects.get(pk=vcenter_id), discovery_id)


def _unseen() -> QuerySet[VCenter, tuple[int, int]]:
    """The vCenters with a completed discovery that was not looked at yet, and that discovery."""
    completed = Discovery.objects.filter(
        vcenter=OuterRef("pk"), status=DiscoveryStatus.COMPLETED
    ).order_by("-id")
    newest = F("newest_discovery_id")
    return (
        VCenter.objects.annotate(newest_discovery_id=Subquery(completed.values("pk")[:1]))
        .filter(newest_discovery_id__isnull=False)
        .filter(Q(policy_taking=None) | Q(policy_taking__of_discovery__lt=newest))
        .order_by("pk")
        .values_list("pk", "newest_discovery_id")
    )


def take_new(vcenter: VCenter, discovery_id: int) -> int:
    """Take those of the vCenter's VMs that policies take, and return how many; at most so many that
    the tick goes on soon. `discovery_id`: up to which discovery they were looked at."""
    wanted = list(to_be_taken(vcenter, in_order(scope_rows())))
    some = wanted[:AT_ONCE]
    by_policy: defaultdict[str, list[tuple[DiscoveredVM, Repository]]] = defaultdict(list)
    for vm, policy_name, repository in some:
        by_policy[policy_name].append((vm, repository))
    count = sum(_take(name, vms) for name, vms in by_policy.items())
    if len(some) == len(wanted) or not count:
        PolicyTaking.objects.update_or_create(
            vcenter=vcenter, defaults={"of_discovery_id": discovery_id}
        )
    return count


def to_be_taken(
    vcenter: VCenter, scopes: Sequence[ScopeRow]
) -> Iterator[tuple[DiscoveredVM, str, Repository]]:
    """Of the VMs that the last discovery saw, those that policies take: with which policy takes
    each, and the repository that it gets. Not those that would not be replicated as they are, that
    have something to be known first, or that somebody released."""
    takers = [scope for scope in scopes if scope.takes_new]
    if not takers:
        return
    only_one = repositories.default(Repository.objects.all())
    known = Repository.objects.in_bulk()
    free = selectors.takable_as_it_is(selectors.discovered_vms(vcenter))
    for vm in free.filter(notices=[], former_context_id__isnull=True):
        facts = VMFacts("", vm.vcenter_id, vm.vm_name or "", vm.vm_path or "")
        taker = next((scope for scope in takers if applies(scope, facts)), None)
        if taker is None:
            continue
        repository = known.get(resolve(facts, scopes).repository_id or 0, only_one)
        if repository is None:
            log.warning("policy %s takes no VM: it names no repository", taker.policy_name)
            return
        yield vm, taker.policy_name, repository


def _take(policy_name: str, vms: Sequence[tuple[DiscoveredVM, Repository]]) -> int:
    """Together, and one by one when any of them is refused."""
    try:
        return _take_together(policy_name, vms)
    except ContextError as problem:
        if len(vms) == 1:
            log.warning("policy %s does not take %s: %s", policy_name, vms[0][0], problem)
            return 0
    return sum(_take(policy_name, [each]) for each in vms)


@one_transaction
def _take_together(policy_name: str, vms: Sequence[tuple[DiscoveredVM, Repository]]) -> int:
    count = 0
    by_repository: defaultdict[Repository, list[DiscoveredVM]] = defaultdict(list)
    for vm, repository in vms:
        by_repository[repository].append(vm)
    for repository, some in by_repository.items():
        taken = taking.take(some, repository=repository, actor=f"policy {policy_name}")
        count += len(taken.new_ids)
        _tell(policy_name, taken)
    return count


def _tell(policy_name: str, taken: Taken) -> None:
    """What nobody asked for at that moment, somebody may want to hear of."""
    new = [context for context in taken.contexts if context.pk in taken.new_ids]
    if not new:
        return
    names = ", ".join(str(context) for context in new[:NAMED])
    more = f" and {len(new) - NAMED} more" if len(new) > NAMED else ""
    vms = plural(len(new), "VM")
    policy = Policy.objects.filter(name=policy_name).first()
    occurrences.tell(
        OccurrenceKind.TAKEN_BY_POLICY,
        taken.taking,
        what=f"Policy {policy_name} took {vms} of vCenter {new[0].vcenter} under management:"
        f" {names}{more}.",
        context_id=new[0].pk if len(new) == 1 else None,
        vcenter_id=new[0].vcenter_id,
        policy_id=policy.pk if policy else None,
    )
