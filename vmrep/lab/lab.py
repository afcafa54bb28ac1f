"""The lab as a whole: a folder, the world in it, and its two servers."""

from __future__ import annotations

import datetime
import logging
import secrets
import ssl
import types
from contextlib import ExitStack
from dataclasses import fields
from functools import partial
from pathlib import Path

from vmrep.lab.control.surface import control_handler
from vmrep.lab.errors import FolderError
from vmrep.lab.estate import scenario as scenarios
from vmrep.lab.estate.builder import Builder
from vmrep.lab.estate.churn import Churn
from vmrep.lab.estate.other_backups import OtherBackups
from vmrep.lab.estate.scenario import Scenario, parse_size
from vmrep.lab.nfc.hosts import NfcHosts
from vmrep.lab.nfc.tickets import NfcService
from vmrep.lab.soap.certificate import renew, server_context
from vmrep.lab.soap.codec import utc_now
from vmrep.lab.soap.server import Server, handler_for
from vmrep.lab.soap.service import Service, build_service
from vmrep.lab.world import snapshots
from vmrep.lab.world.inventory import build_entity
from vmrep.lab.world.objects import Paths, World
from vmrep.lab.world.records import EntityRecord, Estate, VmRecord
from vmrep.lab.world.state import STATE_FILE, FolderLock, Store
from vmrep.lab.world.tasks import Tasks
from vmrep.lab.world.vm import VirtualMachine

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
USERNAME = "administrator@vsphere.local"
DRAIN_SECONDS = 20.0


