"""A folder's policy takes new VMs under management, and none that stands back."""

from __future__ import annotations

import pytest
from django.utils import timezone

from contexts.models import DiscoveredVM, VCenter, VMContext
from contexts.services import management
from replication.models import PolicyTaking, Repository
from replication.policies import services, taking_new
from replication.policies.preview import Change, preview
from replication.policies.services import Where
from tests import factories

pytestmark = pytest.mark.django_db
TARGET = {"rpo_kind": "target", "rpo_target_seconds": 900}
IN_PROD = "/Bonn/vm/Prod/x"


@pytest.fixture
def vcenter() -> VCenter:
    return factories.vcenter()


@pytest.fixture
def repository() -> Repository:
    return factories.repository("first")


def gold(vcenter: VCenter, **values):
    policy = services.add("Gold", TARGET | values, actor="ops")
    place = Where("folder", vcenter, "/Bonn/vm/Prod", takes_new=True)
    return policy, place


def names() -> list[str]:
    managed = VMContext.objects.filter(unmanaged_at__isnull=True)
    return sorted(managed.values_list("vm_name", flat=True))


def seen(vcenter: VCenter, name: str, **columns) -> DiscoveredVM:
    vm = factories.discovered_vm(name, at=vcenter, vm_path=IN_PROD)
    DiscoveredVM.objects.filter(pk=vm.pk).update(**columns)
    return vm


def test_what_a_discovery_finds_there_is_taken_with_what_the_policy_wants(vcenter, repository):
    factories.repository("second")
    policy, place = gold(vcenter, repository_id=repository.pk)
    services.assign(policy, place, actor="ops")
    factories.discovery(vcenter)
    seen(vcenter, "db-1")
    factories.discovered_vm("elsewhere", at=vcenter, vm_path="/Bonn/vm/Test/x")
    seen(factories.vcenter(), "of-another-vcenter")
    taking_new.tick()
    vm = VMContext.objects.get()
    assert (vm.vm_name, vm.repository, vm.rpo_target_seconds) == ("db-1", repository, 900)
    assert set(vm.events.values_list("actor", flat=True)) == {"policy Gold"}

    seen(vcenter, "db-2")
    taking_new.tick()
    assert names() == ["db-1"], "until a discovery has completed"
    factories.discovery(vcenter)
    taking_new.tick()
    assert names() == ["db-1", "db-2"]


def test_a_vm_with_any_doubt_is_left_to_a_person(vcenter, repository):
    released = factories.context("released", at=vcenter, keep_in=repository, vm_path=IN_PROD)
    management.release(released, actor="ops")
    seen(vcenter, "refused", refusals=[{"code": "x", "reason": "x", "remedy": "x"}])
    seen(vcenter, "noticed", notices=[{"code": "x", "summary": "x", "text": "x"}])
    seen(vcenter, "gone", gone_at=timezone.now())
    seen(vcenter, "nobody", vmware_vm_id=None, identity_problem="x")
    seen(vcenter, "fine")
    policy, place = gold(vcenter)
    assert preview(Change(policy, add=place)).to_be_taken == 1
    services.assign(policy, place, actor="ops")
    factories.discovery(vcenter)
    taking_new.tick()
    assert names() == ["fine"]


def test_what_was_seen_before_is_looked_at_when_a_policy_begins_to_take(vcenter, repository):
    policy, place = gold(vcenter)
    services.assign(policy, Where("name", pattern="nothing*", takes_new=True), actor="ops")
    factories.discovery(vcenter)
    seen(vcenter, "db-1")
    taking_new.tick()
    assert names() == []
    services.assign(policy, place, actor="ops")
    taking_new.tick()
    assert names() == ["db-1"]


def test_many_are_taken_a_part_at_a_time(vcenter, repository, monkeypatch):
    monkeypatch.setattr(taking_new, "AT_ONCE", 2)
    policy, place = gold(vcenter)
    services.assign(policy, place, actor="ops")
    factories.discovery(vcenter)
    for number in range(3):
        seen(vcenter, f"db-{number}")
    taking_new.tick()
    assert (len(names()), PolicyTaking.objects.count()) == (2, 0)
    taking_new.tick()
    assert (len(names()), PolicyTaking.objects.count()) == (3, 1)


def test_one_that_is_refused_at_the_last_moment_keeps_back_no_other(
    vcenter, repository, monkeypatch
):
    policy, place = gold(vcenter)
    services.assign(policy, place, actor="ops")
    factories.discovery(vcenter)
    for name in ("a", "b", "c"):
        seen(vcenter, name)
    require_present = management.identity.require_present

    def gone_meanwhile(vm: DiscoveredVM) -> None:
        DiscoveredVM.objects.filter(pk=vm.pk, vm_name="b").update(gone_at=timezone.now())
        vm.refresh_from_db()
        require_present(vm)

    monkeypatch.setattr("contexts.services.identity.require_present", gone_meanwhile)
    taking_new.tick()
    assert names() == ["a", "c"]


def test_without_a_repository_to_go_to_none_is_taken(vcenter):
    policy, place = gold(vcenter)
    assert preview(Change(policy, add=place)).lacks_repository
    repository = factories.repository("only")
    assert not preview(Change(policy, add=place)).lacks_repository
    factories.repository("another")
    assert preview(Change(policy, add=place)).lacks_repository
    services.change(policy, {"repository_id": repository.pk}, actor="ops")
    assert not preview(Change(policy, add=place)).lacks_repository
    services.change(policy, {"repository_id": None}, actor="ops")
    services.assign(policy, place, actor="ops")
    factories.discovery(vcenter)
    seen(vcenter, "db-1")
    taking_new.tick()
    assert names() == []
