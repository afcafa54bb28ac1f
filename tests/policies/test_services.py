"""Changing policies: what is refused, and what takes effect at once."""

from __future__ import annotations

import pytest
from django.utils import timezone

from contexts.errors import NotManaged, TargetRefused
from contexts.models import VMContext
from replication.errors import PolicyInUse, PolicyRefused, ScopeRefused, ScopeTaken
from replication.models import EffectivePolicy, Policy, PolicyScope, PolicyWindow
from replication.policies import services, taking
from replication.policies.checking import Window
from replication.policies.services import Where
from tests import factories

pytestmark = pytest.mark.django_db
TARGET = {"rpo_kind": "target", "rpo_target_seconds": 900}
NIGHTS = [Window(31, 22 * 60, 6 * 60)]


@pytest.fixture
def vm() -> VMContext:
    return factories.context("db-01")


def target(vm: VMContext) -> int | None:
    vm.refresh_from_db()
    return vm.rpo_target_seconds


def test_there_is_a_policy_for_all_vms_and_its_target_is_the_default(vm):
    default = services.default_policy()
    assert (default.name, default.rpo_kind, target(vm)) == ("Default", "none", None)
    assert services.change(default, TARGET, actor="ops") == (1, 0)
    assert target(vm) == 900
    with pytest.raises(PolicyInUse):
        services.remove(default, actor="ops")
    with pytest.raises(ScopeRefused, match="change its values"):
        services.unassign(PolicyScope.objects.get(), actor="ops")


def test_one_vm_s_own_target_outranks_the_policies_until_it_is_taken_away(vm):
    services.change(services.default_policy(), TARGET, actor="ops")
    services.set_own(vm, services.target(3600), actor="ops")
    assert target(vm) == 3600
    services.set_own(vm, {"quiesce": "never"}, actor="ops")
    assert target(vm) == 3600
    services.set_own(vm, services.target(None), actor="ops")
    assert target(vm) == 900
    assert EffectivePolicy.objects.get().quiesce == "never"
    services.set_own(vm, {"quiesce": ""}, actor="ops")
    assert not Policy.objects.filter(vm_context=vm).exists()
    whys = list(vm.events.order_by("id").values_list("why", flat=True))[2:]
    assert [why.partition(" (before")[0] for why in whys] == [
        "Replicated: within 1 h, the VM's own",
        "Quiescing: never, the VM's own",
        "Replicated: within 15 m, from policy Default",
        "Quiescing: when possible, no policy says it"
        if not services.default_policy().quiesce
        else "Quiescing: when possible, from policy Default",
    ]


def test_the_same_again_is_no_event(vm):
    for _ in range(2):
        services.set_own(vm, services.target(900), actor="ops")
    assert vm.events.count() == 2


def test_a_policy_takes_effect_where_it_is_given_and_no_longer_where_it_is_taken(vm):
    other = factories.context("web-01")
    gold = services.add("Gold", TARGET, actor="ops")
    for place in (
        Where("vcenter", vm.vcenter),
        Where("name", pattern="DB-*"),
        Where("vm", vm_context=vm),
    ):
        scope, outcome = services.assign(gold, place, actor="ops")
        assert outcome.left == 0
        assert (target(vm), target(other)) == (900, None)
        with pytest.raises(ScopeTaken, match="Gold applies there already"):
            services.assign(gold, place, actor="ops")
        services.unassign(scope, actor="ops")
        assert target(vm) is None
    services.remove(gold, actor="ops")


def test_a_change_of_a_policy_of_single_vms_reaches_them(vm):
    gold = services.add("Gold", TARGET, actor="ops")
    services.assign(gold, Where("vm", vm_context=vm), actor="ops")
    services.change(gold, {"rpo_target_seconds": 1800}, actor="ops")
    assert target(vm) == 1800


def test_what_one_request_cannot_settle_is_left_to_the_tick(vm, monkeypatch):
    factories.contexts(["a", "b"])
    monkeypatch.setattr("replication.policies.services.MOST_AT_ONCE", 1)
    assert services.change(services.default_policy(), TARGET, actor="ops") == (1, 2)


def test_a_calendar_has_the_target_that_follows_from_it(vm):
    wanted = {"rpo_kind": "calendar", "cron": " 0  3 * * * ", "time_zone": "Europe/Berlin"}
    policy = services.add("Nights", wanted, NIGHTS, actor="ops")
    services.assign(policy, Where("vm", vm_context=vm), actor="ops")
    assert (policy.cron, policy.latest_start_minutes) == ("0 3 * * *", 60)
    assert target(vm) == (25 + 1) * 3600, "the longest night, and how late it may be"
    services.change(policy, {"cron": "0 * * * *"}, actor="ops")
    assert target(vm) == 2 * 3600
    assert policy.windows.count() == 1
    services.change(policy, {"rpo_kind": "none"}, actor="ops")
    assert (target(vm), policy.windows.count()) == (None, 0)