class Lab:
    """A simulated vCenter with real disks.

    The first start in a folder builds the scenario there; later starts continue with what is there.
    Use it as a context manager, or call `start` and `stop`. Port 0 means any free port; `port` and
    `control_url` tell which. Without a password, one is made: see `password`. `host` is the
    loopback address to listen at, "::1" for IPv6. With `newest_tls` (TLSv1_1) it is a server from
    before TLS 1.2.

    Raises FolderError (not writable, in use, of another scenario, or no lab's folder),
    ScenarioError and PortError, all of them LabErrors with a message for whoever runs the lab."""

    def __init__(
        self,
        folder: Path,
        scenario: str,
        *,
        port: int = 0,
        control_port: int = 0,
        username: str = USERNAME,
        password: str | None = None,
        churn_seconds: float | None = None,
        host: str = HOST,
        newest_tls: ssl.TLSVersion | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.username = username
        self.password = password or secrets.token_urlsafe(12)
        self.host = host
        self.newest_tls = newest_tls
        self._scenario = scenarios.load(scenario)
        self._ports = port, control_port
        self._churn_seconds = churn_seconds
        self._running: _Running | None = None

    def start(self) -> Lab:
        """Build or open the folder and serve. Returns the lab itself."""
        if self._running is None:
            self._running = _Running(self, self._scenario, self._ports, self._churn_seconds)
            log.info("lab %s on %s:%d", self._scenario.name, self.host, self.port)
        return self

    def stop(self) -> None:
        """Let running tasks end, stop serving, and give the folder back."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def __enter__(self) -> Lab:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _live(self) -> _Running:
        if self._running is None:
            raise FolderError("the lab is not running")
        return self._running

    @property
    def port(self) -> int:
        """The port of the vSphere API and datastore files (HTTPS)."""
        return self._live.server.port

    @property
    def control_url(self) -> str:
        """The address of the control surface."""
        return f"http://{HOST}:{self._live.control.port}"

    @property
    def nfc(self) -> NfcHosts:
        """The simulated hosts' NFC servers and the tickets that are out."""
        return self._live.nfc

    @property
    def instance_uuid(self) -> str:
        """The vCenter's own identity (about.instanceUuid)."""
        return self._live.world.estate.instance_uuid


class _Running:
    """What exists only while a lab runs."""

    def __init__(
        self,
        lab: Lab,
        scenario: Scenario,
        ports: tuple[int, int],
        churn_seconds: float | None,
    ) -> None:
        _check_folder(lab.folder)
        with ExitStack() as opened:
            self.lock = FolderLock(lab.folder)
            opened.callback(self.lock.release)
            self.store = Store(lab.folder)
            opened.callback(self.store.close)
            self.world = open_world(scenario, lab.folder, self.store, lab.username, lab.password)
            self.service = Service(self.world)
            tls = server_context(lab.folder, lab.newest_tls)
            self.service.renew_certificate = partial(renew, lab.folder, tls)
            self.server = Server(lab.host, ports[0], handler_for(self.service), tls)
            opened.callback(self.server.server_close)
            self.control = Server(HOST, ports[1], control_handler(self.service))
            opened.callback(self.control.server_close)
            self.nfc = NfcHosts(self.world, lab.folder, lab.host)
            NfcService(self.world, self.world.product.nfc_service, self.nfc)
            opened.pop_all()  # nothing failed: everything stays open until `stop`
        self.world.other_backups = OtherBackups(self.world)
        self.churn = Churn(self.world, churn_seconds) if churn_seconds else None
        self.nfc.start()
        self.server.start("lab-vsphere")
        self.control.start("lab-control")
        if self.churn:
            self.churn.start()
        self.world.other_backups.run(self.world.estate.other_backups_seconds)

    def stop(self) -> None:
        if self.churn:
            self.churn.stop()
        self.world.other_backups.stop()
        self.world.tasks.drain(DRAIN_SECONDS)
        self.server.stop()
        self.control.stop()
        self.nfc.stop()
        self.service.sessions.expire_all()  # wakes the threads that wait for updates
        self.store.close()
        self.lock.release()


def _check_folder(folder: Path) -> None:
    """Refuse to build into a folder with other things in it."""
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is not a folder")
    if not folder.exists() or (folder / STATE_FILE).exists():
        return
    own = {"lab.lock", "certificate.pem", "certificate.key", "hosts"}
    if any(p.name not in own for p in folder.iterdir()):
        raise FolderError(f"{folder} has other things in it than a lab; choose an empty folder")


def open_world(scenario: Scenario, folder: Path, store: Store, user: str, password: str) -> World:
    """The world in a folder, built from the scenario when there is none yet."""
    paths = Paths(folder)
    if store.get("estate", "estate") is None:
        Builder(scenario, paths, store).build()
    kept = store.get("estate", "estate") or {}
    estate = Estate(**{f.name: kept[f.name] for f in fields(Estate) if f.name in kept})
    if estate.scenario != scenario.name:
        raise FolderError(
            f"{folder} holds the scenario {estate.scenario!r}, not {scenario.name!r}; "
            "choose another folder, or remove this one to start over"
        )
    world = World(estate, store, paths)
    world.tasks = Tasks(world)
    for record in store.all("entity"):
        build_entity(world, EntityRecord(**record))
    vms = [VirtualMachine(world, VmRecord.load(r)) for r in store.all("vm")]
    build_service(world, user, password)
    for vm in vms:
        vm.resume()
        _answer_oddly(world, vm)
    if estate.boots == 0:
        _first_snapshots(scenario, vms)
    # counted only now: a first start that was killed before this point is resumed
    estate.boots += 1
    world.save_estate()
    return world


def _answer_oddly(world: World, vm: VirtualMachine) -> None:
    for odd in vm.record.odd:
        if odd["vanishes"]:
            world.odd.vanish(vm.moid, whole_call=odd["vanishes"] == "call")
        elif odd["fault"]:
            world.odd.refuse(vm.moid, odd["path"], odd["fault"], odd["message"])
        else:
            world.odd.say(vm.moid, odd["path"], odd["xml"])


def _first_snapshots(scenario: Scenario, vms: list[VirtualMachine]) -> None:
    """Take the snapshots that VMs begin with, and let their guests write after each."""
    specs = [spec for spec in scenario.vms for _ in range(spec.count)]
    for vm, spec in zip(vms, specs, strict=True):
        if spec.tracking:
            vm.stun()
        for wanted in spec.snapshots[len(vm.record.snapshots) :]:
            if wanted.after is not None:
                names = {s.name: ref for ref, s in vm.record.snapshots.items()}
                snapshots.revert(vm, names[wanted.after])
            made = snapshots.create(vm, snapshots.Request(wanted.name, wanted.description))
            taken_at = utc_now() - datetime.timedelta(days=wanted.age_days)
            vm.record.snapshots[made._moId].created_at = taken_at.isoformat()
            for disk in vm.disks.values():
                length = min(parse_size(wanted.write), disk.chain.capacity_bytes)
                if length:
                    disk.fill(disk.chain.churn_start, length, wanted.name)
        if spec.tracking or spec.snapshots:
            vm.save()
