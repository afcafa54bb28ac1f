"""How fast a simulated host serves a disk: a client that does nothing but read.

    python -m vmrep.bench.bare_nfc [--sessions N] [--mebibytes N] [--rounds N]

It starts a lab in a process of its own, with one disk of random data, and reads the disk in whole
through one host's NFC server, in one process for each session, in the clear and encrypted by turns.
What it prints is the bound for whatever else reads from the lab over NFC.

The client is written from docs/nfc.md alone and shares no code with vmrep's own: that it reads a
disk right is a test of the lab.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import resource
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyVim.connect import SmartConnect

from vmrep.bench.processes import cpu_seconds
from vmrep.lab.nfc.tickets import nfc_service_type

MIB = 1 << 20
REQUEST_BYTES = 2 * MIB
IN_FLIGHT = 4
MAGIC = 0xA100DA7A
HEADER = struct.Struct("<IIII")
PIECE = struct.Struct("<QQQIIIII")
SCENARIO = """
[[vms]]
name = "bulk"
power = "off"
disks = [{{ capacity = "{mebibytes}MiB", content = "random", data = "{data}MiB" }}]
"""


@dataclass(frozen=True)
class Door:
    """Where to knock, and with what: a ticket, good for one connection."""

    port: int
    thumbprint: str
    service: str
    secret: str
    path: str


class BareClient:
    """One session with one open disk."""

    def __init__(self, door: Door, *, encrypted: bool = True) -> None:
        self._number = 0
        self._socket = _admitted(door, encrypted=encrypted)
        self._old_framing()
        self._call(2, struct.pack("<IIII", 0, REQUEST_BYTES, IN_FLIGHT, 0))
        path = door.path.encode()
        opened = self._call(4, struct.pack("<I12xII36x", len(path), 2, 0x1E), path)
        self._handle, self.capacity_bytes = struct.unpack_from("<8xQ8x4xQ", opened)
        self._spare = memoryview(bytearray(REQUEST_BYTES))

    def close(self) -> None:
        """Close file and session in the protocol's way."""
        self._call(5, struct.pack("<Q", self._handle))
        self._send(3, struct.pack("<I", 0))
        self._socket.close()

    def read(self, first: int, end: int, into: memoryview | None = None) -> None:
        """Read a range, several requests in flight; `into` gets it, else it is thrown away."""
        waiting: dict[int, list[int]] = {}  # operation number: offset, bytes still to come
        at = first
        while at < end or waiting:
            while at < end and len(waiting) < IN_FLIGHT:
                length = min(REQUEST_BYTES, end - at)
                number = self._send(
                    7, struct.pack("<QQQQIII", self._handle, 1, at, length, length, length, 0)
                )
                waiting[number] = [at, length]
                at += length
            number, payload = self._receive(7)
            _, _, offset, _, place, size, _, _ = PIECE.unpack(payload)
            if into is None:
                self._fill(self._spare[:size])
            else:
                start = offset + place - first
                self._fill(into[start : start + size])
            waiting[number][1] -= size
            if waiting[number][1] == 0:
                del waiting[number]

    def _old_framing(self) -> None:
        def message(kind: int, body: bytes = b"") -> bytes:
            return (struct.pack("<I", kind) + body).ljust(264, b"\0")

        self._socket.sendall(message(43, b"PlainText") + message(33))
        self._exactly(264)
        self._socket.sendall(message(51, struct.pack("<I", 11)))
        self._exactly(264)
        self._socket.sendall(
            message(54, struct.pack("<II", 4, 4))
            + b"bare"
            + b"read"
            + message(55, struct.pack("<I", 3))
            + message(52)
        )
        self._exactly(264)

    def _send(self, kind: int, payload: bytes, extra: bytes = b"") -> int:
        number = self._number
        self._number += 1
        self._socket.sendall(HEADER.pack(MAGIC, kind, len(payload), number) + payload + extra)
        return number

    def _receive(self, kind: int) -> tuple[int, bytes]:
        magic, found, size, number = HEADER.unpack(self._exactly(HEADER.size))
        payload = self._exactly(size)
        if (magic, found) != (MAGIC, kind):
            raise ValueError(f"{kind} was expected, but {found} came ({payload[:16].hex(' ')})")
        return number, payload

    def _call(self, kind: int, payload: bytes, extra: bytes = b"") -> bytes:
        number = self._send(kind, payload, extra)
        answered, found = self._receive(kind)
        if answered != number:
            raise ValueError(f"message {number} was answered as {answered}")
        return found

    def _exactly(self, length: int) -> bytes:
        found = bytearray(length)
        self._fill(memoryview(found))
        return bytes(found)

    def _fill(self, view: memoryview) -> None:
        while view:
            count = self._socket.recv_into(view)
            if count == 0:
                raise ConnectionError("the host hung up")
            view = view[count:]


