"""Mail and web servers that listen on this machine, well-behaved and otherwise."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.certificates import certificate

HOST = "localhost"
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Certificates:
    """One for the servers' name, and one for another name."""

    def __init__(self, folder: Path) -> None:
        self.good, _ = certificate(folder, HOST)
        self.wrong, _ = certificate(folder, "elsewhere.example.org")

    @property
    def ca(self) -> str:
        return self.good.read_text().partition("-----BEGIN PRIVATE")[0]

    def context(self, *, wrong: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.wrong if wrong else self.good)
        return context


class Posted:
    """What a web server was sent."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path, self.headers, self.body = path, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class WebServer:
    """`answer` is asked for each request: it writes what it likes to the handler."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.posted: list[Posted] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = status(200)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.posted.append(Posted(self.path, dict(self.headers), body))
                try:
                    outer.answer(self)
                except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                    self.close_connection = True

            def log_message(self, *ignored: object) -> None:
                """Not among a test's output."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *ignored: None  # type: ignore[method-assign]
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self._server.server_address[1]
        self.url = f"https://{HOST}:{self.port}/hook/secret-path?key=1"
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def status(code: int, body: bytes = b"{}", **headers: str) -> Callable[..., None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def drop(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def huge(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100_000):
        handler.wfile.write(b"x" * 65_536)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, forever."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"x: y\r\n")
        threading.Event().wait(0.02)


class MailServer:
    """`answer_to` is what it says to DATA; the mails that it accepted are in `mails`."""

    def __init__(self, *, starttls: ssl.SSLContext | None, tls: ssl.SSLContext | None) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refused: set[str] = set()
        self.answer = "250 OK"
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        listening = self._loop.create_server(self._session(starttls), "127.0.0.1", 0, ssl=tls)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]

    def _session(self, starttls: ssl.SSLContext | None) -> Callable[[], SMTP]:
        return lambda: SMTP(
            self,
            tls_context=starttls,
            authenticator=self._authenticate,
            hostname=HOST,
            loop=self._loop,
        )

    def _authenticate(self, *about: Any) -> AuthResult:
        given = about[4]
        right = isinstance(given, LoginPassword) and given == LoginPassword(b"vmrep", b"s3cret")
        return AuthResult(success=right, handled=False)

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, to: str, options: Any
    ) -> str:
        if to in self.refused:
            return "550 No such user here"
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answer.startswith("250"):
            self.mails.append(message_from_bytes(envelope.content, policy=default))
            self.recipients.append(list(envelope.rcpt_tos))
        return self.answer

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where `talk` has each connection, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=_talk, args=[talk, connection], daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def _talk(talk: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with connection:
        try:
            talk(connection)
        except OSError:
            return


def hang(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def endless_greeting(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"220-hello\r\n" * 1000)


def hang_up(connection: socket.socket) -> None:
    connection.sendall(b"220 hello\r\n")
