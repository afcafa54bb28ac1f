"""Where the simulated hosts listen: a port and a certificate for each."""

from __future__ import annotations

import hashlib
import logging
import re
import socket
import ssl
import threading
from pathlib import Path

from pyVmomi import vim

from vmrep.lab.errors import PortError
from vmrep.lab.nfc.authd import Door, Refused, admit
from vmrep.lab.nfc.session import NfcSession
from vmrep.lab.nfc.tickets import Tickets
from vmrep.lab.soap.certificate import CERTIFICATE_FILE, renew, server_context
from vmrep.lab.world.inventory import Host
from vmrep.lab.world.objects import World

log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
SESSIONS_PER_HOST = 16
SETUP_SECONDS = 30.0


class NfcHosts:
    """A server for each host of the world. `sessions_per_host` may be changed at any time."""

    def __init__(self, world: World, folder: Path, address: str = ADDRESS) -> None:
        self.address = address
        self.tickets = Tickets()
        self.sessions_per_host = SESSIONS_PER_HOST
        self._stated: dict[str, str] = {}  # a thumbprint that is not the host's own
        self._servers: dict[str, HostServer] = {}
        hosts = [host.moid for host in world.of_type(Host)]
        try:
            for moid in hosts:
                self._servers[moid] = HostServer(self, world, moid, folder / "hosts" / moid)
        except BaseException:
            self.stop()
            raise

    def server(self, moid: str) -> HostServer:
        return self._servers[moid]

    def stated_thumbprint(self, moid: str) -> str:
        """What tickets say about the host's certificate."""
        return self._stated.get(moid) or self._servers[moid].thumbprint

    def state_thumbprint(self, moid: str, thumbprint: str) -> None:
        """Make tickets say something untrue; "" for the truth again."""
        self._stated[moid] = thumbprint

    def start(self) -> None:
        for server in self._servers.values():
            server.start()

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()


class HostServer:
    """Listens for one host; a thread for each connection. Raises PortError."""

    def __init__(self, hosts: NfcHosts, world: World, moid: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._hosts, self._world, self._moid = hosts, world, moid
        self._name = world.entity_named(moid, vim.HostSystem, "host").name
        self.address = hosts.address
        self._folder, self._tls = folder, server_context(folder)
        self.is_away = False
        self._read_certificate()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self.sessions = 0
        self.left_open = 0  # sessions that ended, but not in the protocol's way
        try:
            self._listener = socket.create_server(
                (self.address, 0),
                family=socket.AF_INET6 if ":" in self.address else socket.AF_INET,
                backlog=64,
            )
        except OSError as error:
            raise PortError(f"cannot listen for the host {moid}: {error.strerror}") from error
        self.port = int(self._listener.getsockname()[1])

    def _read_certificate(self) -> None:
        der = ssl.PEM_cert_to_DER_cert((self._folder / CERTIFICATE_FILE).read_text())
        self.thumbprint = _with_colons(hashlib.sha1(der, usedforsecurity=False).hexdigest())
        sha256 = _with_colons(hashlib.sha256(der).hexdigest())
        self._door = Door(self._moid, self._tls, sha256, self._world.product.nfc_door)

    def renew_certificate(self) -> None:
        """Another certificate for every connection from now on; those that are open continue."""
        renew(self._folder, self._tls)
        self._read_certificate()

    def start(self) -> None:
        threading.Thread(target=self._accept, name=f"lab-nfc-{self._moid}", daemon=True).start()

    def stop(self) -> None:
        # Closing alone would not wake the thread that accepts.
        for connection in (self._listener, *self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                log.debug("a connection was gone before it was cut")
        self._listener.close()

    def cut(self) -> int:
        """Cut all open connections, as a host that is restarted does. Returns how many."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                log.debug("a connection was gone before it was cut")
        return len(connections)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # stopped
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        if self.is_away:
            raw.close()
            return
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.settimeout(SETUP_SECONDS)
        # The descriptor goes from one TLS session to the next: only a copy of it can be cut.
        handle = raw.dup()
        with self._lock:
            self._connections.add(handle)
        try:
            ticket, connection = admit(raw, self._door, self._hosts.tickets)
            with self._lock:
                self._count(1)
                full = self.sessions > self._hosts.sessions_per_host
            try:
                session = NfcSession(connection, self._world, ticket, full=full)
                session.serve()
            finally:
                connection.close()
                with self._lock:
                    self._count(-1)
                    self.left_open += not session.closed_cleanly
        except (OSError, Refused, ssl.SSLError) as ended:
            log.debug("a connection to %s ended: %s", self._moid, ended)
        except Exception:
            log.exception("a connection to %s failed within the lab", self._moid)
        finally:
            with self._lock:
                self._connections.discard(handle)
            handle.close()

    def _count(self, more: int) -> None:
        """One session more, or less; also of those that are refused."""
        self.sessions += more
        self._world.meters.are_now("sessions", self._name, self.sessions)


def _with_colons(digits: str) -> str:
    return ":".join(re.findall("..", digits.upper()))
