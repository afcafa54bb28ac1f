"""What is in effect for a VM, and where each value comes from, for pages and API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from contexts.models import VMContext
from replication.hours import span_in_words
from replication.models import EffectivePolicy, Policy, PolicyScope, PolicyWindow
from replication.policies import telling
from replication.policies.values import COLUMNS, GROUPS, TITLES, WITHOUT_ANY, Value
from replication.states import ScopeKind


class Told(NamedTuple):
    """A group of values in words. `policy` and `place` are where it comes from: both None and empty
    when no policy says it; `is_own`: the VM's own values do. `hours`: when it may start."""

    group: str
    title: str
    words: str
    policy: Policy | None
    place: str
    is_own: bool
    hours: tuple[str, ...] = ()


class InEffect(NamedTuple):
    values: Mapping[str, Value]
    told: tuple[Told, ...]


def in_effect(context: VMContext) -> InEffect | None:
    """None: the tick has not looked at the VM yet, or it is not managed. Three queries."""
    row = EffectivePolicy.objects.filter(pk=context.pk).first()
    if row is None or not context.is_managed:
        return None
    sources = {group: getattr(row, f"{group}_from_id") for group in GROUPS}
    scopes = (
        PolicyScope.objects.select_related("policy", "vcenter", "vm_context")
        .filter(pk__in=[source for source in sources.values() if source is not None])
        .in_bulk()
    )
    values = {column: getattr(row, column) for column in COLUMNS}
    when = scopes.get(sources["when"])
    hours = hours_of(when.policy) if when else ()
    return InEffect(
        values,
        tuple(
            _told(group, values, scopes.get(source), hours if group == "when" else ())
            for group, source in sources.items()
        ),
    )


def _told(
    group: str, values: Mapping[str, Value], scope: PolicyScope | None, hours: tuple[str, ...]
) -> Told:
    is_own = scope is not None and scope.kind == ScopeKind.OWN
    return Told(
        group,
        TITLES[group],
        telling.group(group, values),
        scope.policy if scope and not is_own else None,
        place_of(scope) if scope and not is_own else "",
        is_own,
        hours,
    )


def place_of(scope: PolicyScope) -> str:
    """Where a scope is, in words; vCenter and VM are read with it."""
    return telling.place(
        scope.kind,
        scope.vcenter.name if scope.vcenter else "",
        scope.folder,
        scope.pattern,
        str(scope.vm_context) if scope.vm_context else "",
    )


def hours_of(policy: Policy) -> tuple[str, ...]:
    """When its replications may start: “Mon to Fri 22:00 to 06:00”; empty: always."""
    return tuple(map(hours_in_words, policy.windows.all()))


def hours_in_words(window: PolicyWindow) -> str:
    return span_in_words(window.days, window.from_minute, window.to_minute)


def given_policy_id(context: VMContext) -> int | None:
    """The policy that was given to this VM alone."""
    given = PolicyScope.objects.filter(kind=ScopeKind.VM, vm_context=context)
    return given.values_list("policy", flat=True).first()


class Target(NamedTuple):
    """Where a VM's target comes from, in a few words (empty: nobody said anything)."""

    source: str
    is_own: bool

    def seen(self, context: VMContext) -> str:
        """What somebody has seen who sees it: another text when it is another target."""
        return f"{context.rpo_target_seconds or ''} {self.source}".strip()


def target_of(context: VMContext) -> Target:
    found = EffectivePolicy.objects.filter(pk=context.pk, when_from__isnull=False)
    for kind, name in found.values_list("when_from__kind", "when_from__policy__name"):
        is_own = kind == ScopeKind.OWN
        return Target("its own" if is_own else f"from policy {name}", is_own)
    return Target("", False)


def wish_to_quiesce(context: VMContext) -> str:
    """Whether the VM's snapshots are to be quiesced: one of QuiesceWish."""
    found = EffectivePolicy.objects.filter(pk=context.pk).values_list("quiesce", flat=True).first()
    return found or str(WITHOUT_ANY["quiesce"])
