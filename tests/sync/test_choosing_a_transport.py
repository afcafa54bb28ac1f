"""`auto`: the first transport that really reads all disks, and why it is not a better one."""

from __future__ import annotations

import pytest

from contexts.models import VCenter
from contexts.states import TransportKind
from replication.models import Place, VMSnapshot
from replication.services import start
from replication.states import SnapshotState
from replication.sync import runner
from tests import factories

CLOSED = "Open TCP"


@pytest.fixture
def context(estate):
    VCenter.objects.update(transport=TransportKind.AUTO)
    estate.vcenter.refresh_from_db()
    return estate.take("small2")


@pytest.fixture
def closed_port(estate):
    """No host answers on its port for NFC."""
    estate.lab.nfc.stop()


def test_a_new_vcenter_chooses_by_itself():
    assert VCenter().transport == TransportKind.AUTO


def test_the_hosts_are_read_over_nfc_where_they_can(estate, context):
    job = estate.replicate(context)
    assert (job.transport, job.transport_reason) == ("nfc", "")
    assert (context.transport, context.transport_reason) == ("nfc", "")


@pytest.mark.slow
def test_a_closed_port_is_told_everywhere_and_the_files_are_read(
    estate, context, closed_port, client, settings
):
    job = estate.replicate(context)
    assert job.transport == context.transport == "datastore"
    assert job.transport_reason == context.transport_reason
    assert job.transport_reason.startswith("Not over NFC: small2: 127.0.0.1:")
    assert CLOSED in job.transport_reason
    assert "from this machine to the ESXi hosts" in job.transport_reason
    assert job.transport_reason in job.steps.get(name="plan").message
    assert not Place.objects.exists()

    client.force_login(factories.user())
    panel = client.get(f"/virtual-machines/?vm={context.pk}").content.decode()
    assert "over /folder" in panel
    assert CLOSED in panel
    assert CLOSED in client.get(f"/jobs/{job.pk}/").content.decode()
    listed = client.get("/vcenters/").content.decode()
    assert "1 VM over /folder" in " ".join(listed.split())
    assert CLOSED in listed
    told = client.get(f"/api/v1/vcenters/{estate.vcenter.pk}/").json()
    assert told["read_over"] == {"datastore": 1}
    assert told["passed_over_vm"] == "small2"
    assert CLOSED in told["passed_over_reason"]
    assert client.get(f"/api/v1/replications/{job.pk}/").json()["transport"] == "datastore"


def test_a_disk_that_does_not_open_decides_for_the_vm(estate, context):
    """The port answers, but the second disk is refused: the first is not read another way."""
    estate.control.fail("NFC open", nth=2, fault="error", times=1000)
    job = estate.replicate(context)
    assert job.transport == "datastore"
    assert "Hard disk 2" in job.transport_reason
    assert "NFC error 5" in job.transport_reason


def test_without_any_way_no_snapshot_is_kept_and_each_reason_is_told(estate, context, closed_port):
    estate.control.fail("GET /folder", fault="500", times=10_000)
    job = estate.run_job(context)
    assert "Not over NFC: small2: 127.0.0.1:" in job.error_message
    assert "Not over /folder: " in job.error_message
    assert "HTTP 500" in job.error_message
    # Before it is cleaned up, and although the next attempt would need one again.
    assert not VMSnapshot.objects.exclude(state=SnapshotState.REMOVED).exists()


def test_a_host_without_a_place_is_waited_for_and_not_passed_over(estate, context, settings):
    settings.DISKS_PER_HOST = 1
    job = start.start(context, trigger="manual", requested_by="ops")
    for server in estate.lab.nfc._servers.values():
        factories.places(job, "host_sessions", f"127.0.0.1:{server.port}", 1)
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert "Waiting for a place on host" in job.current_operation
    assert job.transport == ""


@pytest.mark.parametrize("transport", [TransportKind.NFC, TransportKind.DATASTORE])
def test_what_is_chosen_by_hand_has_no_substitute(estate, context, transport, request):
    VCenter.objects.update(transport=transport)
    if transport == TransportKind.NFC:
        request.getfixturevalue("closed_port")
    else:
        estate.control.fail("GET /folder", fault="500", times=10_000)
    job = estate.run_job(context)
    assert "Not over" not in job.error_message
    assert job.error_message.startswith("small2: 127" if transport == TransportKind.NFC else "Read")
