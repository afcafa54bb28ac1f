"""pyVmomi's SOAP stub over vmrep's own connections: every call is made through it.

The description of the API and the XML of requests come from pyVmomi; connections, bounds and the
reading of answers are vmrep's. Checked against pyVmomi 9.1.1.0.
"""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse, IncompleteRead
from http.cookies import CookieError, SimpleCookie
from types import NoneType
from typing import Any
from xml.parsers.expat import ExpatError

from pyVim.connect import GetServiceVersions
from pyVmomi.SoapAdapter import SoapStubAdapterBase
from pyVmomi.VmomiSupport import CheckField, Object, versionIdMap

from contexts.vsphere.answers import NOT_AS_DESCRIBED, AnswerReader
from contexts.vsphere.budget import Bounds, Budget
from contexts.vsphere.endpoint import Endpoint
from contexts.vsphere.errors import ConnectionLost, NotVSphere
from contexts.vsphere.faults import translating
from contexts.vsphere.tls import MOST_BYTES, VSphereConnection
from contexts.vsphere.xml_text import mended

# Servers and proxies close idle connections silently; one that rested longer than this is not
# used again.
_IDLE_SECONDS = 15
_MOST_RESTING = 5
_VERSIONS_LIMIT_BYTES = 1 << 20
_PIECE_BYTES = 256 << 10
_COOKIE = "vmware_soap_session"
_WAITS = ("WaitForUpdatesEx",)  # answered when something has changed


class Stub(SoapStubAdapterBase):
    """Calls the API over verified or pinned connections. Safe to be used by several threads.

    A call has `timeout` seconds and MOST_BYTES for all of it, from connecting to the last byte of
    its answer, and no more than what the readings that it belongs to have left. A fault is raised
    as pyVmomi's exception; what cannot be understood as NotVSphere. `on_answer` hears how many
    seconds each answer took, except where the server was asked to wait.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        version: str,
        timeout: float,
        reading: Budget | None = None,
        *,
        on_answer: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__(version=version)
        self.requestContext = None  # pyVmomi asks for it
        self.reading = reading
        self._on_answer = on_answer
        self._endpoint = endpoint
        self._timeout = timeout
        self._local = threading.local()
        self._resting: list[tuple[VSphereConnection, float]] = []
        self._lock = threading.Lock()

    def InvokeMethod(self, mo: Any, info: Any, args: Any) -> Any:
        """pyVmomi calls this for each method and property."""
        status, body = self._timed(info, self._request(mo, info, args))
        return self._understood(status, body, info)

    def ask(
        self, target: Any, method: str, *args: Any, more: tuple[bytes, bytes] | None = None
    ) -> bytes:
        """Call a method by its WSDL name, and return the answer's bytes for the caller to read.
        A fault is raised as above.

        `more`: an end tag of the request, and XML to insert before it: many elements of one kind,
        which pyVmomi would take long to write.
        """
        info = type(target)._GetMethodInfo(method)
        request = self._request(target, info, args)
        if more is not None:
            end, added = more
            request = request.replace(end, added + end, 1)
        status, body = self._timed(info, request)
        if status != 200:
            self._understood(status, body, info)
        return body

    def _request(self, mo: Any, info: Any, args: Any) -> bytes:
        try:
            return bytes(self.SerializeRequest(mo, info, args))
        except NOT_AS_DESCRIBED as error:
            # An argument that came from the server, of another kind than it should be.
            raise NotVSphere(
                f"{info.wsdlName} cannot be called with what the server answered before "
                f"({type(error).__name__}). Check for a newer vmrep."
            ) from error

    def _understood(self, status: int, body: bytes, info: Any) -> Any:
        """The result of a call. Raises its fault, or NotVSphere."""
        try:
            answer = self._read(body, info)
            if not isinstance(answer, BaseException):
                _require_kind(info, answer)
        except NOT_AS_DESCRIBED as error:
            # pyVmomi's way of saying that a value does not fit the type it is declared with.
            raise NotVSphere(
                f"The answer to {info.wsdlName} cannot be understood "
                f"({type(error).__name__}). Check for a newer vmrep."
            ) from error
        if isinstance(answer, BaseException):
            raise answer
        if status != 200:
            raise NotVSphere(f"{info.wsdlName} was answered with an error that is not vSphere's.")
        return answer

    def _read(self, body: bytes, info: Any) -> Any:
        try:
            return AnswerReader(self).read(io.BytesIO(body), info.result)
        except ExpatError as broken:
            # The whole of it is there, so it is what the server sent: a message may quote anything.
            try:
                return AnswerReader(self).read(io.BytesIO(mended(body)), info.result)
            except ExpatError:
                raise NotVSphere(
                    f"The answer to {info.wsdlName} is not XML ({broken}). Check that the address"
                    " is that of a vCenter Server or ESXi host."
                ) from broken

    def _timed(self, info: Any, request: bytes) -> tuple[int, bytes]:
        began = time.monotonic()
        answer = self._exchange(request)
        if self._on_answer is not None and info.wsdlName not in _WAITS:
            self._on_answer(time.monotonic() - began)
        return answer

    def _exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and read its answer: HTTP status, and the whole body."""
        connection = self._connection()
        connection.timeout = self._patience()
        connection.allow(Budget(self._patience(), MOST_BYTES, within=self._spends()))
        complete = False
        try:
            connection.request("POST", "/sdk", request, self._headers())
            answer = connection.getresponse()
            self._keep_cookie(answer)
            if answer.status not in (200, 500):
                raise HTTPException(f"{answer.status} {answer.reason}")
            body = _whole(answer)
            complete = answer.isclosed() and not answer.will_close
            return answer.status, body
        finally:
            if complete:
                self._rest(connection)
            else:
                connection.close()
                self.drop_connections()  # the server may be sick

    def _headers(self) -> dict[str, str]:
        return {
            "Cookie": self.cookie,
            "SOAPAction": self.versionId,
            "Content-Type": "text/xml; charset=utf-8",
            "Accept-Encoding": "identity",
            "User-Agent": "vmrep",
        }

    def _keep_cookie(self, answer: HTTPResponse) -> None:
        try:
            found = SimpleCookie(answer.getheader("Set-Cookie", "")).get(_COOKIE)
        except CookieError:
            return
        if found is not None:
            self.SetSessionId(found.value)

    @property
    def cookie(self) -> str:
        """The session cookie alone ("" before the login): it is a secret."""
        session_id = self.GetSessionId()
        return f'{_COOKIE}="{session_id}"' if session_id else ""

    def forget_session(self) -> None:
        """Stop sending a cookie: vCenter refuses a login within a session that is logged in."""
        self.SetSessionId(None)

    # -------------------------------------------------------------- connections at rest

    def _connection(self) -> VSphereConnection:
        """A recently used idle connection, or a new one that is not open yet."""
        with self._lock:
            fresh = time.monotonic() - _IDLE_SECONDS
            stale = [one for one, since in self._resting if since < fresh]
            self._resting = [one for one in self._resting if one[1] >= fresh]
            found = self._resting.pop()[0] if self._resting else None
        for connection in stale:
            connection.close()
        return found or VSphereConnection(self._endpoint, self._timeout)

    def _rest(self, connection: VSphereConnection) -> None:
        with self._lock:
            if len(self._resting) < _MOST_RESTING:
                self._resting.append((connection, time.monotonic()))
                return
        connection.close()

    def drop_connections(self) -> None:
        """Close all resting connections; the next call opens a new one."""
        with self._lock:
            dropped, self._resting = self._resting, []
        for connection, _ in dropped:
            connection.close()

    # -------------------------------------------------------------- patience

    def _patience(self) -> float:
        return float(getattr(self._local, "seconds", self._timeout))

    @contextmanager
    def patience(self, seconds: float | None) -> Iterator[None]:
        """Another timeout for each of this thread's calls within the body (None: the usual one)."""
        before = self._patience()
        self._local.seconds = seconds or before
        try:
            yield
        finally:
            self._local.seconds = before

    def _spends(self) -> Budget | None:
        return getattr(self._local, "reading", None) or self.reading

    @contextmanager
    def one_reading(self, bounds: Bounds | None) -> Iterator[None]:
        """Bounds for all of this thread's calls within the body together (None: as usual)."""
        before = getattr(self._local, "reading", None)
        if bounds is not None:
            self._local.reading = Budget(*bounds, within=self._spends())
        try:
            yield
        finally:
            self._local.reading = before


