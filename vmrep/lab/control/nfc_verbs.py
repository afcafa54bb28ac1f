"""Control verbs for the simulated hosts' NFC servers."""

from __future__ import annotations

from pyVmomi import vim

from vmrep.lab.control.inventory_verbs import InventoryVerbs
from vmrep.lab.errors import ControlError
from vmrep.lab.nfc.hosts import SESSIONS_PER_HOST, NfcHosts
from vmrep.lab.nfc.tickets import LIFE_SECONDS, NfcService
from vmrep.lab.world.vm import VirtualMachine


class NfcVerbs(InventoryVerbs):
    """Limits, certificates and connections. Kept in memory only."""

    def set_nfc(
        self, sessions: int = SESSIONS_PER_HOST, ticket_seconds: float = LIFE_SECONDS
    ) -> None:
        """How many NFC sessions each host has at once, and how long tickets are good."""
        if sessions < 0 or ticket_seconds < 0:
            raise ControlError("sessions and ticket_seconds must not be negative")
        nfc = self._nfc()
        nfc.sessions_per_host, nfc.tickets.life_seconds = sessions, ticket_seconds

    def state_thumbprint(self, host: str, thumbprint: str = "") -> None:
        """Let tickets say another thumbprint than the host's own; without one, the true one."""
        self._nfc().state_thumbprint(self._host(host), thumbprint)

    def renew_certificate(self, host: str = "", told: bool = True) -> None:
        """Give the vCenter, or a host, another certificate for all connections from now on. `told`:
        tickets name the host's new one; otherwise the old one, as until it is reconnected."""
        if not host:
            self._service.renew_certificate()
            return
        moid = self._host(host)
        server = self._nfc().server(moid)
        before = server.thumbprint
        server.renew_certificate()
        self._nfc().state_thumbprint(moid, "" if told else before)

    def vmotion(self, vm: str, host: str) -> None:
        """Let a VM run on another host from now on: its files and references stay, and NFC sessions
        that have its disks open continue; new ones with tickets for the former host do not."""
        found = self._vm(vm)
        with self._world.lock:
            found.record.host = self._host(host)
            found.save()

    def set_host(self, host: str, state: str = "connected") -> None:
        """`connected`; `maintenance` (its VMs stay as they are); `disconnected` from the vCenter:
        no task and no ticket for its VMs, but open NFC sessions continue; `notResponding`: as when
        it restarts, and all NFC connections are cut, and new ones, too."""
        if state not in ("connected", "maintenance", "disconnected", "notResponding"):
            raise ControlError(f"{state!r} is no state of a host")
        moid = self._host(host)
        found, server = self._world.objects[moid], self._nfc().server(moid)
        is_there = state in ("connected", "maintenance")
        with self._world.changed:
            found.values.update(host_state=state)
            for vm in self._world.of_type(VirtualMachine):
                if vm.record.host == moid:
                    vm.record.connection_state = "connected" if is_there else "disconnected"
                    vm.save()
            found.touch()
        server.is_away = state == "notResponding"
        if server.is_away:
            server.cut()

    def cut_nfc(self, host: str) -> dict[str, int]:
        """Cut all NFC connections to a host, as a restart of it does."""
        return {"cut": self._nfc().server(self._host(host)).cut()}

    def _host(self, name: str) -> str:
        return self._world.entity_named(name, vim.HostSystem, "host").moid

    def _nfc(self) -> NfcHosts:
        found = self._world.objects[self._world.product.nfc_service]
        if not isinstance(found, NfcService):
            raise ControlError("this lab has no NFC")
        return found.hosts
