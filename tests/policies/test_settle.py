"""What is out of date is found by itself, and made again in a constant number of statements."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contexts.models import VMContext
from replication.models import EffectivePolicy, Installation
from replication.policies import services
from replication.policies.services import Where
from replication.policies.settle import settle, stale, tick
from tests import factories

pytestmark = pytest.mark.django_db
TARGET = {"rpo_kind": "target", "rpo_target_seconds": 900}


def in_effect(vm: VMContext) -> EffectivePolicy:
    return EffectivePolicy.objects.get(pk=vm.pk)


@pytest.fixture
def vm() -> VMContext:
    return factories.context("db-01", vm_path="/Bonn/vm/Prod/db-01")


@pytest.fixture
def gold(vm):
    policy = services.add("Gold", TARGET, actor="ops")
    services.assign(policy, Where("folder", vm.vcenter, "/Bonn/vm/Prod"), actor="ops")
    return policy


def test_a_new_vm_is_settled_by_the_next_tick_and_then_left_alone(vm):
    assert stale(10) == [vm.pk]
    tick()
    assert stale(10) == []
    row = in_effect(vm)
    assert (row.rpo_kind, row.retention_kind, row.quiesce) == ("none", "all", "when_possible")
    at = row.updated_at
    VMContext.objects.filter(pk=vm.pk).update(power_state="poweredOff")
    tick()
    assert in_effect(vm).updated_at == at


@pytest.mark.parametrize(
    ("change", "target"),
    [
        ({"vm_path": "/Bonn/vm/Test/db-01"}, None),
        ({"vm_path": None}, None),
        ({"vm_path": "/Bonn/vm/Prod/Sub/db-01"}, 900),
        ({"vm_name": "renamed"}, 900),
        ({"vm_name": None}, 900),
    ],
)
def test_a_vm_that_is_renamed_or_moved_is_found(vm, gold, change, target):
    tick()
    assert stale(10) == []
    VMContext.objects.filter(pk=vm.pk).update(**change)
    assert stale(10) == [vm.pk]
    tick()
    vm.refresh_from_db()
    assert vm.rpo_target_seconds == in_effect(vm).rpo_target_seconds == target
    assert stale(10) == []


def test_a_row_that_was_deleted_is_made_again(vm, gold):
    EffectivePolicy.objects.all().delete()
    tick()
    assert in_effect(vm).policy == gold


def test_a_target_that_somebody_wrote_by_hand_is_put_right_with_the_next_change(vm, gold):
    VMContext.objects.update(rpo_target_seconds=7)
    assert settle([vm.pk]) == 1
    vm.refresh_from_db()
    assert vm.rpo_target_seconds == 900


def test_a_vm_that_is_not_managed_is_left_out_until_it_is_again(vm, gold):
    VMContext.objects.update(unmanaged_at="2026-01-01T00:00:00Z")
    Installation.objects.update(generation=77)
    assert stale(10) == []
    assert settle([vm.pk]) == 0
    VMContext.objects.update(unmanaged_at=None)
    assert stale(10) == [vm.pk]


def test_what_changed_is_told_to_pages_and_in_the_history_and_nothing_else_is(vm, gold):
    def told() -> list[tuple[str, str]]:
        return list(vm.events.order_by("id").values_list("why", "actor"))[1:]

    from_gold = "Replicated: within 15 m, from policy Gold"
    assert told() == [(f"{from_gold} (before: no target)", "ops")]
    before = VMContext.objects.get().updated_at
    services.change(gold, {"priority": "normal"}, actor="ops")
    assert len(told()) == 1
    services.change(gold, {**TARGET, "rpo_target_seconds": 3600, "quiesce": "never"}, actor="eve")
    assert told()[1:] == [
        (
            "Replicated: within 1 h, from policy Gold (before: within 15 m);"
            " Quiescing: never, from policy Gold (before: when possible)",
            "eve",
        )
    ]
    assert VMContext.objects.get().updated_at > before


def test_it_takes_as_many_statements_for_many_as_for_one(gold):
    vcenter = gold.scopes.get().vcenter

    def count(names: list[str]) -> int:
        many = factories.contexts(names, at=vcenter, vm_path="/Bonn/vm/Prod/x")
        with CaptureQueriesContext(connection) as captured:
            assert settle([each.pk for each in many]) == len(many)
        return len(captured)

    assert count(["one"]) == count([f"vm-{number}" for number in range(30)])


def test_the_tick_settles_all_of_them_a_part_at_a_time(monkeypatch):
    monkeypatch.setattr("replication.policies.settle.AT_ONCE", 2)
    monkeypatch.setattr("replication.policies.settle.AT_ONCE_ON_SQLITE", 2)
    factories.contexts(["a", "b", "c", "d", "e"])
    left = []
    for _ in range(3):
        tick()
        left.append(len(stale(10)))
    assert left == [3, 1, 0]


def test_a_vm_without_a_repository_gets_that_of_its_policy_and_keeps_it(vm, gold):
    first, second = factories.repository("first"), factories.repository("second")
    services.change(gold, {"repository_id": second.pk}, actor="ops")
    kept = vm.repository
    VMContext.objects.filter(pk=vm.pk).update(repository=None)
    settle([vm.pk])
    vm.refresh_from_db()
    assert vm.repository == second != kept
    services.change(gold, {"repository_id": first.pk}, actor="ops")
    vm.refresh_from_db()
    assert vm.repository == second
