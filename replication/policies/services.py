"""Changing policies and where they apply. Each change takes effect in the same transaction for as
many VMs as one request may act on; the tick settles the others."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db.models import F
from django.db.models.functions import Now

from contexts import trail
from contexts.errors import NotManaged
from contexts.models import VCenter, VMContext
from contexts.services import statuses
from contexts.services.management import MOST_AT_ONCE
from contexts.services.transactions import one_transaction
from contexts.text import plural
from contexts.trail import Kind, Verb
from replication.errors import PolicyInUse, PolicyRefused, ScopeRefused, ScopeTaken
from replication.models import (
    Installation,
    Policy,
    PolicyScope,
    PolicyTaking,
    PolicyWindow,
    VMSchedule,
)
from replication.models.installation import ONLY_ID
from replication.policies import telling
from replication.policies.checking import Wanted, Window, checked, merged
from replication.policies.settle import settle, stale, stale_count
from replication.policies.values import ALL_COLUMNS, GROUPS, UNSAID, Value, says
from replication.states import RPOKind, ScopeKind

log = logging.getLogger(__name__)

DEFAULT_NAME = "Default"
NAME_LENGTH = 100


class Outcome(NamedTuple):
    """For how many VMs something changed at once, and how many the tick is still to look at."""

    changed: int = 0
    left: int = 0


class Where(NamedTuple):
    """Where a policy is to apply. See PolicyScope."""

    kind: str
    vcenter: VCenter | None = None
    folder: str = ""
    pattern: str = ""
    vm_context: VMContext | None = None
    takes_new: bool = False


def wanted_of(policy: Policy) -> Wanted:
    """What it says."""
    values = {column: getattr(policy, column) for column in ALL_COLUMNS}
    windows = policy.windows.order_by("pk").values_list("days", "from_minute", "to_minute")
    return Wanted(values, tuple(Window(*window) for window in windows))


@one_transaction
def add(
    name: str, given: Mapping[str, Value], windows: Sequence[Window] = (), *, actor: str
) -> Policy:
    """A policy that applies nowhere yet. Raises PolicyRefused."""
    _lock_policies()
    wanted = checked(merged(Wanted(UNSAID), given, windows))
    policy = Policy(name=_free_name(name, None))
    _write(policy, wanted)
    log.info("%s added policy %r", actor, policy.name)
    trail.tell(Verb.ADD, _about(policy), actor=actor, new=_said(policy.name, wanted))
    return policy


@one_transaction
def change(
    policy: Policy,
    given: Mapping[str, Value],
    windows: Sequence[Window] | None = None,
    *,
    name: str | None = None,
    actor: str,
) -> Outcome:
    """What is not given stays as it is. Raises PolicyRefused."""
    _lock_policies()
    policy.refresh_from_db()
    former = _said(policy.name, wanted_of(policy))
    wanted = checked(merged(wanted_of(policy), given, windows))
    if name is not None and name != policy.name:
        policy.name = _free_name(name, policy)
    _write(policy, wanted)
    log.info("%s changed policy %r", actor, policy.name)
    old, new = trail.changes(former, _said(policy.name, wanted))
    trail.tell(Verb.CHANGE, _about(policy), actor=actor, old=old, new=new)
    return _took_effect(actor) if policy.scopes.exists() else Outcome()


@one_transaction
def remove(policy: Policy, *, actor: str) -> None:
    """Raises PolicyInUse while it applies anywhere."""
    _lock_policies()
    if policy.scopes.exists():
        raise PolicyInUse(
            f"Policy {policy.name} still applies to {plural(policy.scopes.count(), 'place')}."
            " Remove it there first, or give another policy to them."
        )
    log.info("%s removed policy %r", actor, policy.name)
    former = _said(policy.name, wanted_of(policy))
    trail.tell(Verb.REMOVE, _about(policy), actor=actor, old=former)
    policy.delete()


@one_transaction
def assign(policy: Policy, place: Where, *, actor: str) -> tuple[PolicyScope, Outcome]:
    """Let a policy apply somewhere. Raises ScopeRefused, ScopeTaken, NotManaged."""
    place = possible_place(place)
    if place.vm_context is not None:
        statuses.hold(place.vm_context.pk)
    _lock_policies()
    if not Policy.objects.filter(pk=policy.pk).exists():
        raise ScopeRefused(f"Policy {policy.name} was removed meanwhile.")
    there = PolicyScope.objects.filter(
        kind=place.kind,
        vcenter=place.vcenter,
        folder=place.folder,
        pattern=place.pattern,
        vm_context=place.vm_context,
    ).select_related("policy")
    if (taken := there.first()) is not None:
        raise ScopeTaken(
            f"Policy {taken.policy.name} applies there already. Remove it there first."
        )
    scope = PolicyScope.objects.create(policy=policy, created_by=actor, **place._asdict())
    if place.takes_new:
        PolicyTaking.objects.all().delete()  # what was seen already is looked at for it, too
    log.info("%s gave policy %r to scope %s (%s)", actor, policy.name, scope.pk, scope.kind)
    new = {"place": _place(scope), "takes_new": scope.takes_new}
    trail.tell(Verb.CHANGE, _about_scope(scope), actor=actor, new=_at(scope, new))
    if place.vm_context is not None:
        return scope, _of_one(place.vm_context.pk, actor)
    return scope, _took_effect(actor)


@one_transaction
def unassign(scope: PolicyScope, *, actor: str) -> Outcome:
    """Let a policy no longer apply somewhere. Raises ScopeRefused for the policy of all VMs."""
    if scope.kind == ScopeKind.INSTALLATION:
        raise ScopeRefused(
            f"{scope.policy} is for all VMs for which no other says anything: change its values"
            " instead."
        )
    if scope.vm_context_id is not None:
        statuses.hold(scope.vm_context_id)
    _lock_policies()
    log.info("%s took policy %r from %s", actor, scope.policy.name, scope.kind)
    old = {"place": _place(scope), "takes_new": scope.takes_new}
    trail.tell(Verb.CHANGE, _about_scope(scope), actor=actor, old=_at(scope, old))
    context_id = scope.vm_context_id
    scope.delete()
    return _took_effect(actor) if context_id is None else _of_one(context_id, actor)


@one_transaction
def set_own(
    context: VMContext,
    given: Mapping[str, Value],
    windows: Sequence[Window] | None = None,
    *,
    actor: str,
) -> None:
    """What is wanted for this VM alone; an unsaid value is left to the policies again. What is not
    given stays as it is. Raises PolicyRefused, NotManaged."""
    context = statuses.lock(context.pk)
    if not context.is_managed:
        raise NotManaged(f"{context} is not under management. Take it under management first.")
    if "repository_id" in given:
        raise PolicyRefused({"repository_id": f"{context} has a repository; it is not a wish."})
    own = Policy.objects.filter(vm_context=context).first()
    former = wanted_of(own) if own else Wanted(UNSAID)
    wanted = checked(merged(former, given, windows))
    if any(says(group, wanted.values) for group in GROUPS):
        _write(own or Policy(vm_context=context), wanted)
        own = Policy.objects.get(vm_context=context)
        PolicyScope.objects.get_or_create(
            kind=ScopeKind.OWN, vm_context=context, policy=own, defaults={"created_by": actor}
        )
    elif own is not None:
        own.delete()
    old, new = trail.changes(_said("", former), _said("", wanted))
    if new:
        told = {"own_policy": _in_words(old)}, {"own_policy": _in_words(new)}
        trail.tell(Verb.CHANGE, trail.vm(context), actor=actor, old=told[0], new=told[1])
    # Its hours may have changed, which are not among what is in effect.
    VMSchedule.objects.filter(pk=context.pk).delete()
    settle([context.pk], actor=actor)


def own_values(context: VMContext) -> Wanted:
    """What is wanted for this VM alone."""
    own = Policy.objects.filter(vm_context=context).first()
    return wanted_of(own) if own else Wanted(UNSAID)


@one_transaction
def give(context: VMContext, policy: Policy | None, *, actor: str) -> None:
    """Let this policy apply to the VM instead of the one that it was given; None: none. Raises
    NotManaged."""
    statuses.hold(context.pk)
    given = PolicyScope.objects.filter(kind=ScopeKind.VM, vm_context=context).first()
    if given is not None and policy is not None and given.policy_id == policy.pk:
        return
    if given is not None:
        unassign(given, actor=actor)
    if policy is not None:
        assign(policy, Where(ScopeKind.VM, vm_context=context), actor=actor)


def _about(policy: Policy) -> trail.Subject:
    return trail.subject(Kind.POLICY, policy.pk, policy.name or "")


def _said(name: str | None, wanted: Wanted) -> dict[str, object]:
    """What a policy says, with its hours."""
    return {
        "name": name,
        **wanted.values,
        "windows": [f"{w.days} {w.from_minute} {w.to_minute}" for w in wanted.windows],
    }


def _in_words(values: Mapping[str, object]) -> list[str]:
    return [f"{name}: {value}" for name, value in values.items()]


def _about_scope(scope: PolicyScope) -> trail.Subject:
    """A VM's policy is the VM's event."""
    return trail.vm(scope.vm_context) if scope.vm_context else _about(scope.policy)


def _at(scope: PolicyScope, told: dict[str, object]) -> dict[str, object]:
    return {"policy": scope.policy.name} if scope.vm_context else told


def _place(scope: PolicyScope) -> str:
    return telling.place(scope.kind, str(scope.vcenter), scope.folder, scope.pattern, "")


def target(seconds: int | None) -> dict[str, Value]:
    """What to give for a target of so many seconds; None: none of its own."""
    if seconds is None:
        return {"rpo_kind": ""}
    return {"rpo_kind": RPOKind.TARGET, "rpo_target_seconds": seconds}


@one_transaction
def set_own_targets(context_ids: Iterable[str], seconds: int, *, actor: str) -> None:
    """The same target as their own for many (locked) VMs. The caller settles them. A constant
    number of statements. Raises PolicyRefused."""
    wanted = checked(merged(Wanted(UNSAID), target(seconds), ()))
    columns = {column: wanted.values[column] for column in GROUPS["when"]}
    keys = set(context_ids)
    known = Policy.objects.filter(vm_context__in=keys)
    PolicyWindow.objects.filter(policy__in=known).delete()
    known.update(**columns, updated_at=Now())
    fresh = keys.difference(known.values_list("vm_context", flat=True))
    Policy.objects.bulk_create(Policy(vm_context_id=key, **columns) for key in sorted(fresh))
    PolicyScope.objects.bulk_create(
        PolicyScope(
            kind=ScopeKind.OWN, policy=own, vm_context_id=own.vm_context_id, created_by=actor
        )
        for own in Policy.objects.filter(vm_context__in=fresh)
    )
    for context in VMContext.objects.filter(pk__in=keys).order_by("pk"):
        trail.tell(Verb.CHANGE, trail.vm(context), actor=actor, new={"rpo_target_seconds": seconds})


def default_policy() -> Policy:
    """That of all VMs for which no nearer one says anything. Made if somebody deleted its row."""
    scope = PolicyScope.objects.filter(kind=ScopeKind.INSTALLATION).first()
    if scope is not None:
        return scope.policy
    policy = Policy.objects.filter(name=DEFAULT_NAME).first() or Policy.objects.create(
        name=DEFAULT_NAME,
        rpo_kind=RPOKind.NONE,
        retention_kind="all",
        quiesce="when_possible",
        priority="normal",
    )
    PolicyScope.objects.create(kind=ScopeKind.INSTALLATION, policy=policy, created_by="vmrep")
    return policy


def _write(policy: Policy, wanted: Wanted) -> None:
    for column in ALL_COLUMNS:
        setattr(policy, column, wanted.values[column])
    policy.save()
    old = PolicyWindow.objects.filter(policy=policy)
    if list(old.order_by("pk").values_list("days", "from_minute", "to_minute")) != list(
        wanted.windows
    ):
        old.delete()
        PolicyWindow.objects.bulk_create(
            PolicyWindow(policy=policy, **window._asdict()) for window in wanted.windows
        )


def _free_name(name: str, policy: Policy | None) -> str:
    name = name.strip()
    others = Policy.objects.exclude(pk=policy.pk) if policy else Policy.objects.all()
    if not name or len(name) > NAME_LENGTH:
        raise PolicyRefused({"name": f"A policy needs a name of at most {NAME_LENGTH} characters."})
    if others.filter(name=name).exists():
        raise PolicyRefused({"name": "Another policy already has this name."})
    return name


def possible_place(place: Where) -> Where:
    """The place without what its kind has no use for. Raises ScopeRefused, NotManaged."""
    empty = Where(place.kind)
    match place.kind:
        case ScopeKind.VCENTER if place.vcenter:
            return empty._replace(vcenter=place.vcenter, takes_new=place.takes_new)
        case ScopeKind.FOLDER if place.vcenter and place.folder.strip("/"):
            folder = "/" + place.folder.strip("/")
            return place._replace(folder=folder, pattern="", vm_context=None)
        case ScopeKind.NAME if place.pattern.strip():
            return empty._replace(pattern=place.pattern.strip(), takes_new=place.takes_new)
        case ScopeKind.VM if place.vm_context and place.vm_context.is_managed:
            return empty._replace(vm_context=place.vm_context)
        case ScopeKind.VM if place.vm_context:
            raise NotManaged(
                f"{place.vm_context} is not under management. Take it under management first."
            )
    raise ScopeRefused("Say where: a vCenter, a folder of a vCenter, a pattern of names, or a VM.")


def _lock_policies() -> None:
    """One change of policies after another: what is in effect follows from all of them. Pages see
    by this row that there was one."""
    Installation.objects.get_or_create(pk=ONLY_ID)
    Installation.objects.filter(pk=ONLY_ID).update(updated_at=Now())


def _took_effect(actor: str) -> Outcome:
    """Of a change that may reach any VM: settle what it made out of date."""
    Installation.objects.filter(pk=ONLY_ID).update(generation=F("generation") + 1)
    changed = settle(stale(MOST_AT_ONCE), actor=actor)
    return Outcome(changed, stale_count())


def _of_one(context_id: str, actor: str) -> Outcome:
    """Of a change that reaches one VM, which is locked: nothing else gets out of date."""
    return Outcome(settle([context_id], actor=actor))
