"""pyVmomi's SOAP stub, put on vmrep's own connections.

Kept to the extension points that pyVmomi itself uses (an outer stub as its SessionOrientedStub,
`scheme` as the class of connections); checked against pyVmomi 9.1.1.0.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyVim.connect import GetServiceVersions
from pyVmomi.SoapAdapter import SoapStubAdapter, StubAdapterBase
from pyVmomi.VmomiSupport import versionIdMap

from contexts.vsphere.endpoint import Endpoint
from contexts.vsphere.errors import ConnectionLost, NotVSphere
from contexts.vsphere.faults import translating
from contexts.vsphere.tls import VSphereConnection, https_connection

# Servers and proxies close idle connections silently; one that rested longer than this is not
# used again. (pyVmomi's default is 15 minutes, longer than any of them keeps one.)
_IDLE_SECONDS = 15
_VERSIONS_LIMIT_BYTES = 1 << 20


class Stub(StubAdapterBase):
    """Calls the API over verified or pinned connections. Safe to be used by several threads.

    A fault is raised as pyVmomi's exception; what cannot be understood as NotVSphere.
    """

    def __init__(self, endpoint: Endpoint, version: str, timeout: float) -> None:
        self.soap = _Transport(endpoint, version, timeout)
        super().__init__(version=version)

    def InvokeMethod(self, mo: Any, info: Any, args: Any) -> Any:
        """pyVmomi calls this for each method and property."""
        try:
            status, answer = self.soap.InvokeMethod(mo, info, args, self)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            # pyVmomi's way of saying that a value does not fit the type it is declared with.
            raise NotVSphere(
                f"The answer to {info.wsdlName} cannot be understood "
                f"({type(error).__name__}). Check for a newer vmrep."
            ) from error
        if status == 200:
            return answer
        if isinstance(answer, Exception):
            raise answer
        raise NotVSphere(f"{info.wsdlName} was answered with an error that is not vSphere's.")

    @property
    def cookie(self) -> str:
        """The session cookie alone ("" before the login): it is a secret."""
        session_id = self.soap.GetSessionId()
        return f'vmware_soap_session="{session_id}"' if session_id else ""

    def forget_session(self) -> None:
        """Send no cookie any more: vCenter refuses to log in somebody who is logged in."""
        self.soap.SetSessionId(None)

    def drop_connections(self) -> None:
        """Close all resting connections; the next call opens a new one."""
        self.soap.DropConnections()

    @contextmanager
    def patience(self, seconds: float | None) -> Iterator[None]:
        """Another socket timeout for this thread's calls within the body (None: the usual)."""
        before = self.soap.patience()
        self.soap.local.seconds = seconds or before
        try:
            yield
        finally:
            self.soap.local.seconds = before


class _Transport(SoapStubAdapter):
    """HTTP and XML, by pyVmomi; the connections by vmrep."""

    def __init__(self, endpoint: Endpoint, version: str, timeout: float) -> None:
        super().__init__(
            host=endpoint.host,
            port=endpoint.port,
            version=version,
            connectionPoolTimeout=_IDLE_SECONDS,
        )
        self._timeout = timeout
        self.local = threading.local()
        self.scheme = lambda host, port: VSphereConnection(endpoint, timeout)
        self.schemeArgs: dict[str, Any] = {}

    def patience(self) -> float:
        return float(getattr(self.local, "seconds", self._timeout))

    def GetConnection(self) -> Any:
        """A connection from the pool or a new one, with this thread's timeout."""
        connection = super().GetConnection()
        connection.timeout = self.patience()
        if connection.sock is not None:
            connection.sock.settimeout(connection.timeout)
        return connection


def negotiate_version(endpoint: Endpoint, timeout: float) -> str:
    """The newest API version that server and pyVmomi both know. Needs no login.

    Raises NotVSphere when the address is not that of a vSphere API, and whatever connecting
    raises.
    """
    offered = set(re.findall(r"<version>\s*([^<\s]+)\s*</version>", _offered(endpoint, timeout)))
    for version in GetServiceVersions("vim25"):
        if versionIdMap[version] in offered:
            return str(version)
    raise NotVSphere(
        f"{endpoint.host}:{endpoint.port} offers no version of the vSphere API that vmrep knows. "
        "Check that the address is that of a vCenter Server or ESXi host."
    )


def _offered(endpoint: Endpoint, timeout: float) -> str:
    connection = https_connection(endpoint, timeout)
    with translating(f"Connecting to {endpoint.host}:{endpoint.port}"):
        try:
            connection.request("GET", "/sdk/vimServiceVersions.xml")
            answer = connection.getresponse()
            body = answer.read(_VERSIONS_LIMIT_BYTES)
        finally:
            connection.close()
    if answer.status >= 500:
        raise ConnectionLost(
            f"{endpoint.host}:{endpoint.port} answers HTTP {answer.status}: it is not ready. "
            "It will be tried again."
        )
    if answer.status != 200:
        raise NotVSphere(
            f"{endpoint.host}:{endpoint.port} answers HTTP {answer.status} where the vSphere API "
            "should be. Check that the address is that of a vCenter Server or ESXi host."
        )
    return body.decode("utf-8", errors="replace")
