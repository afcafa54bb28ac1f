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
    CbtFault,
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
from contexts.vsphere.values import NotAsDescribed
from contexts.vsphere.verdicts import Activity, judge

_MOST_WORD = 100  # a fault's or a privilege's name
_MOST_CAUSES = 3  # messages within a fault

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

_QUIESCING = (
    "Check VMware Tools in the guest; on Windows, its VSS writers (vssadmin list writers) and event"
    " log; on Linux, the scripts that freeze it."
)
# What a vCenter does not find then is its own: it is about to start, or to stop.
_BEFORE_A_LOGIN = (Activity.CONNECTING, Activity.LOGGING_IN)
_INVALID_REQUESTS = (
    vmodl.fault.InvalidRequest,
    vmodl.fault.InvalidArgument,
    vmodl.fault.NotSupported,
    vmodl.fault.NotImplemented,
    vmodl.query.InvalidProperty,
)


@contextmanager
def translating(doing: str, activity: Activity = Activity.READING) -> Iterator[None]:
    """Raise vmrep's error for whatever the body raises; `doing` says what was tried."""
    try:
        yield
    except VSphereError:
        raise
    except vmodl.MethodFault as fault:
        raise translate(fault, doing, activity) from fault
    except TRANSPORT_ERRORS as error:
        raise translate(error, doing, activity) from error


@contextmanager
def understanding(doing: str) -> Iterator[None]:
    """Raise NotVSphere where the body meets something that differs from its description."""
    try:
        yield
    except NOT_AS_DESCRIBED as error:
        why = str(error) if isinstance(error, NotAsDescribed) else type(error).__name__
        raise NotVSphere(
            f"{doing}: the answer cannot be understood: {why}. Check for a newer vmrep."
        ) from error


def translate(
    error: BaseException, doing: str, activity: Activity = Activity.READING
) -> VSphereError:
    """vmrep's error for a fault of the API or a failure of the connection."""
    if isinstance(error, vmodl.MethodFault):
        return _from_fault(error, doing, activity)
    return _from_transport(error, doing, activity)


def task_error(fault: Any, doing: str, activity: Activity = Activity.OTHER) -> VSphereError:
    """vmrep's error for the fault with which a vSphere task ended, in vCenter's own words."""
    if fault is None:
        return TaskFailed(f"{doing}: vCenter gives no reason.", fault="unknown")
    if isinstance(fault, vim.fault.NotAuthenticated | vim.fault.InvalidLogin):
        # The task's login somewhere else, not vmrep's at the vCenter.
        known: VSphereError = _judged(fault, doing, activity)
    else:
        known = _from_fault(fault, doing, activity)
    if not isinstance(known, VSphereFault) or isinstance(known, QuiesceFailed):
        return known
    return TaskFailed(str(known), fault=known.fault, transient=known.transient)


def fault_text(fault: Any) -> str:
    """What vCenter says about a fault, with the causes that it names, else the fault's name. Never
    pyVmomi's dump of the whole object."""
    cause = getattr(fault, "faultCause", None)
    said = [
        getattr(fault, "msg", None),
        *(each.message for each in (getattr(fault, "faultMessage", None) or ())[:_MOST_CAUSES]),
        getattr(cause, "msg", None),
        getattr(cause, "localizedMessage", None),
    ]
    lines = dict.fromkeys(str(text).strip() for text in said if text and str(text).strip())
    return cut(" ".join(lines), MOST_FAULT) or fault_name(fault)


def fault_name(fault: Any) -> str:
    """The fault's name in the API, e.g. "FileFault"."""
    return cut(str(getattr(fault, "unknown_name", None) or type(fault)._wsdlName), _MOST_WORD)


def _from_fault(fault: Any, doing: str, activity: Activity) -> VSphereError:
    text = fault_text(fault)
    # NotAuthenticated is a kind of NoPermission, so it must be checked first.
    if isinstance(fault, vim.fault.NotAuthenticated):
        return SessionExpired(f"{doing}: the login is no longer valid ({text}).")
    if isinstance(fault, vim.fault.InvalidLogin):
        return _login_refused(fault, doing, text)
    if isinstance(fault, vim.fault.NoPermission):
        return _privilege_missing(fault, doing, text, activity)
    if isinstance(fault, vmodl.fault.ManagedObjectNotFound) and activity not in _BEFORE_A_LOGIN:
        return ObjectGone(f"{doing}: it no longer exists ({text}).")
    return _judged(fault, doing, activity)


def _login_refused(fault: Any, doing: str, text: str) -> LoginRefused:
    if isinstance(fault, vim.fault.PasswordExpired):
        return LoginRefused(
            f"{doing}: the account's password has expired ({text}). Change it in the vCenter, then"
            " enter the new one."
        )
    return LoginRefused(
        f"{doing}: the user name or password is wrong, or the account is locked ({text}). "
        "Check the account in the vCenter, then enter the password again."
    )


def _privilege_missing(fault: Any, doing: str, text: str, activity: Activity) -> PrivilegeMissing:
    privilege = cut(getattr(fault, "privilegeId", None) or "", _MOST_WORD) or None
    if activity is Activity.LOGGING_IN:
        return PrivilegeMissing(
            f"{doing}: the password is right, but the account has no permission at all there"
            f" ({text}). Give it a role in the vCenter.",
            privilege=privilege,
        )
    return PrivilegeMissing(
        f"{doing}: the account lacks the privilege {privilege or '(not named)'} ({text}). "
        "Give its role this privilege, and try again.",
        privilege=privilege,
    )


def _judged(fault: Any, doing: str, activity: Activity) -> VSphereFault:
    verdict, name, text = judge(fault, activity), fault_name(fault), fault_text(fault)
    said = f"{doing}: vSphere answers {name}."
    if text != name:
        said = f"{doing}: vSphere answers {name}: {text}"
    kind: type[VSphereFault] = VSphereFault
    if activity is Activity.QUIESCING and not verdict.busy:
        kind = QuiesceFailed
    elif activity is Activity.ASKING_CHANGED_AREAS and not verdict.busy:
        kind = CbtFault
    elif isinstance(fault, _INVALID_REQUESTS):
        kind = InvalidRequest
    remedy = "" if kind is CbtFault else _QUIESCING if kind is QuiesceFailed else verdict.remedy
    words = f"{_ended(said)} {remedy}" if remedy else said
    return kind(words, fault=name, transient=verdict.transient)


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?", "]")) else f"{text}."


def _from_transport(error: BaseException, doing: str, activity: Activity) -> VSphereError:
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
    if status and status[1] == "503" and activity is Activity.LOGGING_IN:
        return ConnectionLost(
            f"{doing}: the server is not ready, or it has as many sessions as it may (HTTP 503)."
            " vmrep will retry. If this continues, end idle sessions in the vCenter."
        )
    what = f"HTTP {status[1]}" if status else type(error).__name__
    return ConnectionLost(f"{doing}: the connection was lost ({what}). vmrep will retry.")
