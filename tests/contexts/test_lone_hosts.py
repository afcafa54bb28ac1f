"""An ESXi host on its own: read and replicated as a vCenter is, and never here twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError

from contexts.models import DiscoveredVM, VCenter
from contexts.services import connections, discovery, management, vcenters
from contexts.states import DiscoveryStatus
from contexts.vsphere.errors import OtherEstate
from contexts.vsphere.hosts import lone_host_uuid
from contexts.vsphere.session import Session
from contexts.vsphere.tls import presented_certificate
from tests.labs import PASSWORD, LabCache, lab_cache  # noqa: F401
from vmrep.lab import Lab

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def host(lab_cache: LabCache, tmp_path: Path) -> Iterator[Lab]:  # noqa: F811
    with lab_cache.running("host", tmp_path / "host") as running:
        yield running


@pytest.fixture
def another_host(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path / "another", "host", password=PASSWORD) as running:
        yield running


def add(lab: Lab, name: str = "host", address: str = "127.0.0.1") -> VCenter:
    return vcenters.add(
        name=name,
        host=address,
        port=lab.port,
        username=lab.username,
        password=PASSWORD,
        trust_mode="pin",
        fingerprint_sha256=presented_certificate(lab.host, lab.port).fingerprint_sha256,
    )


def test_it_is_known_by_its_hardware(host: Lab) -> None:
    vcenter = add(host)
    assert len(vcenter.host_uuid) == 36
    assert (vcenter.instance_uuid, vcenter.product[:11]) == ("", "VMware ESXi")


def test_the_same_host_by_another_name_is_refused_with_words(host: Lab) -> None:
    add(host)
    with pytest.raises(ValidationError, match="This is the ESXi host host"):
        add(host, "again", "localhost")
    assert VCenter.objects.count() == 1


def test_another_host_is_another(host: Lab, another_host: Lab) -> None:
    assert add(host).host_uuid != add(another_host, "other").host_uuid


def test_another_host_at_a_known_ones_address_is_refused(host: Lab, another_host: Lab) -> None:
    vcenter = add(host)
    fingerprint = presented_certificate(another_host.host, another_host.port).fingerprint_sha256
    with pytest.raises(OtherEstate, match="another ESXi host"):
        vcenters.update(
            vcenter, port=another_host.port, fingerprint_sha256=fingerprint, password=PASSWORD
        )


def test_one_that_was_rebuilt_at_its_address_is_confirmed(host: Lab) -> None:
    """Other hardware, or a restored configuration: nothing is read from it until then."""
    vcenter = add(host)
    known, new = vcenter.host_uuid, "564d0000-1111-2222-3333-444455556666"
    run = discovery.request(vcenter, actor="ops")
    discovery.run(run.pk)
    (context, *_) = management.take(
        [DiscoveredVM.objects.get(vm_name="lone1")], repository=None, actor="ops"
    )
    host._live.world.objects["ha-host"].values["hardware_uuid"] = new

    run = discovery.request(vcenter, actor="ops")
    discovery.run(run.pk)
    run.refresh_from_db()
    assert run.status == DiscoveryStatus.FAILED
    assert new in run.error_message
    assert known in run.error_message
    assert VCenter.objects.get().found_instance_uuid == new
    assert not DiscoveredVM.objects.exclude(gone_at=None).exists()
    report = connections.test(VCenter.objects.get())
    assert [step.name for step in report.steps if step.outcome == "failed"] == ["Identity"]

    with pytest.raises(OtherEstate):
        vcenters.update(VCenter.objects.get(), password=PASSWORD)
    with pytest.raises(OtherEstate):
        vcenters.update(VCenter.objects.get(), confirm_instance_uuid=known, actor="ann")
    vcenters.update(VCenter.objects.get(), confirm_instance_uuid=new, actor="ann")
    vcenter = VCenter.objects.get()
    assert (vcenter.host_uuid, vcenter.former_instance_uuid) == (new, known)
    assert (vcenter.replaced_by, vcenter.found_instance_uuid) == ("ann", "")
    event = context.events.order_by("-id").first()
    assert (event.actor, event.old, event.new) == ("ann", known, new)
    context.refresh_from_db()
    assert context.identity_asked_at is not None
    run = discovery.request(vcenter, actor="ops")
    discovery.run(run.pk)
    run.refresh_from_db()
    assert run.status == DiscoveryStatus.COMPLETED, run.error_message


def test_one_that_was_added_before_is_recognised_by_its_next_discovery(host: Lab) -> None:
    vcenter = add(host)
    known = vcenter.host_uuid
    VCenter.objects.update(host_uuid="")
    run = discovery.request(vcenter, actor="ops")
    discovery.run(run.pk)
    run.refresh_from_db()
    assert run.status == DiscoveryStatus.COMPLETED, run.error_message
    assert VCenter.objects.get().host_uuid == known
    assert sorted(DiscoveredVM.objects.values_list("vm_name", "datacenter")) == [
        ("lone1", "ha-datacenter"),
        ("lone2", "ha-datacenter"),
    ]


def test_one_that_is_here_twice_already_is_still_read(host: Lab) -> None:
    vcenter = add(host)
    known = vcenter.host_uuid
    VCenter.objects.update(host_uuid="")
    add(host, "again", "localhost")
    run = discovery.request(vcenter, actor="ops")
    discovery.run(run.pk)
    run.refresh_from_db()
    assert run.status == DiscoveryStatus.COMPLETED, run.error_message
    assert VCenter.objects.get(name="again").host_uuid == known


@pytest.mark.parametrize(
    "uuid",
    [
        "",
        "00000000-0000-0000-0000-000000000000",
        "03000200-0400-0500-0006-000700080009",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "not a uuid",
    ],
)
def test_a_uuid_that_many_machines_have_is_nobodys(host: Lab, uuid: str) -> None:
    running = host._live
    running.world.objects["ha-host"].values["hardware_uuid"] = uuid
    vcenter = add(host)
    assert vcenter.host_uuid == ""
    with Session(vcenters.endpoint(vcenter)) as session:
        assert lone_host_uuid(session) is None
