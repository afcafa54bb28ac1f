"""The one place where what pyVmomi, http.client and sockets raise becomes vmrep's own errors."""

from __future__ import annotations

import re
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from xml.parsers.expat import ExpatError

from pyVmomi import vim, vmodl

from contexts.vsphere.answers import NOT_AS_DESCRIBED
from contexts.vsphere.budget import OutOfTime
from contexts.vsphere.errors import (
    AddressUnknown,
    ConnectionLost,
    ConnectionRefused,
    InvalidRequest,
    LoginRefused,
    NameServiceAway,
    NotVSphere,
    ObjectGone,
    PrivilegeMissing,
    QuiesceFailed,
    SessionExpired,
    TaskFailed,
    VSphereError,
    VSphereFault,
)
from contexts.vsphere.texts import MOST_FAULT, cut

_MOST_WORD = 100  # a fault's or a privilege's name

# Everything below HTTP and XML that a connection may die of. An answer that was cut off arrives
# as broken XML: http.client reports a short body as its end when it is read in pieces.
TRANSPORT_ERRORS = (
    OSError,
    HTTPException,
    ExpatError,
    zlib.error,
    EOFError,
    UnicodeError,  # a host name that IDNA cannot encode
)

_QUIESCE_FAULTS = frozenset(
    {"ApplicationQuiesceFault", "FilesystemQuiesceFault", "ToolsUnavailable"}
)
# Another attempt may succeed without anybody doing anything: busy VM, host or agent away.
_TRANSIENT_FAULTS = (
    vim.fault.TaskInProgress,
    vim.fault.ConcurrentAccess,
    vim.fault.Timedout,
    vim.fault.HostConnectFault,
    vmodl.fault.HostCommunication,
    vmodl.fault.RequestCanceled,
)
_INVALID_REQUESTS = (
    vmodl.fault.InvalidRequest,
    vmodl.fault.InvalidArgument,
    vmodl.fault.NotSupported,
    vmodl.fault.NotImplemented,
    vmodl.query.InvalidProperty,
)


@contextmanager
def translating(doing: str) -> Iterator[None]:
    """Raise vmrep's error for whatever the body raises; `doing` says what was tried."""
    try:
        yield
    except VSphereError:
        raise
    except vmodl.MethodFault as fault:
        raise translate(fault, doing) from fault
    except TRANSPORT_ERRORS as error:
        raise translate(error, doing) from error


@contextmanager
def understanding(doing: str) -> Iterator[None]:
    """Raise NotVSphere where the body meets something that differs from its description."""
    try:
        yield
    except NOT_AS_DESCRIBED as error:
        raise NotVSphere(
            f"{doing}: the answer cannot be understood ({type(error).__name__}). Check for a newer"
            " vmrep."
        ) from error


def translate(error: BaseException, doing: str) -> VSphereError:
    """vmrep's error for a fault of the API or a failure of the connection."""
    if isinstance(error, vmodl.MethodFault):
        return _from_fault(error, doing)
    return _from_transport(error, doing)


def task_error(fault: Any, doing: str) -> VSphereError:
    """vmrep's error for the fault with which a vSphere task ended, in vCenter's own words."""
    if fault is None:
        return TaskFailed(f"{doing}: vCenter gives no reason.", fault="unknown")
    known = _from_fault(fault, doing)
    if not isinstance(known, VSphereFault):
        return known
    kind = QuiesceFailed if known.fault in _QUIESCE_FAULTS else TaskFailed
    return kind(str(known), fault=known.fault, transient=known.transient)


def fault_text(fault: Any) -> str:
    """What vCenter says about a fault, else its name. Never pyVmomi's dump of the whole object."""
    text = cut(str(getattr(fault, "msg", None) or "").strip(), MOST_FAULT)
    return text or fault_name(fault)


def fault_name(fault: Any) -> str:
    """The fault's name in the API, e.g. "FileFault"."""
    return cut(str(getattr(fault, "unknown_name", None) or type(fault)._wsdlName), _MOST_WORD)


def _from_fault(fault: Any, doing: str) -> VSphereError:
    text = fault_text(fault)
    # NotAuthenticated is a kind of NoPermission, so it must be checked first.
    if isinstance(fault, vim.fault.NotAuthenticated):
        return SessionExpired(f"{doing}: the login is no longer valid ({text}).")
    if isinstance(fault, vim.fault.InvalidLogin):
        return LoginRefused(
            f"{doing}: the user name or password is wrong, or the account is locked ({text}). "
            "Check the account in the vCenter, then enter the password again."
        )
    if isinstance(fault, vim.fault.NoPermission):
        privilege = cut(getattr(fault, "privilegeId", None) or "", _MOST_WORD) or None
        return PrivilegeMissing(
            f"{doing}: the account lacks the privilege {privilege or '(not named)'} ({text}). "
            "Give its role this privilege, and try again.",
            privilege=privilege,
        )
    if isinstance(fault, vmodl.fault.ManagedObjectNotFound):
        return ObjectGone(f"{doing}: it no longer exists ({text}).")
    kind = InvalidRequest if isinstance(fault, _INVALID_REQUESTS) else VSphereFault
    name = fault_name(fault)
    return kind(
        f"{doing}: vSphere answers {name}."
        if text == name
        else f"{doing}: vSphere answers {name}: {text}",
        fault=name,
        transient=isinstance(fault, _TRANSIENT_FAULTS),
    )


def _from_transport(error: BaseException, doing: str) -> VSphereError:
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return NameServiceAway(
            f"{doing}: the address cannot be looked up at the moment. Check the DNS servers and "
            "the network. vmrep will retry."
        )
    if isinstance(error, socket.gaierror | UnicodeError):
        return AddressUnknown(
            f"{doing}: the address cannot be resolved. Check its spelling and the DNS."
        )
    if isinstance(error, ConnectionRefusedError):
        return ConnectionRefused(
            f"{doing}: the connection was refused. Check the address, the port, and that the "
            "server is running."
        )
    if isinstance(error, TimeoutError):
        late = str(error) if isinstance(error, OutOfTime) else "no answer in time"
        return ConnectionLost(f"{doing}: {late}. Check the network and the server.")
    status = re.match(r"(\d{3}) ", str(error)) if isinstance(error, HTTPException) else None
    if status and int(status[1]) < 500 and status[1] != "429":
        return NotVSphere(
            f"{doing}: the server answered HTTP {status[1]}. Check that the address is that of a "
            "vCenter Server or ESXi host."
        )
    what = f"HTTP {status[1]}" if status else type(error).__name__
    return ConnectionLost(f"{doing}: the connection was lost ({what}). vmrep will retry.")
