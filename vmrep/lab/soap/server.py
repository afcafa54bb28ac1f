"""The HTTPS server: the API under /sdk and datastore files under /folder."""

from __future__ import annotations

import base64
import binascii
import gzip
import logging
import os
import re
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from vmrep.lab.control.injection import DROP, FAULT, FOLDER
from vmrep.lab.disks.datastore_files import ExtentFile, FileRefused, TextFile, open_file
from vmrep.lab.errors import PortError
from vmrep.lab.soap import codec
from vmrep.lab.soap.service import Service

log = logging.getLogger(__name__)

MOST_REQUEST_BYTES = 32 << 20
CHUNK_BYTES = 1 << 20
COMPRESS_FROM_BYTES = 8192
IDLE_SECONDS = 300
COOKIE = "vmware_soap_session"
_REALM = 'Basic realm="VMware HTTP server"'


class Server(ThreadingHTTPServer):
    """A threaded server that can be stopped with connections open.

    Raises PortError when the port is taken."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        host: str,
        port: int,
        handler: type[BaseHTTPRequestHandler],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        self._tls = tls
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), handler)
        except OSError as error:
            raise PortError(
                f"cannot listen on {host}:{port}: {error.strerror}; choose another port"
            ) from error

    @property
    def port(self) -> int:
        """The port in use (chosen by the system for port 0)."""
        return int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept; the TLS handshake is left to the connection's own thread."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls:
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        with self._connections_lock:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that ends."""
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are normal; anything else is logged in full."""
        if isinstance(sys.exc_info()[1], ConnectionError | TimeoutError | ssl.SSLError):
            log.debug("connection from %s ended", client_address, exc_info=True)
        else:
            log.exception("connection from %s", client_address)

    def start(self, name: str) -> None:
        """Serve in a separate thread."""
        threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, name=name, daemon=True
        ).start()

    def stop(self) -> None:
        """Stop listening and cut the open connections."""
        self.shutdown()
        self.server_close()
        with self._connections_lock:
            left = list(self._connections)
        for connection in left:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                log.debug("a connection was gone before it was cut")


class Throttle:
    """Lets no more bytes pass in a second than it is told, all threads together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self, count: int, bytes_per_second: int | None) -> None:
        """Wait until so many bytes more have had their time."""
        if bytes_per_second is None:
            return
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + count / bytes_per_second
            seconds = self._free_at - time.monotonic()
        time.sleep(seconds)


