"""By identity: (vCenter, instance UUID) is the VM, whatever it is called and wherever it is.

Everything happens at a real lab behind vmrep's back; discoveries and jobs are real ones.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from contexts.errors import IdentityChanged
from contexts.models import ContextEvent, DiscoveredVM, VMContext
from contexts.services import identity, management, vcenters
from contexts.states import ContextStatus
from contexts.vsphere import snapshots
from contexts.vsphere.session import Session
from replication.models import VMSnapshot
from replication.selectors.contexts import contexts_in_detail
from replication.services import start
from replication.states import SnapshotState
from replication.sync import cleanup
from tests.sync.estate import MIB, PASSWORD, Estate
from vmrep.lab import Lab

SITES = str(Path(__file__).parents[1] / "scenarios" / "two_sites.toml")
pytestmark = pytest.mark.scenario(SITES)


@pytest.fixture
def web(estate, replicated_web) -> VMContext:
    """A VM with a recovery point, and 1 MiB changed since."""
    estate.control.fill("web", 2000, 8 * MIB, MIB, seed=1)
    return replicated_web


def seen(context: VMContext) -> VMContext:
    """The context as pages and API see it."""
    return contexts_in_detail().get(pk=context.pk)


def goes_on(estate: Estate, context: VMContext, *, anew: bool = False) -> None:
    """The next job is based on the last one and reads what changed, and the history is one. Of a VM
    that was registered `anew` it compares all: its files may be from a backup."""
    job = estate.replicate(context)
    if anew:
        assert job.replication_type == "checksum"
        assert all(image.parent is not None for image in job.images.all())
    else:
        assert (job.replication_type, job.bytes_transferred) == ("incremental", MIB)
    assert (context.total_jobs_run, context.successful_jobs) == (2, 2)
    assert context.recovery_points.count() == 2


# ------------------------------------------------------------- the same VM

DISCOVERED_FIRST = [
    pytest.param(True, id="discovery"),
    pytest.param(False, id="job alone", marks=pytest.mark.slow),
]
BY_THE_JOB_ALONE = [
    pytest.param(True, id="discovery", marks=pytest.mark.slow),
    pytest.param(False, id="job alone"),
]


@pytest.mark.parametrize("discovered", DISCOVERED_FIRST)
def test_a_renamed_and_moved_vm_keeps_its_context_and_history(estate, web, discovered):
    moref = web.moref
    estate.control.rename("web", "shop")
    estate.control.move("shop", "Archive/2024")
    if discovered:
        estate.discover()
    goes_on(estate, web)
    assert (web.vm_name, web.vm_path, web.moref) == ("shop", "/Bonn/vm/Archive/2024/shop", moref)
    assert VMContext.objects.count() == 1
    assert web.jobs.order_by("created_at").first().source_vm_name == "web"


@pytest.mark.slow
@pytest.mark.parametrize("discovered", DISCOVERED_FIRST)
def test_in_another_datacenter_it_goes_on_from_its_new_files(estate, web, discovered):
    estate.control.move("web", "", datacenter="Mainz")
    if discovered:
        estate.discover()
    goes_on(estate, web)
    assert (web.datacenter, web.host_name) == ("Mainz", "esx2.example.com")
    assert web.vmx_path == "[mainz-ds] web/web.vmx"


@pytest.mark.parametrize("discovered", BY_THE_JOB_ALONE)
def test_registered_anew_it_goes_on_under_its_new_reference(estate, web, discovered):
    old = web.moref
    moref = estate.control.reregister("web")
    if discovered:
        estate.discover()
        assert seen(web).gone_since is None
    goes_on(estate, web, anew=True)
    assert web.moref == moref != old


@pytest.mark.slow
def test_a_clone_of_the_same_name_is_another_vm_without_the_history(estate, web):
    made = estate.control.clone("web", "web")
    estate.discover()
    assert seen(web).changed_vm_id is None
    (clone,) = DiscoveredVM.objects.filter(vmware_vm_id=made["instance_uuid"])
    (other,) = management.take([clone], repository=estate.repository, actor="ops")
    assert other != web
    assert other.total_jobs_run == 0
    assert estate.replicate(other).replication_type == "initial"
    goes_on(estate, web)


# ------------------------------------------------------------- gone and back


@pytest.mark.slow
def test_a_vm_that_is_gone_says_since_when_and_its_job_fails_with_that_reason(estate, web):
    path = estate.control.unregister("web")
    estate.discover()
    since = seen(web).gone_since
    assert since == DiscoveredVM.objects.get(vm_name="web").gone_at
    job = estate.run_job(web)
    assert job.status == "failed"
    assert f"no longer in lab (since {since:%Y-%m-%d %H:%M} UTC)" in job.error_message
    assert "When it is back" in job.error_message
    assert web.current_status == ContextStatus.READY  # its recovery point is still there
    estate.discover()
    assert seen(web).gone_since == since
    estate.control.register(path)
    estate.discover()
    assert seen(web).gone_since is None
    assert estate.replicate(web).replication_type == "checksum"
    assert (web.successful_jobs, web.failed_jobs) == (2, 1)


def test_a_job_notices_that_a_vm_is_gone_and_that_it_is_back_without_a_discovery(estate, web):
    path = estate.control.unregister("web")
    assert estate.run_job(web).status == "failed"
    assert seen(web).gone_since is not None
    estate.control.register(path)
    assert estate.replicate(web).replication_type == "checksum"
    assert seen(web).gone_since is None


def test_a_new_vm_of_the_old_name_is_not_the_one_that_is_gone(estate, web):
    made = estate.control.clone("web", "web")
    estate.control.unregister(web.moref)
    estate.discover()
    assert seen(web).gone_since is not None
    assert seen(web).changed_vm_id is None
    assert estate.run_job(web).status == "failed"
    assert (
        DiscoveredVM.objects.get(gone_at=None, vm_name="web").vmware_vm_id
        == (made["instance_uuid"])
    )


@pytest.mark.slow
def test_a_snapshot_that_left_with_its_vm_is_removed_when_it_is_back(estate, web):
    estate.control.refuse_snapshot_removal("web")
    assert estate.run_job(web).status == "completed"
    path = estate.control.unregister("web")
    cleanup.clean_context(web.pk)
    assert not VMSnapshot.objects.exclude(state=SnapshotState.REMOVED).exists()
    estate.control.register(path)
    estate.control.refuse_snapshot_removal("web", on=False)
    estate.replicate(web)  # and nothing is left over


@pytest.mark.slow
def test_a_leftover_snapshot_of_a_vm_registered_anew_is_removed_and_no_other(estate, web):
    estate.control.refuse_snapshot_removal("web")
    assert estate.run_job(web).status == "completed"
    estate.control.take_snapshot("web", "mine")
    estate.control.reregister("web")
    estate.control.refuse_snapshot_removal("web", on=False)
    cleanup.clean_context(web.pk)
    estate.discover()
    web.refresh_from_db()
    with Session(vcenters.endpoint(web.vcenter)) as session:
        assert [each.name for each in snapshots.tree(session, web.moref)] == ["mine"]


# ------------------------------------------------------------- another instance UUID


def changed(estate: Estate, context: VMContext) -> DiscoveredVM:
    """The context's VM, discovered under a new instance UUID."""
    uuid = estate.control.set_instance_uuid("web")
    estate.discover()
    return DiscoveredVM.objects.get(vcenter=context.vcenter, vmware_vm_id=uuid)


