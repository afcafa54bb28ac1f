from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from replication.engine.errors import SourceError
from replication.engine.sources.file import FileSource
from replication.engine.sources.http_range import HttpRangeReader, HttpRangeSource
from tests.engine.support import MIB, Drip, RangeServer, hang_up, make_raw, refuse, wrong

TARGET = "/folder/a%20b/disk-flat.vmdk?dcPath=DC0&dsName=store"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return make_raw(tmp_path / "raw", 8 * MIB, 1, 8 * MIB)


@pytest.fixture
def server(raw: Path) -> Iterator[RangeServer]:
    server = RangeServer(raw)
    yield server
    server.close()


def source_of(server: RangeServer, **changes: object) -> HttpRangeSource:
    arguments = {
        "connect": lambda: http.client.HTTPConnection("127.0.0.1", server.port, timeout=10),
        "target": TARGET,
        "headers": lambda: {"Cookie": "session=1"},
        "size_bytes": server.path.stat().st_size,
        "retry_delays_seconds": (0, 0, 0),
    }
    return HttpRangeSource(**{**arguments, **changes})


def read(reader: HttpRangeReader, offset: int, length: int) -> bytes:
    buffer = bytearray(length)
    reader.read_into(offset, memoryview(buffer))
    return bytes(buffer)


def test_ranges_arrive_exactly_over_one_connection(server: RangeServer) -> None:
    reader = source_of(server).connect()
    content = server.path.read_bytes()
    for offset, length in [(0, 512), (512, 4 * MIB), (8 * MIB - 512, 512), (100 * 512, 3 * 512)]:
        assert read(reader, offset, length) == content[offset : offset + length]
    reader.close()
    assert server.connections == 1
    assert set(server.targets_seen) == {TARGET}
    assert {seen["Cookie"] for seen in server.headers_seen} == {"session=1"}


def test_https_is_read_and_an_unknown_certificate_is_final(
    raw: Path, server_tls: ssl.SSLContext, certificate: Path
) -> None:
    server = RangeServer(raw, server_tls)
    try:
        for context, trusted in [
            (ssl.create_default_context(cafile=str(certificate)), True),
            (ssl.create_default_context(), False),
        ]:
            reader = source_of(
                server,
                connect=lambda context=context: http.client.HTTPSConnection(
                    "127.0.0.1", server.port, timeout=10, context=context
                ),
            ).connect()
            if trusted:
                assert read(reader, MIB, MIB) == raw.read_bytes()[MIB : 2 * MIB]
            else:
                with pytest.raises(SourceError, match="certificate is not trusted") as caught:
                    read(reader, 0, 512)
                assert not caught.value.transient
            reader.close()
    finally:
        server.close()


@pytest.mark.parametrize(
    "fault",
    [refuse(401), refuse(429), refuse(500), refuse(503), hang_up, wrong(body_bytes=1000)],
    ids=["401", "429", "500", "503", "hang up", "short"],
)
def test_a_passing_fault_is_tried_again_over_a_new_connection(
    server: RangeServer, fault: object
) -> None:
    server.faults.extend([None, fault, fault])
    reader = source_of(server).connect()
    content = server.path.read_bytes()
    for offset in (0, MIB, 2 * MIB):
        assert read(reader, offset, MIB) == content[offset : offset + MIB]
    assert server.connections == 3
    reader.close()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (refuse(401), "session"),
        (refuse(429), "fewer"),
        (refuse(500), "500"),
        (hang_up, "connection broke"),
        (wrong(body_bytes=1000), "1000 of 4096"),
    ],
    ids=["401", "429", "500", "hang up", "short"],
)
def test_a_lasting_fault_is_raised_as_transient(
    server: RangeServer, fault: object, words: str
) -> None:
    server.always = fault
    with pytest.raises(SourceError, match=words) as caught:
        read(source_of(server).connect(), 0, 4096)
    assert caught.value.transient
    assert len(server.targets_seen) == 4  # the first attempt and three more


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (refuse(403), "privileges"),
        (refuse(404), "not there"),
        (refuse(416), "shorter"),
        (refuse(400), "HTTP 400"),
        (refuse(302, Location="http://127.0.0.1:1/elsewhere"), "redirects"),
        (wrong(status=200), "ignores Range"),
        (wrong(total=12345), "12345"),
        (wrong(total="*"), "were requested"),
        (wrong(shift=512), "were requested"),
        (wrong(extra={"Content-Encoding": "gzip"}), "encoded"),
    ],
    ids=["403", "404", "416", "400", "302", "200", "size", "no size", "range", "encoded"],
)
def test_a_wrong_answer_is_refused_at_once(server: RangeServer, fault: object, words: str) -> None:
    server.always = fault
    with pytest.raises(SourceError, match=words) as caught:
        read(source_of(server).connect(), 0, 4096)
    assert not caught.value.transient
    assert len(server.targets_seen) == 1


