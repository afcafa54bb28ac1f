"""What each transport makes of each kind of VM: an equal copy, or a reason and a remedy."""

from __future__ import annotations

from unicodedata import normalize

import pytest

from contexts.models import DiscoveredVM, VCenter
from contexts.states import TransportKind
from replication.states import JobStatus

COPY = ""
OVER_NFC = "NFC or auto"
# By VM: a part of the reason or of the remedy over `datastore`, and with `auto`.
EXPECTED = {
    "runs on VMFS": (f"HTTP 500|{OVER_NFC}", COPY),
    "off on VMFS": (COPY, COPY),
    "base of a clone": (f"HTTP 500|{OVER_NFC}", COPY),
    "suspended on VMFS": (COPY, COPY),
    "runs on NFS": (COPY, COPY),
    "runs on vSAN": (f"is on a vSAN datastore|{OVER_NFC}", COPY),
    normalize("NFD", "Büro"): (COPY, COPY),
    "has old snapshots": ("“before”|over NFC", COPY),
    "has old snapshots, untracked": ("“before”|over NFC", "“before”|Remove the snapshots"),
    "raw": ("physical mode|Disks tab", "physical mode|Disks tab"),
    "mapped": ("rdm_virtual|Convert it", "rdm_virtual|Convert it"),
    "independent": ("is independent|dependent", "is independent|dependent"),
    "encrypted": ("is encrypted|Decrypt", "is encrypted|Decrypt"),
    "a clone": (f"linked clone|{OVER_NFC}", COPY),
}


# Of each outcome one; and those that no other test replicates.
FEW = ("runs on VMFS", "runs on vSAN", "suspended on VMFS", "has old snapshots, untracked", "raw")


@pytest.mark.scenario("tests/scenarios/methods.toml")
@pytest.mark.parametrize(
    ("transport", "names"),
    [
        pytest.param(TransportKind.DATASTORE, EXPECTED, marks=pytest.mark.slow, id="datastore"),
        pytest.param(TransportKind.AUTO, EXPECTED, marks=pytest.mark.slow, id="auto"),
        pytest.param(TransportKind.AUTO, FEW, id="auto, a few"),
    ],
)
def test_each_vm_is_copied_or_refused_with_a_remedy(estate, transport, names):
    VCenter.objects.update(transport=transport)
    estate.vcenter.refresh_from_db()
    estate.discover()
    assert set(DiscoveredVM.objects.values_list("vm_name", flat=True)) == EXPECTED.keys()
    estate.users_snapshots = {one for vm in estate.control.list_vms() for one in vm["snapshots"]}
    for name in names:
        outcome = EXPECTED[name][transport == TransportKind.AUTO]
        context = estate.take(name)
        if outcome == COPY:
            job = estate.run_job(context)
            assert job.status == JobStatus.COMPLETED, (name, job.error_message)
            estate.assert_equal_to_snapshot(job.recovery_point)
        else:
            job = estate.run_job(context)
            assert job.status == JobStatus.FAILED, (name, job.status, job.error_message)
            for part in outcome.split("|"):
                assert part in job.error_message, name
        estate.assert_nothing_left_over(context)