def test_under_a_new_uuid_it_is_recognised_but_nothing_happens_by_itself(estate, web):
    vm = changed(estate, web)
    assert (seen(web).changed_vm_id, seen(web).changed_vm_uuid) == (vm.pk, vm.vmware_vm_id)
    with pytest.raises(IdentityChanged, match="Discovery page") as refusal:
        start.start(web, trigger="manual", requested_by="ops")
    assert refusal.value.details == {"context_id": web.pk, "discovered_vm_id": vm.pk}
    with pytest.raises(IdentityChanged, match=web.vmware_vm_id):
        management.take([vm], repository=estate.repository, actor="ops")
    web.refresh_from_db()
    assert web.total_jobs_run == 1
    assert VMContext.objects.count() == 1


def test_a_job_that_meets_the_new_uuid_first_refuses_and_shows_it(estate, web):
    uuid = estate.control.set_instance_uuid("web")
    job = estate.run_job(web)
    assert job.status == "failed"
    assert "the same VM under a new instance UUID" in job.error_message
    assert seen(web).changed_vm_uuid == uuid


def test_confirmed_it_goes_on_with_its_history_under_the_new_uuid(estate, web):
    vm, old = changed(estate, web), web.vmware_vm_id
    context = identity.confirm(vm, web, actor="ann")
    assert (context.pk, context.vmware_vm_id) == (web.pk, vm.vmware_vm_id)
    event = ContextEvent.objects.filter(vm_context=web).first()
    assert (event.actor, event.old, event.new) == ("ann", old, vm.vmware_vm_id)
    assert seen(web).gone_since is None
    assert seen(web).changed_vm_id is None
    goes_on(estate, context)
    uuids = list(context.jobs.order_by("created_at").values_list("source_vm_id", flat=True))
    assert uuids == [old, vm.vmware_vm_id]


