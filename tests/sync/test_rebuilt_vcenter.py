"""A vCenter that was rebuilt at its address: confirmed by hand, then VM by VM."""

import pytest

from contexts import presence
from contexts.errors import ContextBusy, IdentityChanged, IdentityRefused, VMGone
from contexts.models import DiscoveredVM, VCenter, VMContext
from contexts.services import identity, vcenters
from contexts.vsphere.errors import OtherEstate
from replication.models import RecoveryPoint
from replication.services import start
from replication.states import JobStatus
from replication.sync import runner


@pytest.fixture
def ready(small1, small2):
    return [small1, small2]


def begin(context):
    return start.start(context, trigger="manual", requested_by="ops")


@pytest.mark.parametrize("new_vm_uuids", [pytest.param(False, marks=pytest.mark.slow), True])
def test_each_vm_is_confirmed_before_it_is_replicated_again(estate, ready, new_vm_uuids):
    first, second = ready
    old = VCenter.objects.get().instance_uuid
    with pytest.raises(OtherEstate):  # it is still the known one
        vcenters.update(VCenter.objects.get(), confirm_instance_uuid="another", actor="ann")
    assert VCenter.objects.get().found_instance_uuid == ""
    new = estate.control.rebuild_vcenter(new_vm_uuids=new_vm_uuids)
    job = estate.run_job(first)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "other_estate")
    assert old in job.error_message
    assert new in job.error_message
    assert estate.discover().status == "failed"
    vcenter = VCenter.objects.get()
    assert (vcenter.instance_uuid, vcenter.found_instance_uuid) == (old, new)
    assert vcenter.found_at is not None

    with pytest.raises(OtherEstate):
        vcenters.update(VCenter.objects.get(), confirm_instance_uuid=old, actor="ann")
    with pytest.raises(OtherEstate):
        vcenters.update(VCenter.objects.get(), name="lab")
    vcenters.update(VCenter.objects.get(), confirm_instance_uuid=new, actor="ann")
    vcenter = VCenter.objects.get()
    assert (vcenter.instance_uuid, vcenter.former_instance_uuid) == (new, old)
    assert (vcenter.replaced_by, vcenter.found_instance_uuid) == ("ann", "")
    event = first.events.order_by("-id").first()
    assert (event.actor, event.old, event.new) == ("ann", old, new)

    with pytest.raises(VMGone, match="rebuilt vCenter"):
        begin(first)
    assert estate.discover().status == "completed"
    found = {}
    for context in ready:
        with pytest.raises(IdentityChanged, match="rebuilt vCenter"):
            begin(context)
        found[context.pk] = presence.changed_vm(context)
        assert presence.probable_context(found[context.pk]) == context
    # What the rebuilt vCenter says of a VM that nobody confirmed is not believed.
    assert VMContext.objects.get(pk=first.pk).moref == first.moref
    if not new_vm_uuids:
        with pytest.raises(IdentityRefused, match="instance UUID of small1"):
            identity.reject(found[first.pk], first, actor="ann")
    with pytest.raises(IdentityRefused):
        identity.confirm(found[second.pk], first, actor="ann")

    identity.confirm(found[first.pk], first, actor="ann")
    first.refresh_from_db()
    assert first.vmware_vm_id == found[first.pk].vmware_vm_id
    assert first.moref == found[first.pk].moref
    estate.control.fill("small1", 2000, 4 << 20, 1 << 20, seed=1)
    estate.replicate(first)
    assert RecoveryPoint.objects.filter(vm_context=first).count() == 2
    with pytest.raises(IdentityChanged):
        begin(second)
    estate.discover()
    assert presence.changed_vm(first) is None
    assert presence.changed_vm(second) == DiscoveredVM.objects.get(pk=found[second.pk].pk)


def test_a_job_that_is_active_is_settled_first(estate, ready):
    new = estate.control.rebuild_vcenter()
    job = begin(ready[0])
    with pytest.raises(ContextBusy, match="small1"):
        vcenters.update(VCenter.objects.get(), confirm_instance_uuid=new, actor="ann")
    assert VCenter.objects.get().replaced_at is None
    assert runner.run_next() == job.pk
    vcenters.update(VCenter.objects.get(), confirm_instance_uuid=new, actor="ann")


def test_a_vcenter_that_is_rebuilt_in_mid_job_is_not_logged_in_at(estate, ready, monkeypatch):
    make_plan = runner.make_plan

    def rebuild_and_plan(attempt):
        estate.control.rebuild_vcenter()
        make_plan(attempt)

    monkeypatch.setattr(runner, "make_plan", rebuild_and_plan)
    tried = estate.control.logins()["tried"]
    job = estate.run_job(ready[0])
    assert (job.status, job.error_code) == (JobStatus.FAILED, "other_estate")
    assert estate.control.logins()["tried"] == tried + 1  # its own, before
    assert VCenter.objects.get().found_instance_uuid == estate.lab.instance_uuid


def test_the_known_vcenter_that_is_back_leaves_nothing_to_decide(estate, ready):
    old = estate.lab.instance_uuid
    estate.control.rebuild_vcenter()
    estate.run_job(ready[0])
    estate.control.rebuild_vcenter(instance_uuid=old)
    vcenters.test_stored(VCenter.objects.get())
    assert VCenter.objects.get().found_instance_uuid == ""
