"""The right to one NFC connection, asked for over SOAP.

`NfcService` is not among pyVmomi's types; the ticket that its methods answer is
(`vim.HostServiceTicket`). Privileges: `VirtualMachine.Provisioning.DiskRandomRead` to read,
`VirtualMachine.Provisioning.DiskRandomAccess` to write.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pyVmomi import vim
from pyVmomi.VmomiSupport import F_OPTIONAL, CreateManagedType, GetVmodlType

from contexts.vsphere.errors import ObjectGone
from contexts.vsphere.nfc import internal
from contexts.vsphere.nfc.errors import NfcRefused
from contexts.vsphere.session import Session
from contexts.vsphere.verdicts import Activity

_VERSION = "vim.version.version1"
_ON_VCENTER, _ON_A_LONE_HOST = "nfcService", "ha-nfc-service"
_THUMBPRINT = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){19}")
_LONGEST_TEXT = 255
PORT = 902
"""Where the hosts listen, unless a ticket says otherwise."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """For one connection only.

    `thumbprint_sha1` is what the host's certificate must have; it came over the verified or
    pinned connection to vSphere. `service` is what authd is asked for, `session_id` a secret.
    """

    host: str
    port: int
    thumbprint_sha1: str
    service: str
    session_id: str = field(repr=False)

    @property
    def address(self) -> str:
        """`host:port`, which tells one NFC server from another; an IPv6 address in brackets."""
        host = self.host.lower()
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def to_read(session: Session, vm_moref: str, vm_name: str = "") -> Ticket:
    """For any disk file of the VM, including the parents in a snapshot's chain.

    Raises PrivilegeMissing, ObjectGone, NfcRefused, ConnectionLost.
    """
    vm = session.object(vim.VirtualMachine, vm_moref)
    return _ticket(
        session,
        f"Asking for a ticket to read the disks of {vm_name or vm_moref} over NFC",
        lambda service: service.NfcGetVmFiles(vm),
    )


def to_write(session: Session, vm_moref: str, device_key: int) -> Ticket:
    """For one disk of a VM that is not running. Raises as `to_read` does."""
    vm = session.object(vim.VirtualMachine, vm_moref)
    return _ticket(
        session,
        f"Asking for a ticket to write disk {device_key} of {vm_moref} over NFC",
        lambda service: service.NfcRandomAccessOpenDisk(vm, device_key, None),
    )


def _ticket(session: Session, doing: str, ask: Callable[[Any], Any]) -> Ticket:
    lone = session.about.api_type != "VirtualCenter"
    kind = _service_type()
    usual = _ON_A_LONE_HOST if lone else _ON_VCENTER
    try:
        try:
            answer = _invoke(session, doing, lambda: ask(session.object(kind, usual)))
        except ObjectGone:
            # Usual is no promise: the server itself knows the service's reference.
            told = internal.reference(session, "nfcService", doing)
            if told in (None, usual):
                raise
            answer = _invoke(session, doing, lambda: ask(session.object(kind, told)))
    except ObjectGone as problem:
        raise NfcRefused(
            f"{doing}: {session.endpoint.host} has no NFC service, or the VM is gone ({problem})."
            " Where there is none, choose the transport “Datastore files over HTTPS”."
        ) from problem
    return _checked(answer, session.endpoint.host, lone, doing)


def _invoke(session: Session, doing: str, call: Callable[[], Any]) -> Any:
    return session.invoke(doing, call, activity=Activity.READING_DATA)


def _checked(answer: Any, endpoint_host: str, lone: bool, doing: str) -> Ticket:
    """The ticket in the answer. Nothing of it is used before all of it is known to be right."""
    host = str(answer.host or (endpoint_host if lone else ""))
    thumbprint = str(answer.sslThumbprint or "").upper()
    port, service, secret = answer.port, str(answer.service or ""), str(answer.sessionId or "")
    if not host or len(host) > _LONGEST_TEXT or not isinstance(port, int) or not 0 < port < 65536:
        raise NfcRefused(f"{doing}: the ticket names no host and port ({host[:80]!r}, {port!r}).")
    if not _THUMBPRINT.fullmatch(thumbprint):
        raise NfcRefused(
            f"{doing}: the ticket for {host} has no thumbprint, so the host cannot be told from"
            " another. Nothing is sent to it."
        )
    for word in (service, secret):
        if not re.fullmatch(r"[!-~]{1,255}", word):
            raise NfcRefused(f"{doing}: the ticket for {host} is malformed.")
    return Ticket(host, port, thumbprint, service, secret)


def _service_type() -> Any:
    """`vim.NfcService`, which is made known to pyVmomi when it is first needed."""
    try:
        return GetVmodlType("vim.NfcService")
    except KeyError:
        pass
    vm = ("vm", "vim.VirtualMachine", _VERSION, 0, None)
    disk = ("diskDeviceKey", "int", _VERSION, 0, None)
    on = ("hostForAccess", "vim.HostSystem", _VERSION, F_OPTIONAL, None)
    ticket = (0, "vim.HostServiceTicket", "vim.HostServiceTicket")
    number = (0, "int", "int")
    methods = [
        (_method(name), name, _VERSION, parameters, result, "System.View", None)
        for name, parameters, result in (
            ("NfcGetVmFiles", (vm,), ticket),
            ("NfcRandomAccessOpenReadonly", (vm, disk, on), ticket),
            ("NfcRandomAccessOpenDisk", (vm, disk, on), ticket),
            ("NfcGetServerNfcLibVersion", ((*on[:3], 0, None),), number),
        )
    ]
    CreateManagedType(
        "vim.NfcService", "NfcService", "vmodl.ManagedObject", _VERSION, None, methods
    )
    return GetVmodlType("vim.NfcService")


def _method(wsdl_name: str) -> str:
    return wsdl_name[0].lower() + wsdl_name[1:]
