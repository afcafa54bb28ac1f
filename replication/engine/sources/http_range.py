"""A file behind HTTP(S), read in ranges, as vSphere offers its datastores' files."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import threading
from collections.abc import Callable, Sequence

from replication.engine.errors import SourceError
from replication.engine.sources.base import Reader

RETRY_DELAYS_SECONDS = (0.2, 1.0, 3.0)

_TARGET = re.compile(r"/[!-~]*")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_REFUSALS = {
    401: (
        "the server does not accept the session, or the account may no longer read the datastore",
        True,
    ),
    403: ("access is forbidden: check the account's privileges on the datastore", False),
    404: ("the file is not there: the disk was moved, renamed or removed", False),
    416: ("the server does not have these bytes: the file is shorter than planned", False),
    429: ("the server is asking for fewer requests", True),
}


class HttpRangeSource:
    """A file of ``size_bytes`` behind HTTP(S), as vSphere offers its datastores' files.

    ``connect`` makes a connection that verifies its server and has a timeout.
    ``target`` is path and query, already percent-encoded. ``headers`` is called before every
    request, so that a renewed session cookie is used. ``renew`` logs in again; one thread at a time
    calls it, after a 401 for headers that are still current.
    """

    def __init__(
        self,
        connect: Callable[[], http.client.HTTPConnection],
        target: str,
        headers: Callable[[], dict[str, str]],
        size_bytes: int,
        *,
        renew: Callable[[], None] = lambda: None,
        retry_delays_seconds: Sequence[float] = RETRY_DELAYS_SECONDS,
    ) -> None:
        if not _TARGET.fullmatch(target):
            raise SourceError(f"{target!r} is not an encoded HTTP path.", transient=False)
        self.connection = connect
        self.target = target
        self.headers = headers
        self.size_bytes = size_bytes
        self.retry_delays_seconds = tuple(retry_delays_seconds)
        self.aborted = threading.Event()
        self._renew = renew
        self._renewing = threading.Lock()
        self._readers: set[HttpRangeReader] = set()
        self._changing = threading.Lock()

    def renew_login(self, refused: dict[str, str]) -> None:
        """Log in again, unless another thread has since the request with these headers."""
        with self._renewing:
            if self.headers() == refused:
                self._renew()

    def connect(self) -> HttpRangeReader:
        """A reader for the calling thread alone; it connects at its first read."""
        return HttpRangeReader(self)

    def abort(self) -> None:
        """Shut down every connection: no read waits for the server any longer, or tries again."""
        self.aborted.set()
        with self._changing:
            for reader in self._readers:
                reader.shut_down()

    def note(self, reader: HttpRangeReader, *, connected: bool) -> None:
        """Whether ``abort`` has to end this reader's connection."""
        with self._changing:
            if connected:
                self._readers.add(reader)
            else:
                self._readers.discard(reader)


class HttpRangeReader(Reader):
    """Reads ranges over one kept-alive connection, which it renews when it breaks."""

    def __init__(self, source: HttpRangeSource) -> None:
        self._source = source
        self._connection: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None

    def read_into(self, offset: int, view: memoryview) -> None:
        """Fill ``view`` with the bytes from ``offset`` on.

        Broken connections, short answers, 401, 429 and 5xx are retried a few times, each time
        over a new connection, before they are raised as a transient SourceError. Anything that
        suggests another file, a redirect or a missing right is raised at once, as permanent.
        """
        for delay in self._source.retry_delays_seconds:
            try:
                return self._attempt(offset, view)
            except SourceError as error:
                if not error.transient:
                    raise
            self._source.aborted.wait(delay)
        return self._attempt(offset, view)

    def close(self) -> None:
        """Close the connection; the next read would make a new one."""
        if self._connection is not None:
            self._source.note(self, connected=False)
            self._connection.close()
            self._connection = self._socket = None

    def shut_down(self) -> None:
        """End the connection under its reader's thread, which alone closes it. Not by the socket's
        own method: that would remove TLS first, and encrypted bytes would still be read as if they
        were the disk's."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _attempt(self, offset: int, view: memoryview) -> None:
        self._require_wanted(offset)
        complete = False
        try:
            self._request(offset, view)
            complete = True
        except ssl.SSLCertVerificationError as error:
            raise self._error(
                offset, f"the server's certificate is not trusted ({error})", transient=False
            ) from error
        except (OSError, http.client.HTTPException) as error:
            self._require_wanted(offset)
            words = f"{type(error).__name__}: {error}".rstrip(": ")
            raise self._error(offset, f"the connection broke ({words})", transient=True) from error
        finally:
            # Unread bytes of a failed answer must never be taken for the next answer.
            if not complete:
                self.close()

    def _request(self, offset: int, view: memoryview) -> None:
        if self._connection is None:
            self._connection = self._source.connection()
        last = offset + len(view) - 1
        login = self._source.headers()
        headers = {**login, "Range": f"bytes={offset}-{last}"}
        self._connection.request("GET", self._source.target, headers=headers)
        # Kept here, because http.client forgets it after the connection's last answer.
        self._socket = self._connection.sock
        self._source.note(self, connected=True)
        self._require_wanted(offset)  # it may have been aborted before it was noted
        answer = self._connection.getresponse()
        if answer.status == 401:
            self._source.renew_login(login)
        self._check(answer, offset, last)
        done = 0
        while done < len(view):
            count = answer.readinto(view[done:])
            if not count:
                self._require_wanted(offset)
                raise self._error(
                    offset, f"the answer ended after {done} of {len(view)} bytes", transient=True
                )
            done += count

    def _check(self, answer: http.client.HTTPResponse, offset: int, last: int) -> None:
        """Accept only an answer with exactly the requested bytes, of a file of our size."""
        if answer.status != 206:
            raise self._error(offset, *_refusal(answer))
        content_range = answer.getheader("Content-Range", "")
        match = _CONTENT_RANGE.fullmatch(content_range)
        if match is None or (int(match[1]), int(match[2])) != (offset, last):
            raise self._error(
                offset,
                f"bytes {offset}-{last} were requested, but the answer is {content_range[:100]!r}",
                transient=False,
            )
        if int(match[3]) != self._source.size_bytes:
            raise self._error(
                offset,
                f"the file has {match[3]} bytes, not {self._source.size_bytes}: it is not the "
                "file that the plan was made for",
                transient=False,
            )
        if answer.length != last - offset + 1 or answer.getheader("Content-Encoding"):
            raise self._error(
                offset,
                f"the answer announces {answer.length} bytes instead of {last - offset + 1}, "
                "or is encoded",
                transient=False,
            )

    def _require_wanted(self, offset: int) -> None:
        if self._source.aborted.is_set():
            raise self._error(offset, "it was stopped", transient=False)

    def _error(self, offset: int, what: str, transient: bool) -> SourceError:
        return SourceError(
            f"Reading {self._source.target} at {offset} failed: {what}.", transient=transient
        )


def _refusal(answer: http.client.HTTPResponse) -> tuple[str, bool]:
    """What an answer other than 206 means, and whether it may be temporary."""
    status = answer.status
    if status in _REFUSALS:
        what, transient = _REFUSALS[status]
        return f"{what} (HTTP {status})", transient
    if 300 <= status < 400:
        return f"the server redirects elsewhere, which vmrep does not follow (HTTP {status})", False
    if status >= 500:
        return (
            f"the server reports an internal error (HTTP {status} {answer.reason[:100]!r})",
            True,
        )
    if status == 200:
        return "the server ignores Range and sends the whole file (HTTP 200)", False
    return f"the server refuses the request (HTTP {status} {answer.reason[:100]!r})", False
