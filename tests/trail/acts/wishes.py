"""What is wanted for VMs: groups, limits, pauses, places, policies."""

from __future__ import annotations

from typing import Any

from replication.models import BandwidthWindow
from replication.policies import services as policies
from replication.policies import taking
from replication.policies.services import Where
from replication.services import (
    bandwidth,
    groups,
    limits,
    moving,
    pauses,
)
from replication.states import PauseKind
from tests import factories
from tests.trail.acts.register import BY, TARGET, WINDOW, act


@act("groups.add", "add", "group")
def _(world: Any) -> object:
    return groups.add("shop", actor=BY)


@act("groups.rename", "change", "group")
def _(world: Any) -> None:
    groups.rename(factories.group("shop"), "store", actor=BY)


@act("groups.delete", "remove", "group")
def _(world: Any) -> None:
    groups.delete(factories.group("shop", factories.context()), actor=BY)


@act("groups.add_member", "change", "vm")
def _(world: Any) -> object:
    return groups.add_member(factories.group("shop"), factories.context(), actor=BY)


@act("groups.remove_member", "change", "vm")
def _(world: Any) -> None:
    groups.remove_member(factories.group("shop", factories.context()).members.get(), actor=BY)


def _of_two() -> Any:
    first = factories.context("a")
    return factories.group("shop", first, factories.context("b", at=first.vcenter))


@act("groups.move", "change", "group")
def _(world: Any) -> None:
    groups.move(_of_two().members.order_by("position")[0], 2, actor=BY)


@act("groups.set_order", "change", "group")
def _(world: Any) -> None:
    group = _of_two()
    keys = list(group.members.order_by("-position").values_list("vm_context", flat=True))
    groups.set_order(group, keys, actor=BY)


@act("limits.set_limit", "change", "limit")
def _(world: Any) -> None:
    limits.set_limit(("vcenter_jobs", str(factories.vcenter().pk)), 3, actor=BY)


@act("bandwidth.set_windows", "change", "bandwidth")
def _(world: Any) -> None:
    bandwidth.set_windows(factories.vcenter().pk, [WINDOW], actor=BY)


@act("bandwidth.add_window", "add", "bandwidth")
def _(world: Any) -> None:
    bandwidth.add_window(None, WINDOW, actor=BY)


@act("bandwidth.remove_window", "remove", "bandwidth")
def _(world: Any) -> None:
    bandwidth.add_window(None, WINDOW, actor="somebody else")
    bandwidth.remove_window(BandwidthWindow.objects.get(), actor=BY)


def _pause() -> Any:
    subject = pauses.Subject(PauseKind.VM, vm_context=factories.context())
    return pauses.pause(subject, until=None, reason="a move", actor=BY)


@act("pauses.pause", "pause", "pause")
def _(world: Any) -> object:
    return _pause()


@act("pauses.end", "resume", "pause")
def _(world: Any) -> None:
    pauses.end(_pause(), actor=BY)


@act("moving.move", "move", "vm")
def _(world: Any) -> object:
    return moving.move(factories.context(), factories.repository(), actor=BY)


@act("policies.services.add", "add", "policy")
def _(world: Any) -> object:
    return policies.add("Gold", TARGET, actor=BY)


@act("policies.services.change", "change", "policy")
def _(world: Any) -> object:
    return policies.change(policies.default_policy(), TARGET, name="Bronze", actor=BY)


@act("policies.services.remove", "remove", "policy")
def _(world: Any) -> None:
    policies.remove(policies.add("Gold", TARGET, actor=BY), actor=BY)


@act("policies.services.assign", "change", "policy")
def _(world: Any) -> object:
    gold = policies.add("Gold", TARGET, actor=BY)
    return policies.assign(gold, Where("name", pattern="db-*"), actor=BY)


@act("policies.services.unassign", "change", "policy")
def _(world: Any) -> object:
    gold = policies.add("Gold", TARGET, actor=BY)
    scope, _ = policies.assign(gold, Where("name", pattern="db-*"), actor=BY)
    return policies.unassign(scope, actor=BY)


@act("policies.services.give", "change", "vm")
def _(world: Any) -> None:
    policies.give(factories.context(), policies.add("Gold", TARGET, actor=BY), actor=BY)


@act("policies.services.set_own", "change", "vm")
def _(world: Any) -> None:
    policies.set_own(factories.context(), TARGET, actor=BY)


@act("policies.services.set_own_targets", "change", "vm")
def _(world: Any) -> object:
    vms = [factories.discovered_vm()]
    kept = factories.repository()
    return taking.take(vms, repository=kept, actor=BY, target_seconds=900)


@act("policies.taking.take", "take", "vm")
def _(world: Any) -> object:
    return taking.take([factories.discovered_vm()], repository=factories.repository(), actor=BY)
