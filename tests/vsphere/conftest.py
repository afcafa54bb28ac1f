"""A lab for each test module, sessions with it, and a record of the calls that are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from contexts.vsphere import snapshots
from contexts.vsphere.endpoint import Endpoint, Trust
from contexts.vsphere.inventory import VmRecord, read_vms
from contexts.vsphere.nfc import tickets
from contexts.vsphere.nfc.tickets import Ticket
from contexts.vsphere.records import DiskRecord
from contexts.vsphere.session import Session
from contexts.vsphere.stub import Stub
from contexts.vsphere.tls import presented_certificate
from vmrep.lab import Lab
from vmrep.lab.control.client import LabControl

PASSWORD = "s3cret-of-the-lab"

Connect = Callable[..., Session]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab") / "small", "small", password=PASSWORD) as lab:
        yield lab


@pytest.fixture(scope="module")
def endpoint(lab: Lab) -> Endpoint:
    fingerprint = presented_certificate(lab.host, lab.port).fingerprint_sha256
    return Endpoint(lab.host, lab.port, lab.username, PASSWORD, Trust("pin", fingerprint))


@pytest.fixture
def control(lab: Lab) -> Iterator[LabControl]:
    control = LabControl(lab.control_url)
    yield control
    control.clear_faults()


@pytest.fixture
def connect(endpoint: Endpoint) -> Iterator[Connect]:
    """Sessions with the lab; arguments are Session's, or fields of the endpoint."""
    sessions: list[Session] = []

    def open_session(timeout: float = 20.0, keep_alive: float = 300.0, **fields: Any) -> Session:
        session = Session(
            replace(endpoint, **fields), timeout=timeout, keep_alive_seconds=keep_alive
        )
        sessions.append(session)
        session.connect()
        return session

    yield open_session
    for session in sessions:
        session.close()


@pytest.fixture
def session(connect: Connect) -> Session:
    return connect()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The methods that were called, in order, with property reads as "Fetch <property>"."""
    made: list[str] = []
    call = Stub.InvokeMethod

    def counted(self: Stub, mo: Any, info: Any, args: Any) -> Any:
        made.append(f"Fetch {args[0]}" if info.wsdlName == "Fetch" else info.wsdlName)
        return call(self, mo, info, args)

    ask = Stub.ask

    def asked(self: Stub, target: Any, method: str, *args: Any, **more: Any) -> bytes:
        made.append(method)
        return ask(self, target, method, *args, **more)

    monkeypatch.setattr(Stub, "InvokeMethod", counted)
    monkeypatch.setattr(Stub, "ask", asked)
    return made


@pytest.fixture
def vms(session: Session) -> dict[str, VmRecord]:
    """All VMs of the lab, by name."""
    return {vm.name: vm for page in read_vms(session) for vm in page.records}


@pytest.fixture
def vm(vms: dict[str, VmRecord]) -> VmRecord:
    """The lab's running VM with one disk."""
    return vms["small1"]


@pytest.fixture
def snapshot_disk(session: Session, vm: VmRecord) -> Iterator[DiskRecord]:
    """The running VM's disk as of a snapshot of its own."""
    made = snapshots.create(session, vm.moref, "for NFC", "", False)
    yield snapshots.disks(session, made.moref)[0]
    snapshots.remove(session, made.moref)


@pytest.fixture
def ticket(session: Session, vm: VmRecord) -> Ticket:
    return tickets.to_read(session, vm.moref)
