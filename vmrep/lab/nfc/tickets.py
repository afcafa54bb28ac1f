"""Tickets: the right to one connection, handed out over SOAP and used up at the host's door."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyVmomi import vim
from pyVmomi.VmomiSupport import F_OPTIONAL, CreateManagedType, GetVmodlType

from vmrep.lab.world.objects import Managed, World, invalid_argument
from vmrep.lab.world.records import POWERED_ON
from vmrep.lab.world.vm import VirtualMachine

if TYPE_CHECKING:
    from vmrep.lab.nfc.hosts import NfcHosts
    from vmrep.lab.soap.sessions import Session

LIFE_SECONDS = 120.0
LIBRARY_VERSION = 11

_VERSION = "vim.version.version1"


def nfc_service_type() -> Any:
    """`vim.NfcService`, which pyVmomi does not know by itself."""
    try:
        return GetVmodlType("vim.NfcService")
    except KeyError:
        pass
    vm = ("vm", "vim.VirtualMachine", _VERSION, 0, None)
    key = ("diskDeviceKey", "int", _VERSION, 0, None)
    host = ("hostForAccess", "vim.HostSystem", _VERSION, F_OPTIONAL, None)
    ticket = (0, "vim.HostServiceTicket", "vim.HostServiceTicket")
    parameters = {
        "NfcGetVmFiles": ((vm,), ticket),
        "NfcRandomAccessOpenReadonly": ((vm, key, host), ticket),
        "NfcRandomAccessOpenDisk": ((vm, key, host), ticket),
        "NfcGetServerNfcLibVersion": ((("hostForAccess", *host[1:3], 0, None),), (0, "int", "int")),
    }
    CreateManagedType(
        "vim.NfcService",
        "NfcService",
        "vmodl.ManagedObject",
        _VERSION,
        None,
        [
            (name[0].lower() + name[1:], name, _VERSION, wanted, result, "System.View", None)
            for name, (wanted, result) in parameters.items()
        ],
    )
    return GetVmodlType("vim.NfcService")


@dataclass(frozen=True)
class Ticket:
    """What the holder may do, on which host, until when (time.monotonic)."""

    vm: str
    host: str
    writable: bool
    device_key: int | None
    expires_at: float


class Tickets:
    """The tickets that were issued. Each works once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._out: dict[str, Ticket] = {}
        self.life_seconds = LIFE_SECONDS

    def issue(self, vm: str, host: str, *, writable: bool, device_key: int | None) -> str:
        secret = secrets.token_hex(26)
        ticket = Ticket(vm, host, writable, device_key, time.monotonic() + self.life_seconds)
        with self._lock:
            now = time.monotonic()
            self._out = {s: t for s, t in self._out.items() if t.expires_at > now}
            self._out[secret] = ticket
        return secret

    def use(self, secret: str, host: str) -> Ticket | None:
        """The ticket, which is used up by this; None: unknown, used, expired, or another host's."""
        with self._lock:
            ticket = self._out.pop(secret, None)
        if ticket is None or ticket.host != host or ticket.expires_at <= time.monotonic():
            return None
        return ticket


class NfcService(Managed):
    """Hands out tickets. Its type is not public; see `nfc_service_type`."""

    def __init__(self, world: World, moid: str, hosts: NfcHosts) -> None:
        self.type = nfc_service_type()  # type: ignore[misc]  # made when it is first needed
        self.hosts = hosts
        super().__init__(world, moid)

    def NfcGetVmFiles(self, call: Any, session: Session) -> Any:
        """To read any disk file of the VM."""
        return self._ticket(call.vm, writable=False, device_key=None)

    def NfcRandomAccessOpenReadonly(self, call: Any, session: Session) -> Any:
        """To read one disk."""
        return self._ticket(call.vm, writable=False, device_key=call.diskDeviceKey)

    def NfcRandomAccessOpenDisk(self, call: Any, session: Session) -> Any:
        """To write one disk of a VM that is off."""
        return self._ticket(call.vm, writable=True, device_key=call.diskDeviceKey)

    def NfcGetServerNfcLibVersion(self, call: Any, session: Session) -> int:
        """The version of the host's library."""
        self.world.find(call.hostForAccess)
        return LIBRARY_VERSION

    def _ticket(self, ref: Any, *, writable: bool, device_key: int | None) -> Any:
        vm = self.world.find(ref)
        if not isinstance(vm, VirtualMachine):
            raise invalid_argument("vm")
        vm.require_connected()
        if device_key is not None and device_key not in vm.disks:
            raise invalid_argument("diskDeviceKey")
        if writable and vm.record.power_state == POWERED_ON:
            raise vim.fault.InvalidPowerState(
                requestedState="poweredOff",
                existingState=vm.record.power_state,
                msg="The attempted operation cannot be performed in the current state.",
            )
        server, product = self.hosts.server(vm.record.host), self.world.product
        secret = self.hosts.tickets.issue(
            vm.moid, vm.record.host, writable=writable, device_key=device_key
        )
        return vim.HostServiceTicket(
            host=None if product.datacenter else server.address,
            port=server.port,
            sslThumbprint=self.hosts.stated_thumbprint(vm.record.host),
            service=product.nfc_door,
            serviceVersion="1.1",
            sessionId=secret,
        )
