"""Bodies as the web server gets them, byte by byte, and requests that mean nothing."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from io import BytesIO
from typing import Any, NamedTuple

import pytest

from replication.states import RecoveryPointState
from tests import factories
from tests.e2e.conftest import environment
from vmrep import incoming
from vmrep.incoming import LARGEST_BODY, WholeBodies
from vmrep.local import programs
from vmrep.local.ports import LOCALHOST, listen
from vmrep.local.supervisor import Supervisor

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Answer(NamedTuple):
    status: int
    headers: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """gunicorn as script/demo starts it, on this test's database."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token

    def send(self, head: str, *parts: bytes, end: bool = False, **headers: str) -> Answer:
        """What is answered to these bytes; `end`: the sender hangs up after them."""
        lines = [f"{head} HTTP/1.1", f"Host: localhost:{self.port}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        with socket.create_connection((LOCALHOST, self.port), timeout=60) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            for part in parts:
                connection.sendall(part)
            if end:
                connection.shutdown(socket.SHUT_WR)
            with HTTPResponse(connection) as response:
                response.begin()
                return Answer(response.status, str(response.headers), response.read())

    def api(self, path: str, *parts: bytes, method: str = "POST", **headers: str) -> Answer:
        own = {"Authorization": f"Token {self.token}", "Content_Type": "application/json"}
        end = bool(headers.pop("end", ""))
        return self.send(f"{method} /api/v1/{path}", *parts, end=end, **own | headers)

    def chunked(self, path: str, body: bytes) -> Answer:
        return self.api(path, *chunks(body), Transfer_Encoding="chunked")


def chunks(body: bytes, size: int = 7) -> list[bytes]:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return [*(b"%x\r\n%s\r\n" % (len(part), part) for part in parts), b"0\r\n\r\n"]


@pytest.fixture(scope="module")
def port(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder, listener = tmp_path_factory.mktemp("web"), listen(0)
    broker = "redis+socket:///nonexistent"
    with listener, Supervisor(environment(broker, folder), folder / "logs") as supervisor:
        supervisor.start([programs.web(listener)])
        yield listener.getsockname()[1]


@pytest.fixture
def server(port: int, transactional_db: None) -> Server:
    key = factories.token(factories.user("ops", "a password of ops", is_staff=True))
    return Server(port, key)


def test_a_body_without_a_length_is_read(server, tmp_path):
    vm = factories.context(keep_in=factories.repository("here", path=tmp_path / "here"))
    point = factories.recovery_point(vm)
    release = f"vm-contexts/{vm.pk}/release/"

    assert server.chunked(release, b"nonsense").status == 400
    unknown = server.chunked(release, b'{"delete_replica": true}')
    assert "delete_replica" in unknown.json()["errors"]
    wrong = server.chunked(release, b'{"delete_replica_data": true, "confirm_vm_name": "another"}')
    assert (wrong.status, wrong.json()["code"]) == (400, "name_not_confirmed")
    vm.refresh_from_db()
    assert vm.is_managed

    wanted = {"delete_replica_data": True, "confirm_vm_name": vm.vm_name}
    answer = server.chunked(release, json.dumps(wanted).encode())
    assert (answer.status, answer.json()["recovery_points_deleted"]) == (200, 1)
    point.refresh_from_db()
    assert point.state != RecoveryPointState.AVAILABLE


def test_a_form_without_a_length_is_read(server):
    shown = server.send("GET /login/")
    cookie = shown.headers.split("csrftoken=")[1].split(";")[0]
    form = f"csrfmiddlewaretoken={cookie}&username=ops&password=a+password+of+ops"
    headers = {"Content_Type": FORM["Content-Type"], "Cookie": f"csrftoken={cookie}"}
    answer = server.send(
        "POST /login/", *chunks(form.encode()), Transfer_Encoding="chunked", **headers
    )
    assert answer.status == 302
    assert "sessionid=" in answer.headers


def test_a_body_that_is_not_what_its_head_says_is_refused(server):
    vm = factories.context()
    release = f"vm-contexts/{vm.pk}/release/"
    whole = b'{"delete_replica_data": false}'

    cut = server.api(release, whole, Content_Length=str(len(whole) + 1), end="yes")
    assert (cut.status, cut.json()["code"]) == (400, "cut_short")
    large = server.api(release, Content_Length=str(LARGEST_BODY + 1))
    assert (large.status, large.json()["code"]) == (413, "too_large")
    digits = server.api(release, Content_Length="9" * 30)
    assert digits.status == 413
    page = server.send(
        "POST /login/", Content_Length=str(10**12), Content_Type=FORM["Content-Type"]
    )
    assert (page.status, b"413" in page.body) == (413, True)
    endless = [b"100000\r\n" + b" " * 0x100000 + b"\r\n"] * 3 + [b"0\r\n\r\n"]
    assert server.api(release, *endless, Transfer_Encoding="chunked").status == 413
    both = server.api(release, *chunks(whole), Content_Length="1", Transfer_Encoding="chunked")
    assert both.status == 400
    broken = server.api(release, b"zz\r\nabc\r\n0\r\n\r\n", Transfer_Encoding="chunked")
    assert broken.status == 400
    for coded in (
        {"Transfer_Encoding": "gzip, chunked"},
        {"Transfer_Encoding": "Deflate,chunked"},
        {"Transfer_Encoding": "chunked", "Content_Encoding": "gzip"},
        {"Transfer_Encoding": "chunked", "Content_Encoding": "identity, br"},
    ):
        for body in (whole, gzip.compress(whole)):
            answer = server.api(release, *chunks(body), **coded)
            assert (answer.status, answer.json()["code"]) == (415, "unsupported_coding"), coded
    vm.refresh_from_db()
    assert vm.is_managed
    plain = {"Transfer_Encoding": " Chunked", "Content_Encoding": "identity"}
    assert server.api(release, *chunks(whole), **plain).status == 200


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch):
    """Byte by byte for ever: a thread of the web server would be its own for as long."""
    monkeypatch.setattr(incoming, "BODY_SECONDS", 0.3)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"{")
        environ = {
            "CONTENT_LENGTH": "100",
            "wsgi.input": ours.makefile("rb"),
            "gunicorn.socket": ours,
        }
        seen: list[Any] = []
        WholeBodies(lambda environ, _: [seen.append(environ)])(environ, lambda *_: None)
    assert seen[0]["vmrep.refusal"].status == 408
    assert seen[0]["wsgi.input"].read() == b""