class Handler(BaseHTTPRequestHandler):
    """One connection of a vSphere client."""

    protocol_version = "HTTP/1.1"
    server_version = "vmrep-lab"
    timeout = IDLE_SECONDS
    service: Service
    throttle: Throttle

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are logged by those who serve them."""

    # --- what the client sent

    def _token(self) -> str | None:
        found = re.search(rf'{COOKIE}="?([^";,\s]+)', self.headers.get("Cookie") or "")
        return found[1] if found else None

    def _body(self) -> bytes | None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks()
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_REQUEST_BYTES:
            return None
        return self.rfile.read(int(length))

    def _chunks(self) -> bytes | None:
        parts: list[bytes] = []
        total = 0
        while True:
            try:
                size = int(self.rfile.readline(1024).split(b";")[0], 16)
            except ValueError:
                return None
            total += size
            if total > MOST_REQUEST_BYTES:
                return None
            parts.append(self.rfile.read(size))
            self.rfile.readline(1024)
            if size == 0:
                return b"".join(parts)

    # --- answers

    def _reply(
        self, status: int, body: bytes = b"", content: str = "text/plain", **headers: str
    ) -> None:
        self._head(status, len(body), content, **headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, length: int, content: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _cut(self) -> None:
        """Drop the connection without another word."""
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    # --- the API

    def do_POST(self) -> None:
        """A SOAP call."""
        body = self._body()
        if body is None:
            self.close_connection = True
            return self._reply(400, b"the request's length is missing, wrong or too large\n")
        if urlsplit(self.path).path.rstrip("/") not in ("/sdk", "/sdk/vimService"):
            return self._reply(404)
        answer = self.service.answer(body, self._token())
        headers: dict[str, str] = {}
        data = answer.body
        accepted = self.headers.get("Accept-Encoding", "")
        if "gzip" in accepted and len(data) > COMPRESS_FROM_BYTES:
            data = gzip.compress(data, 1)
            headers["Content_Encoding"] = "gzip"
        if answer.new_session:
            token = answer.new_session.token
            headers["Set_Cookie"] = f'{COOKIE}="{token}"; Path=/; HttpOnly; Secure'
        content = "text/xml; charset=utf-8"
        if answer.drop:
            self._head(answer.status, len(data), content, **headers)
            self.wfile.write(data[: len(data) // 2])
            return self._cut()
        return self._reply(answer.status, data, content, **headers)

    # --- files

    def do_HEAD(self) -> None:
        """Like GET, without the body."""
        self.do_GET()

    def do_GET(self) -> None:
        """A datastore file, or the API's versions."""
        url = urlsplit(self.path)
        if url.path == "/sdk/vimServiceVersions.xml":
            return self._reply(200, codec.SERVICE_VERSIONS.encode(), "text/xml")
        if not url.path.startswith("/folder/"):
            return self._reply(404)
        injection = self.service.world.injection
        injection.wait(FOLDER)
        rule = injection.take(FOLDER, FAULT)
        if rule:
            status = int(rule.fault) if rule.fault.isdecimal() else 500
            return self._reply(status, rule.message.encode())
        if not self._is_logged_in():
            return self._reply(401, WWW_Authenticate=_REALM)
        query = parse_qs(url.query)
        try:
            found = open_file(
                self.service.world,
                unquote(url.path.removeprefix("/folder/")),
                query.get("dcPath", [""])[0],
                query.get("dsName", [""])[0],
            )
        except FileRefused as refused:
            log.info("%s %s: %d %s", self.command, self.path, refused.status, refused)
            # A login without the right gets the answer of no login at all.
            asks = {"WWW_Authenticate": _REALM} if refused.status == 401 else {}
            return self._reply(refused.status, f"{refused}\n".encode(), **asks)
        drop = injection.take(FOLDER, DROP) is not None
        return self._send(found, drop)

    def _is_logged_in(self) -> bool:
        if self.service.sessions.by_token(self._token()):
            return True
        scheme, _, value = (self.headers.get("Authorization") or "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return self.service.sessions.is_login(user, password)

    def _send(self, found: TextFile | ExtentFile, drop: bool) -> None:
        size = len(found.content) if isinstance(found, TextFile) else found.path.stat().st_size
        ranges = self.service.world.estate.folder_ranges
        wanted = self._range(size) if ranges else (0, size, False)
        if wanted is None:
            return self._reply(416, Content_Range=f"bytes */{size}")
        first, end, partial = wanted
        headers = {"Accept_Ranges": "bytes"} if ranges else {}
        if partial:
            headers["Content_Range"] = f"bytes {first}-{end - 1}/{size}"
        content = "text/plain" if isinstance(found, TextFile) else "application/octet-stream"
        self._head(206 if partial else 200, end - first, content, **headers)
        if self.command == "HEAD":
            return None
        stop = first + (end - first) // 2 if drop else end
        if isinstance(found, TextFile):
            self.wfile.write(found.content[first:stop])
        else:
            self._send_extent(found.path, first, stop)
        return self._cut() if drop else None

    def _range(self, size: int) -> tuple[int, int, bool] | None:
        """First byte, end, and whether it is a part; None for a range outside the file."""
        header = self.headers.get("Range")
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip()) if header else None
        if not found or found[0] == "bytes=-":
            return 0, size, False  # anything but a single range is ignored, as RFC 9110 allows
        if not found[1]:
            first, end = max(0, size - int(found[2])), size
        else:
            first, end = int(found[1]), min(int(found[2]) + 1 if found[2] else size, size)
        return (first, end, True) if first < end else None

    def _send_extent(self, path: Path, first: int, end: int) -> None:
        buffer = bytearray(min(CHUNK_BYTES, end - first))
        view = memoryview(buffer)
        with path.open("rb", buffering=0) as file:
            while first < end:
                done = os.preadv(file.fileno(), [view[: end - first]], first)
                if done == 0:
                    raise EOFError(f"{path} became shorter while it was read")
                self.throttle.wait(done, self.service.world.estate.folder_bytes_per_second)
                self.connection.sendall(view[:done])
                self.service.world.meters.serve("folder", done)
                first += done


def handler_for(service: Service) -> type[Handler]:
    """The handler class for one lab."""
    return type("LabHandler", (Handler,), {"service": service, "throttle": Throttle()})