def _admitted(door: Door, *, encrypted: bool) -> socket.socket:
    """The connection on which NFC begins."""
    raw = socket.create_connection(("127.0.0.1", door.port), timeout=60)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with raw.makefile("rb", buffering=0) as greeting:
        greeting.readline()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE  # it is trusted by the ticket's thumbprint instead
    control = tls.wrap_socket(raw)
    found = hashlib.sha1(control.getpeercert(binary_form=True) or b"", usedforsecurity=False)
    if found.hexdigest() != door.thumbprint.replace(":", "").lower():
        raise ConnectionError("the certificate is not the one that the ticket names")
    service = f"{door.service}ssl" if encrypted else door.service
    control.sendall(f"SESSION {door.secret}\r\nPROXY {service}\r\n".encode())
    answer = bytearray()
    while not answer.endswith(b"\r\n"):
        answer += control.recv(1)
    if not answer.startswith(b"200 "):
        raise ConnectionError(answer.decode())
    opened = socket.socket(fileno=control.detach())
    opened.settimeout(60)
    return tls.wrap_socket(opened) if encrypted else opened


@contextlib.contextmanager
def lab_of(mebibytes: int) -> Iterator[dict[str, object]]:
    """A lab in a process of its own, with one disk; what its ready line says, and its `pid`."""
    with tempfile.TemporaryDirectory(prefix="vmrep-bench-") as name:
        folder = Path(name)
        scenario = folder / "bulk.toml"
        scenario.write_text(SCENARIO.format(mebibytes=mebibytes + 16, data=mebibytes))
        argv = [sys.executable, "-m", "vmrep.lab", "--folder", str(folder / "lab")]
        argv += ["--scenario", str(scenario), "--port", "0"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            try:
                line = process.stdout.readline() if process.stdout else b""
                yield {**json.loads(line), "pid": process.pid}
            finally:
                process.terminate()


def doors(ready: dict[str, object], count: int) -> list[Door]:
    """So many tickets for the one disk of a lab's first VM."""
    kind = nfc_service_type()
    si = SmartConnect(
        host=ready["host"],
        port=ready["port"],
        user=ready["username"],
        pwd=ready["password"],
        disableSslCertValidation=True,
    )
    vm = si.content.rootFolder.childEntity[0].vmFolder.childEntity[0]
    path = next(d.backing.fileName for d in vm.config.hardware.device if hasattr(d, "capacityInKB"))
    service = kind("nfcService", si._stub)
    tickets = [service.NfcGetVmFiles(vm) for _ in range(count)]
    return [Door(t.port, t.sslThumbprint, t.service, t.sessionId, path) for t in tickets]


def _read_share(door: Door, share: tuple[int, int], encrypted: bool) -> None:
    """Read `share[0]`-th of `share[1]` parts of the disk."""
    client = BareClient(door, encrypted=encrypted)
    part = -(-client.capacity_bytes // share[1] // REQUEST_BYTES) * REQUEST_BYTES
    client.read(part * share[0], min(part * (share[0] + 1), client.capacity_bytes))
    client.close()


def _cpu_of(ready: dict[str, object]) -> tuple[float, float]:
    """CPU seconds that the lab has used so far, and clients that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return cpu_seconds(int(str(ready["pid"]))), ended.ru_utime + ended.ru_stime


def measure(ready: dict[str, object], sessions: int, *, encrypted: bool) -> float:
    """Seconds for the whole disk."""
    given = doors(ready, sessions)
    work = [
        multiprocessing.Process(target=_read_share, args=(door, (n, sessions), encrypted))
        for n, door in enumerate(given)
    ]
    began = time.monotonic()
    for one in work:
        one.start()
    for one in work:
        one.join()
        if one.exitcode:
            raise RuntimeError("a client failed, see above")
    return time.monotonic() - began


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="vmrep.bench.bare_nfc")
    parser.add_argument("--sessions", type=int, default=1, help="at once, a process each")
    parser.add_argument("--mebibytes", type=int, default=1024, help="on the disk")
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args(arguments)
    with lab_of(wanted.mebibytes) as ready:
        for encrypted in (False, True) * wanted.rounds:
            before = _cpu_of(ready)
            seconds = measure(ready, wanted.sessions, encrypted=encrypted)
            server, clients = (b - a for a, b in zip(before, _cpu_of(ready), strict=True))
            size = wanted.mebibytes + 16
            line = {
                "encrypted": encrypted,
                "sessions": wanted.sessions,
                "mib_per_second": round(size / seconds),
                "server_cpu_seconds_per_gib": round(server / size * 1024, 2),
                "client_cpu_seconds_per_gib": round(clients / size * 1024, 2),
            }
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
