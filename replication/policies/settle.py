"""What is in effect for each VM follows from the policies: made again where it is out of date.

Nobody has to remember to call it: what is out of date is found by one statement, whether a policy
changed, a VM was renamed or moved to another folder, or its row is missing. The tick settles what
services did not settle themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import BigIntegerField, Case, F, Q, QuerySet, TextField, When
from django.db.models import Value as Constant
from django.db.models.functions import Cast, Coalesce, Now

from contexts.models import ContextEvent, VMContext
from contexts.services import events
from contexts.services.transactions import lock_free, one_transaction
from replication.models import EffectivePolicy, Installation, PolicyScope, VMSchedule
from replication.policies import telling
from replication.policies.resolve import Resolved, in_order, resolve
from replication.policies.values import ALL_COLUMNS, COLUMNS, GROUPS, ScopeRow, Value, VMFacts

AT_ONCE = 500
AT_ONCE_ON_SQLITE = 100  # it has one lock for all who write
BY_ITSELF = "vmrep"


def tick() -> None:
    """A part of the tick: some of the VMs whose rows are out of date."""
    settle(stale(AT_ONCE_ON_SQLITE if connection.vendor == "sqlite" else AT_ONCE))


def generation() -> int:
    return Installation.objects.values_list("generation", flat=True).first() or 0


def stale(limit: int) -> list[str]:
    """The managed VMs whose rows are missing or out of date. One statement."""
    return list(_stale().order_by("pk").values_list("pk", flat=True)[:limit])


def stale_count() -> int:
    """How many VMs the ticks to come will settle."""
    return _stale().count()


def _stale() -> QuerySet[VMContext]:
    fresh = Q(
        effective_policy__of_generation=generation(),
        effective_policy__of_name=_text("vm_name"),
        effective_policy__of_path=_text("vm_path"),
    )
    return VMContext.objects.filter(unmanaged_at__isnull=True).exclude(fresh)


def _text(column: str) -> Coalesce:
    return Coalesce(column, Constant(""), output_field=TextField())


@one_transaction
def settle(context_ids: Iterable[str], *, actor: str = BY_ITSELF) -> int:
    """Make what is in effect for these VMs again, and return for how many it changed. The number
    of statements does not depend on theirs. VMs that another transaction holds stay as they are,
    for the next tick; those that are not managed are left out."""
    wanted = VMContext.objects.filter(pk__in=list(context_ids), unmanaged_at__isnull=True)
    contexts = list(_read(VMContext.objects.filter(pk__in=lock_free(wanted))))
    if not contexts:
        return 0
    # Read before the policies: what changes in between leaves the rows out of date, never wrong.
    now = generation()
    keys = [context.pk for context in contexts]
    scopes = in_order(scope_rows(keys))
    before = EffectivePolicy.objects.in_bulk(keys)
    after = [
        _Settled(context, before.get(context.pk), found)
        for context, found in zip(
            contexts, resolve_all(map(facts_of, contexts), scopes), strict=True
        )
    ]
    changed = [it for it in after if it.differs]
    _write_rows(now, [it for it in after if it.differs or it.is_stamped_otherwise])
    EffectivePolicy.objects.filter(pk__in=keys).exclude(of_generation=now).update(of_generation=now)
    if changed:
        _write_contexts(changed)
        _record(changed, {scope.id: scope for scope in scopes}, actor)
    return len(changed)


def resolve_all(vms: Iterable[VMFacts], scopes: Sequence[ScopeRow]) -> Iterator[Resolved]:
    """What holds for each of the VMs; `scopes` are in order, those of single VMs among them."""
    for_many = [scope for scope in scopes if scope.context_id is None]
    of_one: defaultdict[str, list[ScopeRow]] = defaultdict(list)
    for scope in scopes:
        if scope.context_id is not None:
            of_one[scope.context_id].append(scope)
    for vm in vms:
        yield resolve(vm, of_one[vm.context_id] + for_many if vm.context_id in of_one else for_many)


def _read(contexts: QuerySet[VMContext]) -> QuerySet[VMContext]:
    columns = ("vcenter_id", "vm_name", "vm_path", "repository_id", "rpo_target_seconds")
    return contexts.order_by("pk").only(*columns, "current_status")


def facts_of(context: VMContext) -> VMFacts:
    return VMFacts(context.pk, context.vcenter_id, context.vm_name or "", context.vm_path or "")


def scope_rows(context_ids: Sequence[str] | None = None) -> list[ScopeRow]:
    """All scopes; with `context_ids`, of those of single VMs only theirs. One statement."""
    scopes = PolicyScope.objects.order_by("pk")
    if context_ids is not None:
        scopes = scopes.filter(Q(vm_context__isnull=True) | Q(vm_context__in=context_ids))
    columns = ("pk", "kind", "vcenter_id", "folder", "pattern", "vm_context_id", "policy_id")
    said = [f"policy__{column}" for column in ALL_COLUMNS]
    return [
        ScopeRow(
            row["pk"],
            row["kind"],
            row["vcenter_id"],
            row["folder"],
            row["pattern"],
            row["vm_context_id"],
            row["policy_id"],
            row["policy__name"] or "",
            {column: row[f"policy__{column}"] for column in ALL_COLUMNS},
            row["takes_new"],
        )
        for row in scopes.values(*columns, "takes_new", "policy__name", *said)
    ]


class _Settled(NamedTuple):
    """A VM, what was in effect for it, and what is to be."""

    context: VMContext
    before: EffectivePolicy | None
    found: Resolved

    @property
    def differs(self) -> bool:
        row, found = self.before, self.found
        if row is None or self.context.rpo_target_seconds != found.values["rpo_target_seconds"]:
            return True
        if self.gets_a_repository:
            return True
        sources = {group: getattr(row, f"{group}_from_id") for group in GROUPS}
        return (
            sources != found.sources
            or row.policy_id != found.policy_id
            or any(getattr(row, column) != found.values[column] for column in COLUMNS)
        )

    @property
    def is_stamped_otherwise(self) -> bool:
        facts = facts_of(self.context)
        return self.before is None or (self.before.of_name, self.before.of_path) != (
            facts.name,
            facts.path,
        )

    @property
    def gets_a_repository(self) -> bool:
        return self.context.repository_id is None and self.found.repository_id is not None


def _write_rows(now: int, settled: Sequence[_Settled]) -> None:
    columns = [field.name for field in EffectivePolicy._meta.concrete_fields]
    columns.remove("vm_context")
    EffectivePolicy.objects.bulk_create(
        (_row(now, it) for it in settled),
        update_conflicts=True,
        unique_fields=["vm_context"],
        update_fields=columns,
    )
    # When it is due follows from what is in effect: worked out anew.
    VMSchedule.objects.filter(pk__in=[it.context.pk for it in settled]).delete()


def _row(now: int, settled: _Settled) -> EffectivePolicy:
    facts, found = facts_of(settled.context), settled.found
    sources = {f"{group}_from_id": source for group, source in found.sources.items()}
    columns: dict[str, Any] = {**found.values, **sources}
    return EffectivePolicy(
        vm_context_id=facts.context_id,
        policy_id=found.policy_id,
        of_generation=now,
        of_name=facts.name,
        of_path=facts.path,
        updated_at=Now(),
        **columns,
    )


def _write_contexts(settled: Sequence[_Settled]) -> None:
    """Their targets, which protection reads from them; and pages watch `updated_at`."""
    targets: defaultdict[Value, list[str]] = defaultdict(list)
    repositories: defaultdict[Value, list[str]] = defaultdict(list)
    for it in settled:
        targets[it.found.values["rpo_target_seconds"]].append(it.context.pk)
        if it.gets_a_repository:
            repositories[it.found.repository_id].append(it.context.pk)
    columns: dict[str, Any] = {"rpo_target_seconds": _by_key(targets, None)}
    if repositories:
        columns["repository_id"] = _by_key(repositories, F("repository_id"))
    VMContext.objects.filter(pk__in=[it.context.pk for it in settled]).update(
        **columns, updated_at=Now()
    )


def _by_key(keys: Mapping[Value, list[str]], otherwise: F | None) -> Cast:
    """For each key its value: one statement, however many values there are."""
    whens = [When(pk__in=some, then=Constant(value)) for value, some in keys.items()]
    # Of nulls alone PostgreSQL would not know the type.
    whole = BigIntegerField()
    return Cast(Case(*whens, default=otherwise, output_field=whole), output_field=whole)


def _record(settled: Sequence[_Settled], scopes: Mapping[int, ScopeRow], actor: str) -> None:
    """An event for each VM for which another value is in effect."""
    told = [(it, telling.change(it.context, it.before, it.found, scopes)) for it in settled]
    events.record(
        [
            ContextEvent(
                vm_context_id=it.context.pk,
                old=it.context.current_status,
                new=it.context.current_status,
                why=why,
                actor=actor,
            )
            for it, why in told
            if why
        ]
    )