@pytest.mark.slow
def test_a_new_uuid_that_is_taken_back_is_confirmed_once_more(estate, web):
    old = web.vmware_vm_id
    identity.confirm(changed(estate, web), web, actor="ops")
    estate.control.set_instance_uuid("web", old)
    estate.discover()
    vm = DiscoveredVM.objects.get(vmware_vm_id=old)
    assert seen(web).changed_vm_id == vm.pk
    assert identity.confirm(vm, web, actor="ops").vmware_vm_id == old
    estate.replicate(web)


@pytest.mark.slow
def test_rejected_it_is_taken_as_a_new_vm_and_the_old_one_is_gone(estate, web):
    vm = changed(estate, web)
    vm = identity.reject(vm, web, actor="ops")
    estate.discover()
    assert seen(web).changed_vm_id is None
    assert seen(web).gone_since is not None
    (new,) = management.take([vm], repository=estate.repository, actor="ops")
    assert new != web
    assert estate.replicate(new).replication_type == "initial"
    assert "is no longer in lab" in estate.run_job(web).error_message
    assert web.recovery_points.count() == 1


@pytest.mark.slow
def test_a_released_vm_under_a_new_uuid_is_confirmed_and_then_taken_again(estate, web):
    management.release(web, actor="ops")
    vm = changed(estate, web)
    with pytest.raises(IdentityChanged):
        management.take([vm], repository=estate.repository, actor="ops")
    identity.confirm(vm, web, actor="ops")
    (again,) = management.take([vm], repository=estate.repository, actor="ops")
    assert again == web
    goes_on(estate, again)


def test_two_vms_of_one_uuid_are_told_apart_by_reference_or_refused(estate, web):
    made = estate.control.clone("web", "copy")
    estate.control.set_instance_uuid(made["moref"], web.vmware_vm_id)
    job = estate.replicate(web)  # its reference tells which one it is
    assert job.replication_type == "incremental"
    estate.control.reregister(web.moref)
    job = estate.run_job(web)
    assert job.status == "failed"
    assert "2 VMs have this instance UUID" in job.error_message


# ------------------------------------------------------------- another estate


@pytest.fixture
def another_estate(estate, tmp_path):
    """In place of the lab, at its address and with its certificate, another vCenter."""

    def replace() -> Lab:
        port = estate.lab.port
        estate.lab.stop()
        folder = tmp_path / "other"
        folder.mkdir()
        for name in ("certificate.pem", "certificate.key"):
            shutil.copy(estate.lab.folder / name, folder / name)
        other = Lab(folder, SITES, port=port, password=PASSWORD)
        labs.append(other)
        return other.start()

    labs: list[Lab] = []
    yield replace
    for lab in labs:
        lab.stop()


def test_an_address_that_answers_as_another_estate_is_refused_and_nothing_changes(
    estate, web, another_estate
):
    before = list(VMContext.objects.values()), list(DiscoveredVM.objects.values())
    other = another_estate()
    run = estate.discover()
    assert run.status == "failed"
    assert "another vCenter" in run.error_message
    assert other.instance_uuid in run.error_message
    assert (list(VMContext.objects.values()), list(DiscoveredVM.objects.values())) == before
    job = estate.run_job(web)
    assert job.status == "failed"
    assert "another vCenter" in job.error_message
    assert job.bytes_transferred == 0
    assert list(DiscoveredVM.objects.values()) == before[1]
    assert web.recovery_points.count() == 1
