"""A server at which nothing is as it should be: it presents a certificate, and then does what one
of its ways says, whatever is asked. Every connection is served by a thread of its own."""

from __future__ import annotations

import gzip
import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from contexts.vsphere.endpoint import Endpoint, Trust, format_fingerprint
from tests.certificates import certificate

Way = Callable[["Conversation"], None]
VERSIONS = (
    b'<?xml version="1.0"?><namespaces version="1.0"><namespace><name>urn:vim25</name>'
    b"<version>8.0.2.0</version></namespace></namespaces>"
)
ENVELOPE = (
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    b' xmlns:xsd="http://www.w3.org/2001/XMLSchema"><soapenv:Body>%s'
    b"</soapenv:Body></soapenv:Envelope>"
)


class Conversation:
    """One connection: what was asked last, and how to answer."""

    def __init__(self, stream: ssl.SSLSocket) -> None:
        self.stream = stream
        self.method = b""

    def hear(self) -> bool:
        """Read one request whole; False when the client is gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := self.stream.recv(65536)):
                return False
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            ),
            0,
        )
        while len(body) < length:
            if not (more := self.stream.recv(65536)):
                return False
            body += more
        self.method = body.partition(b"<soapenv:Body>")[2][1:].partition(b" ")[0]
        if head.startswith(b"GET "):
            self.method = head.split(b" ")[1]
        return True

    def say(self, data: bytes) -> None:
        self.stream.sendall(data)

    def answer(self, body: bytes, status: bytes = b"200 OK", more: bytes = b"") -> None:
        """A whole HTTP answer."""
        self.say(
            b"HTTP/1.1 %s\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n%s\r\n"
            % (status, len(body), more)
        )
        self.say(body)

    def result(self, inner: bytes) -> None:
        """A SOAP answer to the call that was made."""
        name = self.method
        self.answer(
            ENVELOPE % b'<%sResponse xmlns="urn:vim25">%s</%sResponse>' % (name, inner, name)
        )

    def fault(self, text: bytes, detail: bytes = b"") -> None:
        """A SOAP fault."""
        inner = (
            b"<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s</faultstring>"
        )
        inner = inner % text + b"<detail>%s</detail></soapenv:Fault>" % detail
        self.answer(ENVELOPE % inner, b"500 Internal Server Error")


class HostileServer:
    """On 127.0.0.1; `way` is called for each request, and `heard` notes the methods."""

    def __init__(self, folder: Path, way: Way, *, handshake: bool = True) -> None:
        self.way = way
        self.heard: list[bytes] = []
        self.open = 0
        pem, der = certificate(folder, "127.0.0.1")
        self.fingerprint = format_fingerprint(hashlib.sha256(der).hexdigest())
        self._handshake = handshake
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(pem)
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._socket.getsockname()[1]
        self._stopped = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", self.port, "admin", "s3cret", Trust("pin", self.fingerprint))

    def stop(self) -> None:
        self._stopped.set()
        self._socket.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        self.open += 1
        try:
            if not self._handshake:
                self._stopped.wait(120)
                return
            plain.settimeout(120)
            with self._tls.wrap_socket(plain, server_side=True) as stream:
                conversation = Conversation(stream)
                while conversation.hear():
                    self.heard.append(conversation.method)
                    self.way(conversation)
        except OSError:
            return
        finally:
            self.open -= 1
            plain.close()


@contextmanager
def serving(folder: Path, way: Way, *, handshake: bool = True) -> Iterator[HostileServer]:
    server = HostileServer(folder, way, handshake=handshake)
    try:
        yield server
    finally:
        server.stop()


# ------------------------------------------------------------------ ways to behave

DRIP_SECONDS = 0.05


def silent(talk: Conversation) -> None:
    """Keeps the connection open and says nothing."""
    time.sleep(120)


def drips(talk: Conversation) -> None:
    """A byte now and then, for ever: never silent for long."""
    talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        talk.say(b" ")
        time.sleep(DRIP_SECONDS)


def drips_headers(talk: Conversation) -> None:
    talk.say(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while True:
        talk.say(b"x")
        time.sleep(DRIP_SECONDS)


def endless_headers(talk: Conversation) -> None:
    talk.say(b"HTTP/1.1 200 OK\r\n")
    while True:
        talk.say(b"X-More: more\r\n" * 1000)


def endless_continues(talk: Conversation) -> None:
    while True:
        talk.say(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def endless_body(talk: Conversation) -> None:
    """As much as the client takes, of a length that nobody has."""
    talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999\r\n\r\n")
    while True:
        talk.say(b" " * 65536)


def endless_chunks(talk: Conversation) -> None:
    talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        talk.say(b"10000\r\n" + b" " * 65536 + b"\r\n")


def closes_in_the_middle(talk: Conversation) -> None:
    talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<soapenv:Env")
    talk.stream.shutdown(socket.SHUT_RDWR)


def redirects_for_ever(talk: Conversation) -> None:
    talk.answer(b"", b"302 Found", b"Location: /sdk/vimServiceVersions.xml\r\n")


def gzip_bomb(talk: Conversation) -> None:
    """190 MB in 185 kB, to a client that asked for nothing compressed."""
    talk.answer(_bomb(), more=b"Content-Encoding: gzip\r\n")


_bombs: list[bytes] = []


def _bomb() -> bytes:
    if not _bombs:
        _bombs.append(gzip.compress(b"<a>" * (190 << 20 >> 2), 9))
    return _bombs[0]


def after_the_versions(way: Way) -> Way:
    """Offers the API as a vCenter does, and turns hostile at the first call."""

    def both(talk: Conversation) -> None:
        if talk.method.startswith(b"/"):
            talk.answer(VERSIONS)
        else:
            way(talk)

    return both


def says(inner: bytes) -> Way:
    """Answers every call with this result."""
    return after_the_versions(lambda talk: talk.result(inner))