def _whole(answer: HTTPResponse) -> bytes:
    """The body, in pieces: http.client would make room at once for any length that is announced.
    Raises IncompleteRead when it ends before that."""
    body = b"".join(iter(lambda: answer.read(_PIECE_BYTES), b""))
    if answer.length:
        raise IncompleteRead(body[:0], answer.length)
    return body


def _require_kind(info: Any, answer: Any) -> None:
    """Raises TypeError when the result of a call is not of the kind that was described."""
    is_nothing = issubclass(info.result, NoneType)
    if (isinstance(answer, list) and not answer) or (is_nothing and answer is None):
        return
    CheckField(Object(name="result", type=info.result, flags=info.resultFlags), answer)


def negotiate_version(endpoint: Endpoint, timeout: float, reading: Budget | None = None) -> str:
    """The newest API version that server and pyVmomi both know. Needs no login.

    Raises NotVSphere when the address is not that of a vSphere API, and whatever connecting
    raises.
    """
    text = _offered(endpoint, timeout, reading)
    offered = set(re.findall(r"<version>\s*([^<\s]+)\s*</version>", text))
    for version in GetServiceVersions("vim25"):
        if versionIdMap[version] in offered:
            return str(version)
    raise NotVSphere(
        f"{endpoint.host}:{endpoint.port} offers no version of the vSphere API that vmrep knows. "
        "Check that the address is that of a vCenter Server or ESXi host."
    )


def _offered(endpoint: Endpoint, timeout: float, reading: Budget | None) -> str:
    connection = VSphereConnection(endpoint, timeout)
    connection.allow(Budget(timeout, MOST_BYTES, within=reading))
    with translating(f"Connecting to {endpoint.host}:{endpoint.port}"):
        try:
            connection.request("GET", "/sdk/vimServiceVersions.xml")
            answer = connection.getresponse()
            body = answer.read(_VERSIONS_LIMIT_BYTES)
        finally:
            connection.close()
    if answer.status >= 500:
        raise ConnectionLost(
            f"{endpoint.host}:{endpoint.port} answered HTTP {answer.status}: it is not ready. "
            "vmrep will retry."
        )
    if answer.status != 200:
        raise NotVSphere(
            f"{endpoint.host}:{endpoint.port} answered HTTP {answer.status} instead of the vSphere "
            "API. Check that the address is that of a vCenter Server or ESXi host."
        )
    return body.decode("utf-8", errors="replace")
