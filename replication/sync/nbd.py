"""A disk that the administrator's command serves over NBD."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contexts.services import nbd_commands
from contexts.services.nbd_commands import NbdCommand, NbdCommandRefused
from contexts.text import printable
from contexts.vsphere.errors import ConnectionLost, NoTransport, VSphereError
from contexts.vsphere.nfc import tickets
from contexts.vsphere.records import DiskRecord
from replication.engine.errors import SourceError
from replication.engine.sources.nbd_command import PASSWORD, SOCKET, NbdCommandSource
from replication.sync.job_run import JobRun
from replication.sync.seats import Seat

log = logging.getLogger(__name__)


def reach(run: JobRun) -> None:
    """Whether this worker has the command; takes a place on the VM's host. Raises NoTransport,
    ResourceFull."""
    with _as_no_transport(run):
        command = nbd_commands.command(run.context.vcenter.nbd_command)
    with run.seats.one() as seat:
        _admit(run, command, seat)


def probe(run: JobRun, disk: DiskRecord) -> None:
    """Have the disk served, and read its first sector. Raises NoTransport, ResourceFull."""
    with _as_no_transport(run), run.seats.one() as seat:
        reader = open_disk(run, disk, seat).connect()
        try:
            reader.read_into(0, memoryview(bytearray(512)))
        finally:
            reader.close()


def _admit(run: JobRun, command: NbdCommand, seat: Seat) -> int:
    """How many connections there may be now: each is a session of the host that the VM runs on, or
    would be, and takes a place there. Raises ResourceFull, as NFC does."""
    if not command.reads_from_host:
        return command.connections
    host, name = _host(run)
    if not host:
        return command.connections
    seat.require(host, name)
    return 1 + seat.add(command.connections - 1)


def _host(run: JobRun) -> tuple[str, str]:
    """Address and port of the VM's host, as for NFC, and its name; empty where it is not known."""
    name = run.vm.text("host_name") or ""
    try:
        return tickets.to_read(run.session, run.vm.moref, run.vm.name).address, name
    except ConnectionLost:
        raise
    except VSphereError as problem:
        # Not every command needs what NFC needs. The name is another key at worst.
        log.info("%s: no ticket names the host: %s", run.job.pk, printable(str(problem)))
        return f"{name.lower()}:{tickets.PORT}" if name else "", name


@contextmanager
def _as_no_transport(run: JobRun) -> Iterator[None]:
    try:
        yield
    except SourceError as problem:
        raise NoTransport(str(problem), transient=problem.transient) from problem
    except NbdCommandRefused as problem:
        raise NoTransport(f"{run.vm.name}: {problem}", transient=False) from problem


def open_disk(run: JobRun, disk: DiskRecord, seat: Seat) -> NbdCommandSource:
    """The disk as of the job's snapshot. Raises NbdCommandRefused, ResourceFull."""
    command = nbd_commands.command(run.context.vcenter.nbd_command)
    values = _values(run, disk)
    needs_password = any("{password_file}" in argument for argument in command.arguments)

    def arguments(folder: Path) -> list[str]:
        files = {"socket": str(folder / SOCKET), "password_file": str(folder / PASSWORD)}
        return command.filled(values | files)

    arguments(Path("/"))  # what cannot be filled in is said here
    return NbdCommandSource(
        arguments,
        disk.capacity_bytes,
        f"{run.vm.name}, {disk.label or disk.device_key}, by the command “{command.name}”",
        password=run.session.endpoint.password if needs_password else "",
        connections=_admit(run, command, seat),
    )


def _values(run: JobRun, disk: DiskRecord) -> dict[str, str]:
    endpoint = run.session.endpoint
    der = run.session.server_certificate()
    return {
        "server": endpoint.host,
        "port": str(endpoint.port),
        "user": endpoint.username,
        "thumbprint_sha1": _colons(hashlib.sha1(der, usedforsecurity=False).hexdigest()),
        "thumbprint_sha256": _colons(hashlib.sha256(der).hexdigest()),
        "vm_moref": run.vm.moref,
        "snapshot_moref": run.taken_snapshot.moref,
        "disk_path": disk.vmdk_path or "",
        "disk_uuid": disk.disk_uuid or "",
        "device_key": str(disk.device_key),
        "capacity_bytes": str(disk.capacity_bytes),
    }


def _colons(digest: str) -> str:
    return ":".join(re.findall("..", digest.upper()))
