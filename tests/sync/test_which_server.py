"""An address that leads to another kind of server: nothing is read, removed or sent there until
somebody confirms it."""

from __future__ import annotations

import pytest

from contexts.models import VCenter
from contexts.services import connections, vcenters
from contexts.vsphere.errors import OtherEstate
from contexts.vsphere.tls import presented_certificate
from replication.models import VMSnapshot
from replication.states import JobStatus, SnapshotState
from replication.sync import cleanup
from tests import factories
from tests.sync.estate import PASSWORD
from vmrep.lab import Lab
from vmrep.lab.control.client import LabControl


@pytest.fixture
def lone_host(tmp_path):
    with Lab(tmp_path / "host", "host", password=PASSWORD) as running:
        yield running


def leads_to(lab: Lab) -> VCenter:
    """From now on the address is that lab's: a name in DNS that has changed."""
    certificate = presented_certificate(lab.host, lab.port)
    return factories.repoint(port=lab.port, fingerprint_sha256=certificate.fingerprint_sha256)


def logins_at(lab: Lab) -> int:
    return LabControl(lab.control_url).logins()["tried"]


@pytest.fixture
def of_a_host(estate, lone_host):
    """The vCenter's entry was added as the lone host; its context's VM is said to be there."""
    context = estate.take("small1")
    estate.replicate(context)
    leads_to(lone_host)
    VCenter.objects.update(instance_uuid="", host_uuid="")
    with vcenters.Session(vcenters.endpoint(VCenter.objects.get())) as session:
        uuid = vcenters.lone_host_uuid(session)
    VCenter.objects.update(host_uuid=uuid, product="VMware ESXi")
    return context


@pytest.mark.slow
def test_a_vcenter_where_a_lone_host_was_is_confirmed_before_anything_is_sent(estate, of_a_host):
    known, new = VCenter.objects.get().host_uuid, estate.lab.instance_uuid
    leads_to(estate.lab)
    before = logins_at(estate.lab)
    job = estate.run_job(of_a_host)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "other_estate")
    assert known in job.error_message
    assert new in job.error_message
    assert estate.discover().status == "failed"
    vcenter = VCenter.objects.get()
    report = connections.test(vcenter)
    assert [step.name for step in report.steps if step.outcome == "failed"] == ["Identity"]
    assert logins_at(estate.lab) == before
    assert vcenter.found_instance_uuid == new

    with pytest.raises(OtherEstate):
        vcenters.update(vcenter, confirm_instance_uuid=known, actor="ann")
    vcenters.update(VCenter.objects.get(), confirm_instance_uuid=new, actor="ann")
    vcenter = VCenter.objects.get()
    assert (vcenter.instance_uuid, vcenter.host_uuid) == (new, "")
    assert (vcenter.former_instance_uuid, vcenter.replaced_by) == (known, "ann")
    of_a_host.refresh_from_db()
    assert of_a_host.identity_asked_at is not None
    assert estate.discover().status == "completed"


def test_a_lone_host_where_a_vcenter_was_is_confirmed_by_hand(estate, lone_host):
    context = estate.take("small1")
    known = VCenter.objects.get().instance_uuid
    leads_to(lone_host)
    before = logins_at(lone_host)
    job = estate.run_job(context)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "other_estate")
    assert "an ESXi host on its own" in job.error_message
    with pytest.raises(OtherEstate):
        vcenters.update(VCenter.objects.get(), name="lab")
    assert logins_at(lone_host) == before

    # Whoever enters the password knows where it goes; then the host says who it is.
    with pytest.raises(OtherEstate) as problem:
        vcenters.update(VCenter.objects.get(), password=PASSWORD)
    new = problem.value.presented
    assert new is not None
    assert len(new) == 36
    with pytest.raises(OtherEstate):
        vcenters.update(VCenter.objects.get(), confirm_instance_uuid=known, actor="ann")
    vcenters.update(
        VCenter.objects.get(), password=PASSWORD, confirm_instance_uuid=new, actor="ann"
    )
    vcenter = VCenter.objects.get()
    assert (vcenter.instance_uuid, vcenter.host_uuid) == ("", new)
    assert (vcenter.former_instance_uuid, vcenter.replaced_by) == (known, "ann")
    assert estate.discover().status == "completed"


@pytest.mark.slow
def test_the_clean_up_removes_nothing_at_another_host(estate, lone_host, tmp_path):
    """The snapshot has the recorded name and reference, but this is another host."""
    estate.control.refuse_snapshot_removal("small1")
    context = estate.take("small1")
    job = estate.run_job(context)
    row = VMSnapshot.objects.get(job=job)
    VCenter.objects.update(instance_uuid="", host_uuid="564d0000-1111-2222-3333-444455556666")
    leads_to(lone_host)
    cleanup.clean_context(context.pk)
    row.refresh_from_db()
    assert row.state == SnapshotState.CREATED
    assert "another ESXi host" in row.problem
    assert VCenter.objects.get().found_instance_uuid
    assert row.moref in [one for vm in estate.control.list_vms() for one in vm["snapshots"]]