def test_hours_are_replaced_as_a_whole(vm):
    policy = services.add("Gold", TARGET, NIGHTS, actor="ops")
    services.change(policy, {}, [Window(96, 0, 1440)], actor="ops")
    assert list(PolicyWindow.objects.values_list("days", "from_minute", "to_minute")) == [
        (96, 0, 1440)
    ]
    services.change(policy, {"priority": "high"}, actor="ops")
    assert policy.windows.count() == 1


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("given", "windows", "fields"),
    [
        ({"rpo_kind": "sometimes"}, (), {"rpo_kind"}),
        ({"rpo_kind": "target"}, (), {"rpo_target_seconds"}),
        ({"rpo_kind": "target", "rpo_target_seconds": 59}, (), {"rpo_target_seconds"}),
        ({"rpo_target_seconds": 900}, (), {"rpo_target_seconds"}),
        ({**TARGET, "cron": "0 0 * * *"}, (), {"cron"}),
        ({**TARGET, "time_zone": "Nowhere"}, (), {"time_zone"}),
        ({"rpo_kind": "calendar"}, (), {"cron"}),
        ({"rpo_kind": "calendar", "cron": "x"}, (), {"cron"}),
        ({"rpo_kind": "calendar", "cron": "0 0 29 2 *"}, (), {"cron"}),
        (
            {"rpo_kind": "calendar", "cron": "0 0 * * *", "rpo_target_seconds": 900},
            (),
            {"rpo_target_seconds"},
        ),
        (
            {"rpo_kind": "calendar", "cron": "0 0 * * *", "latest_start_minutes": 0},
            (),
            {"latest_start_minutes"},
        ),
        ({}, NIGHTS, {"windows"}),
        (TARGET, [Window(0, 0, 60)], {"windows"}),
        (TARGET, [Window(1, 60, 60)], {"windows"}),
        (TARGET, [Window(1, 0, 1441)], {"windows"}),
        (TARGET, NIGHTS * 51, {"windows"}),
        ({"retention_kind": "rules"}, (), {"retention_kind"}),
        ({"retention_kind": "rules", "keep_last": 0}, (), {"retention_kind"}),
        ({"keep_last": 3}, (), {"keep_last"}),
        ({"retention_kind": "all", "keep_daily": 3}, (), {"keep_daily"}),
        ({"most_running": -1, "priority": "x"}, (), {"most_running", "priority"}),
        ({"compare_every_days": 40_000}, (), {"compare_every_days"}),
    ],
)
def test_what_no_policy_can_say_is_refused_by_field(vm, given, windows, fields):
    before = Policy.objects.count()
    for save in (
        lambda: services.add("New", given, windows, actor="ops"),
        lambda: services.set_own(vm, given, windows, actor="ops"),
    ):
        with pytest.raises(PolicyRefused) as caught:
            save()
        assert set(caught.value.errors) == fields
    assert Policy.objects.count() == before


@pytest.mark.parametrize("name", ["", "  ", "Default", "x" * 101])
def test_a_policy_has_a_name_of_its_own(name):
    for save in (
        lambda: services.add(name, {}, actor="ops"),
        lambda: services.change(Policy.objects.create(name="Gold"), {}, name=name, actor="ops"),
    ):
        with pytest.raises(PolicyRefused) as caught:
            save()
        assert set(caught.value.errors) == {"name"}


def test_a_place_that_says_nothing_or_that_is_not_there_is_refused(vm):
    gold = services.add("Gold", TARGET, actor="ops")
    for place in (
        *(Where("vcenter"), Where("folder", vm.vcenter), Where("folder", vm.vcenter, "///")),
        *(Where("folder", folder="/x"), Where("name"), Where("name", pattern=" "), Where("vm")),
        *(Where("own", vm_context=vm), Where("installation"), Where("x")),
    ):
        with pytest.raises(ScopeRefused):
            services.assign(gold, place, actor="ops")
    VMContext.objects.update(unmanaged_at=timezone.now())
    vm.refresh_from_db()
    with pytest.raises(NotManaged):
        services.assign(gold, Where("vm", vm_context=vm), actor="ops")
    with pytest.raises(NotManaged):
        services.set_own(vm, TARGET, actor="ops")


def test_vms_are_taken_with_a_target_of_their_own_or_what_the_policies_say():
    services.change(services.default_policy(), TARGET, actor="ops")
    keep_in = factories.repository()
    first, second = factories.discovered_vms(["a", "b"])
    (a,) = taking.take([first], repository=keep_in, actor="ops", target_seconds=3600).contexts
    taken = taking.take([first, second], repository=keep_in, actor="ops", target_seconds=7200)
    assert [vm.rpo_target_seconds for vm in taken.contexts] == [3600, 7200]
    (c,) = taking.take([factories.discovered_vm("c")], repository=keep_in, actor="ops").contexts
    assert (target(a), c.rpo_target_seconds) == (3600, 900)
    with pytest.raises(TargetRefused):
        taking.take([factories.discovered_vm("d")], repository=keep_in, actor="x", target_seconds=9)


def test_a_vm_that_is_taken_again_has_its_own_values_again(vm):
    from contexts.models import DiscoveredVM
    from contexts.services import management

    services.set_own(vm, services.target(3600), actor="ops")
    for seconds, then in ((None, 3600), (1800, 1800)):
        vm = management.release(vm, actor="ops")
        seen = DiscoveredVM.objects.get(vmware_vm_id=vm.vmware_vm_id)
        (vm,) = taking.take([seen], repository=None, actor="ops", target_seconds=seconds).contexts
        assert vm.rpo_target_seconds == then
