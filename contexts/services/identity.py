"""VMs whose identity changed: gone, back, or with a new instance UUID to confirm."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models.functions import Now

from contexts import presence, trail
from contexts.clock import database_now
from contexts.errors import (
    ContextBusy,
    ContextError,
    IdentityChanged,
    IdentityRefused,
    NotManageable,
    VMGone,
)
from contexts.models import DiscoveredVM, VMContext
from contexts.services import discovered, records, refresh, statuses
from contexts.services.transactions import one_transaction, only_free
from contexts.trail import Verb
from contexts.vsphere.errors import AnotherVM, ObjectGone
from contexts.vsphere.records import VmRecord


def require_unchanged(context: VMContext) -> None:
    """Raises IdentityChanged when the context's VM probably has a new instance UUID, or is yet to
    be confirmed in a rebuilt vCenter."""
    vm = presence.changed_vm(context)
    if vm is not None:
        raise _changed(context, vm)
    require_confirmed(context)


def require_confirmed(context: VMContext) -> None:
    """Raises IdentityChanged or VMGone until somebody says which VM of a rebuilt vCenter it
    is."""
    if context.identity_asked_at is None:
        return
    vm = presence.changed_vm(context)
    if vm is not None:
        raise _changed(context, vm)
    raise VMGone(
        f"{context.vcenter.name} was replaced by a rebuilt vCenter, and the last discovery found no"
        f" VM in it that could be {context.vm_name}. Run discovery, then say which VM it is."
    )


def require_new(vms: Iterable[DiscoveredVM]) -> None:
    """Raises IdentityChanged when one of the VMs is probably known under another instance UUID,
    and no operator has rejected that. Takes one query, however many VMs there are."""
    asked = presence.vms_with_probable_context().filter(pk__in=[vm.pk for vm in vms])
    changed = asked.filter(probable_context_id__isnull=False).order_by("pk").first()
    if changed is not None:
        context = VMContext.objects.select_related("vcenter").get(pk=changed.probable_context_id)
        raise _changed(context, changed)


def _changed(context: VMContext, vm: DiscoveredVM) -> IdentityChanged:
    if context.identity_asked_at is not None:
        return IdentityChanged(
            f"{context.vcenter.name} was replaced by a rebuilt vCenter. {vm.vm_name}"
            f" ({vm.vmware_vm_id}) in it is probably {context.vm_name}. Confirm or reject that on"
            " the Discovery page; until then it is not replicated.",
            context_id=context.pk,
            discovered_vm_id=vm.pk,
        )
    return IdentityChanged(
        f"{context.vm_name} ({context.vmware_vm_id}) is gone from {context.vcenter.name}, and"
        f" {vm.vm_name} ({vm.vmware_vm_id}) has its reference, BIOS UUID and configuration file:"
        " it is probably the same VM under a new instance UUID. Confirm or reject that on the"
        " Discovery page.",
        context_id=context.pk,
        discovered_vm_id=vm.pk,
    )


@one_transaction
def confirm(vm: DiscoveredVM, context: VMContext, *, actor: str) -> VMContext:
    """It is the same VM: the context continues, with its history, under the new instance UUID.

    Works after a rejection, too, as long as the VM has not been taken. Raises ContextBusy while a
    job is active, NotManageable when the VM cannot be identified or is gone, IdentityRefused when
    there is no evidence that the two are the same.
    """
    context = statuses.lock(context.pk)
    vm = DiscoveredVM.objects.select_for_update(no_key=True).get(pk=vm.pk)
    if context.current_job_id is not None:
        raise ContextBusy(
            f"{context.vm_name} is being replicated by {context.current_job_id}. Cancel that job"
            " first, or wait until it ends."
        )
    require_present(vm)
    if presence.probable_context(vm, also_rejected=True) != context:
        raise IdentityRefused(
            f"There is no evidence that {vm.vm_name} ({vm.vmware_vm_id}) is {context.vm_name}"
            f" ({context.pk}): the reference, BIOS UUID and configuration file must match, and the"
            " old instance UUID must be gone. If that has changed, run discovery again."
        )
    old = context.vmware_vm_id
    VMContext.objects.filter(pk=context.pk).update(
        vmware_vm_id=vm.vmware_vm_id, identity_asked_at=None, updated_at=Now()
    )
    DiscoveredVM.objects.filter(pk=vm.pk).update(identity_rejected_at=None)
    refresh.refresh([(context, records.from_discovered(vm))])
    statuses.record_event(
        context.pk,
        old=old,
        new=str(vm.vmware_vm_id),
        why="confirmed to be the same VM in the rebuilt vCenter"
        if context.identity_asked_at is not None
        else "confirmed to be the same VM under a new instance UUID",
        actor=actor,
        job_id=None,
    )
    _tell(context, vm, old, "confirmed", actor)
    context.refresh_from_db()
    return context


def require_present(vm: DiscoveredVM) -> None:
    """Raise NotManageable unless the last discovery found the VM, with an instance UUID."""
    if vm.vmware_vm_id is None:
        raise NotManageable(f"{vm.vm_name or vm.moref}: {vm.identity_problem}")
    if vm.gone_at is not None:
        raise NotManageable(
            f"The last discovery did not find {vm.vm_name} ({vm.vmware_vm_id}) in its vCenter."
            " Run discovery again."
        )


@one_transaction
def reject(vm: DiscoveredVM, context: VMContext, *, actor: str) -> DiscoveredVM:
    """It is another VM: it can be taken under management as a new one; the context's VM is gone.

    Raises IdentityRefused when the VM does not look like that context's, so that there is nothing
    to decide.
    """
    context = statuses.lock(context.pk)
    vm = DiscoveredVM.objects.select_for_update(no_key=True).get(pk=vm.pk)
    if presence.probable_context(vm) != context:
        raise IdentityRefused(
            f"{vm.vm_name} ({vm.vmware_vm_id}) no longer looks like {context.vm_name}"
            f" ({context.pk}), so there is nothing to reject."
        )
    if vm.vmware_vm_id == context.vmware_vm_id:
        raise IdentityRefused(
            f"{vm.vm_name} has the instance UUID of {context.vm_name} ({context.pk}), so it cannot"
            " be taken as another VM. Give it a new instance UUID in the vCenter, or leave the"
            f" question open: until somebody confirms, {context.vm_name} is not replicated."
        )
    DiscoveredVM.objects.filter(pk=vm.pk).update(identity_rejected_at=Now())
    VMContext.objects.filter(pk=context.pk).update(updated_at=Now())
    statuses.record_event(
        context.pk,
        old=context.vmware_vm_id,
        new=str(vm.vmware_vm_id),
        why="rejected: the VM with its reference and the new instance UUID is another VM",
        actor=actor,
        job_id=None,
    )
    _tell(context, vm, context.vmware_vm_id, "rejected", actor)
    vm.refresh_from_db()
    return vm


def _tell(context: VMContext, vm: DiscoveredVM, old: str, decision: str, actor: str) -> None:
    trail.tell(
        Verb.IDENTIFY,
        trail.vm(context),
        actor=actor,
        old={"instance_uuid": old},
        new={"instance_uuid": vm.vmware_vm_id, "decision": decision},
    )


@one_transaction
def seen(context: VMContext, record: VmRecord) -> None:
    """A job found the VM: if the last discovery did not see it, could not read it, or was told of
    other places, pages and API now say what the job was told."""
    rows = DiscoveredVM.objects.filter(
        vcenter=context.vcenter_id, vmware_vm_id=context.vmware_vm_id
    )
    known = rows.only("gone_at", "unreadable_since", "untold_places").first()
    differs = known is not None and (
        known.gone_at is not None
        or known.unreadable_since is not None
        or [each["place"] for each in known.untold_places] != [*record.untold_places]
    )
    if record.unreadable or differs:
        discovered.write_rows(context.vcenter, [record], database_now())


@one_transaction
def unreadable(context: VMContext, record: VmRecord) -> None:
    """A job could not read the VM. Pages and API say so; what is known of it stays."""
    discovered.write_rows(context.vcenter, [record], database_now())


@one_transaction
def not_found(context: VMContext, problem: ObjectGone) -> ContextError:
    """The error for a job that did not find its VM. Pages and API show it as gone from now on."""
    if isinstance(problem, AnotherVM):
        discovered.write_rows(context.vcenter, [problem.found], database_now())
    own = DiscoveredVM.objects.filter(vcenter=context.vcenter_id, vmware_vm_id=context.vmware_vm_id)
    only_free(own.filter(gone_at__isnull=True)).update(gone_at=Now())
    vm = presence.changed_vm(context)
    if vm is not None:
        return _changed(context, vm)
    since = own.values_list("gone_at", flat=True).first()
    return VMGone(
        f"{context.vm_name} ({context.vmware_vm_id}) is no longer in {context.vcenter.name}"
        + (f" (since {since:%Y-%m-%d %H:%M} UTC)" if since else "")
        + ": it was deleted or unregistered, or the account cannot see it. When it is back,"
        " replicate it again; its history and recovery points are kept. If it is gone for good,"
        " remove it from management."
    )
