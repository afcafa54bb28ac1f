"""Confirming and rejecting that a VM under a new instance UUID is a known one."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contexts import presence
from contexts.errors import ContextBusy, IdentityChanged, IdentityRefused, NotManageable
from contexts.models import ContextEvent, DiscoveredVM, VMContext
from contexts.services import discovered, identity, management
from contexts.services.records import columns_of
from tests import factories
from tests.factories import LOOKS

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def known(**specs) -> VMContext:
    return factories.context("web", **LOOKS | specs)


def found_again(context: VMContext, *, uuid_gone: bool = True, **specs) -> DiscoveredVM:
    """What a discovery would store of the context's VM under a new instance UUID."""
    if uuid_gone:
        DiscoveredVM.objects.filter(vmware_vm_id=context.vmware_vm_id).update(
            gone_at=timezone.now()
        )
    else:
        DiscoveredVM.objects.filter(vmware_vm_id=context.vmware_vm_id).update(moref="vm-8")
    return factories.discovered_vm("web", at=context.vcenter, **LOOKS | specs)


def test_the_same_looks_under_a_new_uuid_are_recognised():
    context = known()
    vm = found_again(context)
    assert presence.probable_context(vm) == context
    assert presence.changed_vm(context) == vm


@pytest.mark.parametrize(
    "specs",
    [
        {"moref": "vm-9"},
        {"bios_uuid": "another"},
        {"vmx_path": "[ds] web_1/web.vmx"},
        {"bios_uuid": None},
        {"vmx_path": None},
        {"instance_uuid": None},
    ],
)
def test_whatever_differs_or_is_unknown_proves_nothing(specs):
    context = known()
    vm = found_again(context, **specs)
    assert presence.probable_context(vm) is None
    assert presence.changed_vm(context) is None


def test_what_is_unknown_of_both_is_not_the_same():
    context = known(bios_uuid=None)
    assert presence.probable_context(found_again(context, bios_uuid=None)) is None


def test_while_the_old_uuid_is_there_the_vm_is_another_one():
    context = known()
    vm = found_again(context, uuid_gone=False)
    assert presence.probable_context(vm) is None
    assert presence.changed_vm(context) is None


def test_at_another_vcenter_it_is_another_vm():
    context = known()
    found_again(context).delete()
    vm = factories.discovered_vm("web", **LOOKS)
    assert presence.probable_context(vm) is None


def test_a_vm_that_has_a_context_is_nobody_else_s():
    context = known()
    vm = found_again(context)
    identity.reject(vm, context, actor="ops")
    vm.refresh_from_db()
    management.take([vm], repository=None, actor="ops")
    assert presence.probable_context(vm, also_rejected=True) is None
    with pytest.raises(IdentityRefused):
        identity.confirm(vm, context, actor="ops")


def test_while_a_job_is_active_nothing_is_confirmed():
    context = known()
    job = factories.running_job(context)
    with pytest.raises(ContextBusy, match=job.pk):
        identity.confirm(found_again(context), context, actor="ops")
    context.refresh_from_db()
    assert context.current_job == job


def test_only_what_looks_the_same_is_confirmed_or_rejected():
    context, other = known(), factories.context("other")
    vm = found_again(context)
    for decide in (identity.confirm, identity.reject):
        with pytest.raises(IdentityRefused, match="other"):
            decide(vm, other, actor="ops")
    assert ContextEvent.objects.exclude(old="").count() == 0


def test_a_vm_that_is_gone_or_cannot_be_identified_is_not_confirmed():
    context = known()
    vm = found_again(context)
    DiscoveredVM.objects.filter(pk=vm.pk).update(gone_at=timezone.now())
    with pytest.raises(NotManageable, match="did not find"):
        identity.confirm(vm, context, actor="ops")
    nameless = factories.discovered_vm("x", at=context.vcenter, instance_uuid=None)
    with pytest.raises(NotManageable, match="no instance UUID"):
        identity.confirm(nameless, context, actor="ops")


def test_confirming_brings_specs_and_devices_up_to_date():
    context = known()
    vm = found_again(
        context, cpu_count=16, disks=[factories.disk_record(2000), factories.disk_record(2001)]
    )
    context = identity.confirm(vm, context, actor="ops")
    assert context.cpu_count == 16
    assert context.disks.filter(removed_at=None).count() == 2


def test_whoever_said_no_may_still_say_yes_until_the_vm_is_taken():
    context = known()
    vm = found_again(context)
    identity.reject(vm, context, actor="ops")
    with pytest.raises(IdentityRefused):
        identity.reject(vm, context, actor="ops")
    assert identity.confirm(vm, context, actor="ops").vmware_vm_id == vm.vmware_vm_id
    vm.refresh_from_db()
    assert vm.identity_rejected_at is None


def test_one_such_vm_among_many_leaves_all_of_them_untaken():
    context = known()
    vm = found_again(context)
    other = factories.discovered_vm("other", at=context.vcenter)
    with pytest.raises(IdentityChanged) as refusal:
        management.take([other, vm], repository=None, actor="ops")
    assert refusal.value.discovered_vm_id == vm.pk
    assert VMContext.objects.count() == 1


def test_a_row_that_a_page_rewrites_keeps_the_rejection():
    context = known()
    vm = found_again(context)
    identity.reject(vm, context, actor="ops")
    record = factories.vm_record("web", instance_uuid=vm.vmware_vm_id, **LOOKS)
    discovered.write_rows(context.vcenter, [record], timezone.now())
    again = DiscoveredVM.objects.get(vmware_vm_id=vm.vmware_vm_id)
    assert (again.pk, again.identity_rejected_at is not None) == (vm.pk, True)
    assert columns_of(record)["moref"] == again.moref


def test_presence_costs_one_query_for_any_number_of_vms():
    context = known()
    found_again(context)
    for _ in range(5):
        factories.context("more", at=context.vcenter, moref=f"vm-{uuid.uuid4()}")
    with CaptureQueriesContext(connection) as queries:
        rows = list(presence.contexts_with_presence())
        vms = list(presence.with_probable_context(DiscoveredVM.objects.all()))
    assert len(queries) == 2
    assert [row.pk for row in rows if row.changed_vm_id] == [context.pk]
    assert [vm.probable_context_id for vm in vms if vm.probable_context_id] == [context.pk]
