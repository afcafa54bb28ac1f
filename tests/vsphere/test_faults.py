from __future__ import annotations

import http.client
import socket
import ssl
from xml.parsers.expat import ExpatError

import pytest
from pyVmomi import vim, vmodl

from contexts.vsphere import errors
from contexts.vsphere.faults import task_error, translate, translating


@pytest.mark.parametrize(
    ("fault", "kind", "transient"),
    [
        (vim.fault.NotAuthenticated(), errors.SessionExpired, True),
        (vim.fault.NoPermission(privilegeId="System.View"), errors.PrivilegeMissing, False),
        (vim.fault.InvalidLogin(), errors.LoginRefused, False),
        (vmodl.fault.ManagedObjectNotFound(), errors.ObjectGone, False),
        (vmodl.fault.InvalidArgument(), errors.InvalidRequest, False),
        (vmodl.fault.MethodNotFound(), errors.InvalidRequest, False),
        (vim.fault.TaskInProgress(), errors.VSphereFault, True),
        (vmodl.fault.HostNotConnected(), errors.VSphereFault, True),
        (vim.fault.FileFault(), errors.VSphereFault, False),
        (ConnectionRefusedError(), errors.ConnectionRefused, True),
        (ConnectionResetError(), errors.ConnectionLost, True),
        (http.client.RemoteDisconnected(), errors.ConnectionLost, True),
        (ExpatError("no element found"), errors.ConnectionLost, True),
        (TimeoutError(), errors.ConnectionLost, True),
        (ssl.SSLEOFError(), errors.ConnectionLost, True),
        (ssl.SSLError(1, "[SSL: BAD_RECORD_MAC]"), errors.ConnectionLost, True),
        (http.client.HTTPException("503 Service Unavailable"), errors.ConnectionLost, True),
        (http.client.HTTPException("404 Not Found"), errors.NotVSphere, False),
        (socket.gaierror(), errors.AddressUnknown, False),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), errors.AddressUnknown, False),
        (socket.gaierror(socket.EAI_AGAIN, "not now"), errors.NameServiceAway, True),
        (UnicodeError(), errors.AddressUnknown, False),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_each_failure_has_its_error(
    fault: Exception, kind: type[errors.VSphereError], transient: bool
) -> None:
    error = translate(fault, "Trying")
    assert type(error) is kind
    assert error.transient is transient
    assert str(error).startswith("Trying: ")


def test_a_missing_privilege_is_named() -> None:
    error = translate(vim.fault.NoPermission(privilegeId="Datastore.Browse", msg="no"), "Reading")
    assert isinstance(error, errors.PrivilegeMissing)
    assert error.privilege == "Datastore.Browse"
    assert "Datastore.Browse" in str(error)


def test_a_fault_keeps_vcenters_words_and_its_name_and_no_dump_of_the_object() -> None:
    error = translate(vim.fault.FileFault(file="[ds] secret.vmdk", msg="Error caused by file"), "X")
    assert isinstance(error, errors.VSphereFault)
    assert error.fault == "FileFault"
    assert str(error) == "X: vSphere answers FileFault: Error caused by file"


def test_a_fault_without_words_is_told_by_its_name() -> None:
    assert str(translate(vim.fault.FileFault(), "X")) == "X: vSphere answers FileFault."


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (vim.fault.ApplicationQuiesceFault(), errors.QuiesceFailed),
        (vim.fault.ToolsUnavailable(), errors.QuiesceFailed),
        (vim.fault.GenericVmConfigFault(), errors.TaskFailed),
        (vim.fault.NoPermission(), errors.PrivilegeMissing),
        (vmodl.fault.ManagedObjectNotFound(), errors.ObjectGone),
        (None, errors.TaskFailed),
    ],
)
def test_a_failed_task_has_its_error(
    fault: Exception | None, kind: type[errors.VSphereError]
) -> None:
    assert type(task_error(fault, "Creating")) is kind


def test_the_door_lets_own_errors_through_and_keeps_the_cause() -> None:
    gone = errors.ObjectGone("gone")
    with pytest.raises(errors.ObjectGone) as own, translating("X"):
        raise gone
    assert own.value is gone
    cause = ConnectionResetError("by peer")
    with pytest.raises(errors.ConnectionLost) as lost, translating("X"):
        raise cause
    assert lost.value.__cause__ is cause


def test_the_door_hides_no_mistakes_of_ones_own() -> None:
    with pytest.raises(ZeroDivisionError), translating("X"):
        1 / 0  # noqa: B018
