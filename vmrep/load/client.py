"""A client of the web server that costs little: HTTP/1.1 over a connection that stays open.

One process has hundreds of them, and must not be what is measured; an HTTP library takes more time
for a request than vmrep for most of its answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

LOCALHOST = "127.0.0.1"
PATIENCE_SECONDS = 60.0
_CLOSED = (ConnectionError, asyncio.IncompleteReadError)


class NoAnswer(Exception):
    """The server closed the connection, or took longer than PATIENCE_SECONDS."""


@dataclass(frozen=True)
class Answer:
    """`headers`: their names in lower case; of several of a name, the values with newlines."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """For one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """Raises NoAnswer. A connection that the server closed while it rested is made anew."""
        request = _request(method, path, headers, body)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                if self._writer is not None:
                    with suppress(*_CLOSED):
                        return await self._exchange(request, method)
                    self.close()
                await self.open()
                return await self._exchange(request, method)
        except (*_CLOSED, OSError, TimeoutError) as problem:
            self.close()
            raise NoAnswer(f"{method} {path}: {problem or type(problem).__name__}") from problem

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(LOCALHOST, self._port)

    async def send(self, request: bytes) -> None:
        """Some bytes of a request; the rest may come later."""
        assert self._writer is not None  # noqa: S101
        self._writer.write(request)
        await self._writer.drain()

    async def receive(self, method: str) -> Answer:
        assert self._reader is not None  # noqa: S101
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            before = headers.get(name.lower())
            headers[name.lower()] = (
                value.strip() if before is None else f"{before}\n{value.strip()}"
            )
        status = int(first.split(" ", 2)[1])
        body = b"" if status in (204, 304) or method == "HEAD" else await self._body(headers)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    async def _exchange(self, request: bytes, method: str) -> Answer:
        await self.send(request)
        return await self.receive(method)

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        assert self._reader is not None  # noqa: S101
        if headers.get("transfer-encoding", "").lower() != "chunked":
            if "content-length" in headers:
                return await self._reader.readexactly(int(headers["content-length"]))
            return await self._reader.read()
        found = []
        while size := int((await self._reader.readline()).partition(b";")[0], 16):
            found.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        await self._reader.readuntil(b"\r\n")
        return b"".join(found)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


def _request(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    told = {"Host": LOCALHOST, **headers}
    if body or method == "POST":
        told["Content-Length"] = str(len(body))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


request_bytes = _request
