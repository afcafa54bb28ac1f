"""Trust, against a TLS server that notes every byte that it is sent."""

from __future__ import annotations

import datetime
import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contexts.vsphere.endpoint import Endpoint, Trust, format_fingerprint
from contexts.vsphere.errors import (
    AddressUnknown,
    CertificateChanged,
    CertificateNotTrusted,
    ConnectionLost,
    ConnectionRefused,
    NotVSphere,
    OtherEstate,
    VSphereError,
)
from contexts.vsphere.session import Session
from contexts.vsphere.tls import VSphereConnection, presented_certificate, why_not_trusted
from tests.certificates import certificate
from vmrep.lab import Lab

ANSWER = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class Server:
    """A TLS server on 127.0.0.1; `received` is everything that came through TLS."""

    def __init__(self, folder: Path, name: str) -> None:
        self.received = b""
        self.pem, der = certificate(folder, name)
        self.fingerprint = format_fingerprint(hashlib.sha256(der).hexdigest())
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.pem)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            plain.settimeout(5)
            try:
                with self._context.wrap_socket(plain, server_side=True) as connection:
                    while data := connection.recv(65536):
                        self.received += data
                        connection.sendall(ANSWER)
            except OSError:
                plain.close()

    def stop(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(timeout=10)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    servers: list[Server] = []

    def start(name: str = "127.0.0.1") -> Server:
        servers.append(Server(tmp_path, name))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def endpoint(port: int, trust: Trust) -> Endpoint:
    return Endpoint("127.0.0.1", port, "admin", "s3cret!", trust)


def get(port: int, trust: Trust) -> int:
    connection = VSphereConnection(endpoint(port, trust), timeout=5)
    try:
        connection.request("GET", "/", headers={"Cookie": "secret"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_presented_certificate_is_shown_without_sending_anything(
    serve: Callable[..., Server],
) -> None:
    server = serve()
    shown = presented_certificate("127.0.0.1", server.port, timeout=5)
    assert shown.fingerprint_sha256 == server.fingerprint
    assert shown.subject == shown.issuer == "CN=lab vc"
    assert shown.not_before < datetime.datetime.now(datetime.UTC) < shown.not_after
    assert server.received == b""


def test_the_pinned_certificate_is_believed(serve: Callable[..., Server]) -> None:
    server = serve("another.example.com")
    assert get(server.port, Trust("pin", server.fingerprint)) == 404
    assert b"Cookie: secret" in server.received


def test_another_certificate_than_the_pinned_one_is_sent_nothing(
    serve: Callable[..., Server],
) -> None:
    server, other = serve(), serve("other.example.com")
    trust = Trust("pin", other.fingerprint)
    with pytest.raises(CertificateChanged) as changed:
        get(server.port, trust)
    assert changed.value.expected == other.fingerprint
    assert changed.value.presented == server.fingerprint
    with pytest.raises(CertificateChanged):
        Session(endpoint(server.port, trust), timeout=5).connect()
    assert server.received == b""


def test_a_pin_is_not_overruled_by_a_trusted_authority(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    monkeypatch.setenv("SSL_CERT_FILE", str(server.pem))
    assert get(server.port, Trust("verify")) == 404
    with pytest.raises(CertificateChanged):
        get(server.port, Trust("pin", "00" * 32))


def test_a_connection_that_was_refused_is_refused_again(serve: Callable[..., Server]) -> None:
    server = serve()
    connection = VSphereConnection(endpoint(server.port, Trust("pin", "00" * 32)), timeout=5)
    for _ in range(2):
        with pytest.raises(CertificateChanged):
            connection.request("GET", "/")
    assert server.received == b""


def test_an_unknown_authority_is_refused_and_the_fingerprint_told(
    serve: Callable[..., Server],
) -> None:
    server = serve()
    with pytest.raises(CertificateNotTrusted) as refused:
        get(server.port, Trust("verify"))
    assert refused.value.fingerprint_sha256 == server.fingerprint
    assert server.fingerprint in str(refused.value)
    with pytest.raises(CertificateNotTrusted):
        Session(endpoint(server.port, Trust("verify")), timeout=5).connect()
    assert server.received == b""


def test_an_authority_file_is_believed_for_the_right_name_only(
    serve: Callable[..., Server],
) -> None:
    server, other = serve(), serve("other.example.com")
    assert get(server.port, Trust("verify", ca_file=str(server.pem))) == 404
    with pytest.raises(CertificateNotTrusted, match="not trusted"):
        get(other.port, Trust("verify", ca_file=str(other.pem)))
    assert other.received == b""


def test_an_authority_file_that_cannot_be_used_is_named(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve()
    for content in (None, "no certificate"):
        path = tmp_path / "ca.pem"
        if content:
            path.write_text(content)
        with pytest.raises(CertificateNotTrusted, match=r"ca\.pem"):
            get(server.port, Trust("verify", ca_file=str(path)))


def test_insecure_believes_anything(serve: Callable[..., Server]) -> None:
    assert get(serve("other.example.com").port, Trust("insecure")) == 404


def test_a_web_server_that_is_no_vsphere_gets_no_password(serve: Callable[..., Server]) -> None:
    server = serve()
    with pytest.raises(NotVSphere, match="HTTP 404"):
        Session(endpoint(server.port, Trust("pin", server.fingerprint)), timeout=5).connect()
    assert b"s3cret!" not in server.received


def test_a_port_without_tls_is_distinguished() -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(NotVSphere, match="TLS"):
            presented_certificate("127.0.0.1", plain.getsockname()[1], timeout=5)
        thread.join()


def test_a_silent_server_is_given_up_after_the_timeout() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ConnectionLost, match="no answer in time"),
    ):
        presented_certificate("127.0.0.1", silent.getsockname()[1], timeout=0.2)


def test_a_server_that_hangs_up_is_a_lost_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:

        def hang_up() -> None:
            rude.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(ConnectionLost):
            presented_certificate("127.0.0.1", rude.getsockname()[1], timeout=5)
        thread.join()


def test_nobody_there_is_a_refused_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(ConnectionRefused):
        presented_certificate("127.0.0.1", port, timeout=5)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("no-such-host.invalid", 443),
        ("a" * 64, 443),
        ("bad host\n", 443),
        ("127.0.0.1", 70000),
        ("127.0.0.1", 0),
    ],
)
def test_an_address_that_is_none_is_unknown(host: str, port: int) -> None:
    with pytest.raises(AddressUnknown):
        presented_certificate(host, port, timeout=5)


def test_errors_of_trust_are_not_transient() -> None:
    kinds: list[type[VSphereError]] = [CertificateChanged, CertificateNotTrusted, OtherEstate]
    assert not any(kind.transient for kind in kinds)


def test_a_server_with_nothing_newer_than_tls_1_1_is_told_as_such(tmp_path: Path) -> None:
    with Lab(tmp_path / "old", "small", newest_tls=ssl.TLSVersion.TLSv1_1) as lab:
        for look in (presented_certificate, why_not_trusted):
            with pytest.raises(NotVSphere, match=r"no TLS newer than 1\.1.*Update the server"):
                look(lab.host, lab.port)