def test_what_was_read_is_what_the_application_reads():
    seen: list[dict[str, Any]] = []
    application = WholeBodies(lambda environ, _: [seen.append(environ)])
    environ = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": BytesIO(b"abc")}
    application(environ, lambda *_: None)
    assert seen[0]["CONTENT_LENGTH"] == "3"
    assert seen[0]["wsgi.input"].read() == b"abc"
    assert "HTTP_TRANSFER_ENCODING" not in seen[0]


@pytest.mark.parametrize(
    ("declared", "read", "status"),
    [
        ("0" * 20 + "13", b"hello, vmrep!", None),
        ("0" * 5000 + "13", b"hello, vmrep!", None),
        ("0" * 5000, b"", None),
        ("0" * 20 + str(LARGEST_BODY + 1), b"", 413),
        ("9" * 5000, b"", 413),
    ],
)
def test_a_length_is_the_whole_number_however_it_is_written(declared, read, status):
    """The first twenty digits of a padded one would be an empty body, and accepted."""
    seen: list[dict[str, Any]] = []
    environ = {"CONTENT_LENGTH": declared, "wsgi.input": BytesIO(b"hello, vmrep!")}
    WholeBodies(lambda environ, _: [seen.append(environ)])(environ, lambda *_: None)
    assert seen[0]["wsgi.input"].read() == read
    refusal = seen[0].get("vmrep.refusal")
    assert (refusal and refusal.status) == status


@pytest.mark.parametrize(
    ("face", "status", "content_type"),
    [("/virtual-machines/bulk/", 415, "application/json"), ("/admin/login/", 415, "text/plain")],
)
def test_pages_take_forms_only(client, db, face, status, content_type):
    client.force_login(factories.user())
    answer = client.post(face, data="{}", content_type=content_type)
    assert answer.status_code == status


def test_the_api_takes_json_only(client, db):
    client.force_login(factories.user())
    answer = client.post("/api/v1/replications/", data={"vm_name": "x"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("face", ["/virtual-machines/", "/api/v1/vm-contexts/", "/admin/"])
def test_what_only_asks_takes_no_body(client, db, face):
    client.force_login(factories.user(is_staff=True, is_superuser=True))
    answer = client.generic("GET", face, data=b'{"vm": 1}', content_type="application/json")
    assert answer.status_code == 400


BODIES: dict[str, bytes] = {
    "not a number": b'{"vm_name": NaN}',
    "infinity": b'{"vm_name": -Infinity}',
    "a name twice": b'{"vm_name": "a", "vm_name": "b"}',
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "no UTF-8": b'{"vm_name": "\xff\xfe"}',
    "half a character": b'{"vm_name": "\\ud800"}',
    "half a character in a name": b'{"\\udc00": 1}',
    "half a character twice": b'{"\\udc00": 1, "\\udc00": 2}',
    "NUL": b'{"vm_name": "a\\u0000b"}',
    "a number of many digits": b'{"vm_name": ' + b"9" * 5000 + b"}",
    "a large number": b'{"discovered_vm_ids": [99999999999999999999]}',
    "a large exponent": b'{"vm_name": 1e999}',
    "nothing": b"",
    "another encoding": '{"vm_name": "a"}'.encode("utf-16"),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("address", ["replications/", "vm-contexts/"])
def test_json_that_cannot_be_meant_is_refused(client, db, address, body):
    client.force_login(factories.user())
    answer = client.generic("POST", f"/api/v1/{address}", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"]


@pytest.fixture
def posted(client, db) -> Callable[..., Any]:
    client.force_login(factories.user())
    return lambda path, **fields: client.post(path, fields)


@pytest.mark.parametrize("target", ["x", "//evil.example", "vm-bulk", "http:x", "\\\\evil", "?a"])
def test_the_way_back_is_a_page_of_ours_or_none(posted, target):
    """`next=x` was looked up as the name of a view."""
    vm = factories.context()
    answer = posted(f"/virtual-machines/{vm.pk}/replicate/", next=target)
    assert (answer.status_code, answer.url) == (302, "/virtual-machines/")
