"""vCenters, and taking their VMs under management."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from contexts.models import DiscoveredVM, VMContext
from contexts.services import discovery, identity, management, protection, vcenters
from tests import factories
from tests.trail.acts.register import BY, act


@act("vcenters.add", "add", "vcenter")
def _(world: Any) -> object:
    return vcenters.add(**world.pinned())


@act("vcenters.update", "change", "vcenter")
def _(world: Any) -> object:
    made = vcenters.add(**world.pinned())
    return vcenters.update(made, name="another", password=world.pinned()["password"], actor=BY)


@act("vcenters.test_stored", "test", "vcenter")
def _(world: Any) -> object:
    return vcenters.test_stored(vcenters.add(**world.pinned()))


@act("vcenters.remove", "remove", "vcenter")
def _(world: Any) -> None:
    vcenters.remove(factories.vcenter())


@act("discovery.request", "discover", "vcenter")
def _(world: Any) -> object:
    return discovery.request(factories.vcenter(), actor=BY)


@act("management.take", "take", "vm")
def _(world: Any) -> object:
    vm = factories.discovered_vm()
    return management.take([vm], repository=factories.repository(), actor=BY)


@act("management.take_and_report", "take", "vm")
def _(world: Any) -> object:
    vms = [factories.discovered_vm()]
    return management.take_and_report(vms, repository=factories.repository(), actor=BY)


@act("management.release", "release", "vm")
def _(world: Any) -> object:
    return management.release(factories.context(), actor=BY)


def _same_looks() -> tuple[DiscoveredVM, VMContext]:
    known = factories.context("web", **factories.LOOKS)
    DiscoveredVM.objects.update(gone_at=timezone.now())
    return factories.discovered_vm("web", at=known.vcenter, **factories.LOOKS), known


@act("identity.confirm", "identify", "vm")
def _(world: Any) -> object:
    return identity.confirm(*_same_looks(), actor=BY)


@act("identity.reject", "identify", "vm")
def _(world: Any) -> object:
    return identity.reject(*_same_looks(), actor=BY)


def _independent() -> Any:
    odd = factories.disk_record(2001, disk_mode="independent_persistent")
    vm = factories.context(disks=[factories.disk_record(), odd])
    return vm.disks.get(device_key=2001)


@act("protection.leave_out", "change", "vm")
def _(world: Any) -> None:
    protection.leave_out(_independent(), actor=BY)


@act("protection.protect_again", "change", "vm")
def _(world: Any) -> None:
    disk = _independent()
    protection.leave_out(disk, actor="somebody else")
    protection.protect_again(disk, actor=BY)
