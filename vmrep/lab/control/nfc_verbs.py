"""Control verbs for the simulated hosts' NFC servers."""

from __future__ import annotations

from pyVmomi import vim

from vmrep.lab.control.inventory_verbs import InventoryVerbs
from vmrep.lab.errors import ControlError
from vmrep.lab.nfc.hosts import SESSIONS_PER_HOST, NfcHosts
from vmrep.lab.nfc.tickets import LIFE_SECONDS, NfcService


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