def test_a_renewed_cookie_is_taken_up(server: RangeServer) -> None:
    server.faults.append(refuse(401))
    login = {"Cookie": "session=old"}
    source = source_of(
        server, headers=lambda: dict(login), renew=lambda: login.update(Cookie="session=new")
    )
    reader = source.connect()
    assert read(reader, 0, 512) == server.path.read_bytes()[:512]
    assert [seen["Cookie"] for seen in server.headers_seen] == ["session=old", "session=new"]
    reader.close()


def test_nobody_listening_is_transient(server: RangeServer) -> None:
    source = source_of(server)
    server.close()
    with pytest.raises(SourceError, match="ConnectionRefused") as caught:
        read(source.connect(), 0, 512)
    assert caught.value.transient


@pytest.mark.parametrize("target", ["folder/x", "/a b", "/a\r\nHost: evil", "/ü", ""])
def test_a_target_that_is_not_encoded_is_refused(server: RangeServer, target: str) -> None:
    with pytest.raises(SourceError, match="not an encoded"):
        source_of(server, target=target)


def test_a_file_that_ends_early_is_refused(raw: Path) -> None:
    reader = FileSource(raw).connect()
    buffer = bytearray(1024)
    reader.read_into(8 * MIB - 1024, memoryview(buffer))
    assert buffer == raw.read_bytes()[-1024:]
    with pytest.raises(SourceError, match="ends at") as caught:
        reader.read_into(8 * MIB - 512, memoryview(buffer))
    assert not caught.value.transient
    reader.close()


def test_a_missing_file_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be opened"):
        FileSource(tmp_path / "missing").connect()


@pytest.mark.parametrize("headers", [{}, {"Connection": "close"}], ids=["kept alive", "closing"])
@pytest.mark.parametrize("encrypted", [False, True])
def test_an_aborted_source_lets_no_reader_wait_and_makes_no_further_request(
    raw: Path,
    server_tls: ssl.SSLContext,
    certificate: Path,
    encrypted: bool,
    headers: dict[str, str],
) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate))
    server = RangeServer(raw, server_tls if encrypted else None)
    server.always = drip = Drip(**headers)

    def connect() -> http.client.HTTPConnection:
        if encrypted:
            return http.client.HTTPSConnection("127.0.0.1", server.port, context=trusted)
        return http.client.HTTPConnection("127.0.0.1", server.port)

    source = source_of(server, connect=connect)
    failures: list[SourceError] = []

    def read_all() -> None:
        with pytest.raises(SourceError) as caught:
            read(source.connect(), 0, MIB)
        failures.append(caught.value)

    reading = threading.Thread(target=read_all, daemon=True)
    reading.start()
    try:
        assert drip.begun.wait(30)
        source.abort()
        reading.join(30)
        assert not reading.is_alive()
        assert "stopped" in str(failures[0])
        with pytest.raises(SourceError, match="stopped"):
            read(source.connect(), 0, MIB)
        assert len(server.targets_seen) == 1
    finally:
        drip.over.set()
        server.close()
