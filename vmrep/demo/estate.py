"""The demo's repository and vCenter, and its VMs under management; made once, then found."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from contexts.models import DiscoveredVM, Discovery, VCenter, VMContext
from contexts.services import discovery, management, vcenters
from contexts.states import DiscoveryStatus, TransportKind, TrustMode
from replication.models import Repository
from replication.services import repositories
from vmrep.local.errors import LocalError
from vmrep.local.ports import LOCALHOST

ACTOR = "demo"
WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class LabAddress:
    """Where the lab's vSphere is, and how to log in."""

    port: int
    username: str
    password: str


def repository(folder: Path) -> Repository:
    """The folder as a repository."""
    found = Repository.objects.filter(config={"path": str(folder)}).first()
    return found or repositories.add_directory("Demo repository", str(folder))


def vcenter(lab: LabAddress) -> VCenter:
    """The lab, pinned to the certificate that it presents.

    Whoever adds a real vCenter compares the fingerprint with what its owner says; the demo itself
    has just made this one, on this machine.
    """
    found = VCenter.objects.filter(host=LOCALHOST, port=lab.port).first()
    if found is not None:
        return found
    certificate = vcenters.presented_certificate(LOCALHOST, lab.port)
    return vcenters.add(
        name="Lab",
        host=LOCALHOST,
        port=lab.port,
        username=lab.username,
        password=lab.password,
        trust_mode=TrustMode.PIN,
        fingerprint_sha256=certificate.fingerprint_sha256,
        # Most of the lab's datastores refuse the files of running VMs over HTTPS.
        transport=TransportKind.NFC,
    )


def discover(vcenter: VCenter) -> list[DiscoveredVM]:
    """Reads the vCenter through the worker, as the Discovery page does."""
    run = discovery.request(vcenter, actor=ACTOR)
    deadline = time.monotonic() + WAIT_SECONDS
    while run.status in DiscoveryStatus.active():
        if time.monotonic() > deadline:
            raise LocalError(f"the discovery of {vcenter} did not finish; see log/control.log")
        time.sleep(0.2)
        run = Discovery.objects.get(pk=run.pk)
    if run.status != DiscoveryStatus.COMPLETED:
        raise LocalError(f"the discovery of {vcenter} failed: {run.error_message}")
    return list(DiscoveredVM.objects.filter(vcenter=vcenter, gone_at=None).order_by("vm_path"))


def take(vms: Collection[DiscoveredVM], repository: Repository) -> list[VMContext]:
    """Takes the VMs under management."""
    return management.take(vms, repository=repository, actor=ACTOR)
